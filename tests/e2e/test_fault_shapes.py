"""Every shape of the fault catalogue over real sockets, as `headgate drill fault` runs it, and its page."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import trustme
import uvloop

from headgate.app.drills.cases import VENDORS, Choice, cases
from headgate.app.drills.fault import Finding, run_faults
from headgate.app.drills.shapes import CERTIFICATES, SHAPES, TOLD, Shape, find
from headgate.app.drills.stand import Trust
from headgate.cli.main import main
from headgate.core.errors import ConfigError
from headgate.simulator import CATALOGUE
from headgate.wire.clock import SystemClock, SystemEntropy

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def run(shapes: list[Shape], choice: Choice, trust: Trust | None = None) -> list[Finding]:
    return uvloop.run(run_faults(cases(shapes, choice), SystemClock(), SystemEntropy(), trust or Trust()))


@pytest.mark.parametrize("at", range(3), ids=VENDORS)
def test_every_shape_is_as_tabled(at: int) -> None:
    """Each third of the shapes with clients of another dialect; `make soak` runs them all with all."""
    chosen = [shape for number, shape in enumerate(SHAPES.values()) if number % 3 == at]
    found = run(chosen, Choice((VENDORS[at],)))
    assert len(found) > len(chosen)
    assert [one for one in found if one.wrong] == []


def test_a_bad_certificate_is_found_and_told(tmp_path: Path) -> None:
    good, unknown = trustme.CA(), trustme.CA()
    good.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    certificates = {
        "f12-expired": good.issue_cert("127.0.0.1", not_before=yesterday - timedelta(days=9), not_after=yesterday),
        "f12-wrong-host": good.issue_cert("elsewhere.example"),
        "f12-unknown": unknown.issue_cert("127.0.0.1"),
    }
    contexts = {}
    for name, certificate in certificates.items():
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(contexts[name])
    found = run(list(CERTIFICATES), Choice(("openai",)), Trust(tmp_path / "ca.pem", contexts))
    assert [one for one in found if one.wrong] == []
    assert {one.attempts[0].outcome for one in found} == {"tls_failed"}


def test_what_is_not_as_tabled_is_told() -> None:
    """A shape with a wrong expectation: the drill can fail."""
    wrong = msgspec.structs.replace(SHAPES["f1-500"], stream=TOLD)
    (found,) = run([wrong], Choice(("openai",), (True,)))[:1]
    assert found.seen == "whole answer"
    assert "client saw: whole answer" in found.wrong
    assert "2 tries" in found.wrong


def test_every_fault_of_the_simulator_is_a_shape() -> None:
    """But drift (F31), which does not fail a call."""
    assert {name for name in CATALOGUE if not name.startswith("f31-")} <= set(SHAPES)


def test_a_shape_is_found_by_family_by_name_or_not_at_all() -> None:
    assert [shape.name for shape in find("F14")] == ["f14-hang"]
    assert [shape.name for shape in find("f28-linger")] == ["f28-linger"]
    assert len(find("all")) == len(SHAPES)
    with pytest.raises(ConfigError):
        find("F99")


def test_the_page_lists_every_shape_and_every_family() -> None:
    text = PAGE.read_text()
    named = set(re.findall(r"`(f\d+-[a-z0-9-]+)`", text))
    assert named == {*SHAPES, *(shape.name for shape in CERTIFICATES)}
    families = {f"F{number}" for number in range(1, 39)}
    assert families <= set(re.findall(r"\bF\d+\b", text))


def test_the_command_exits_0_and_prints_a_line_for_each_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "fault", "F7", "--dialect", "google", "--plain"]) == 0
    out = capsys.readouterr().out
    assert out.count("f7-") == 5
    assert "All 5 cases are as tabled." in out
    assert main(["drill", "fault", "F99"]) == 2
    assert main(["drill", "fault", "f22-error-first", "--plain"]) == 2
