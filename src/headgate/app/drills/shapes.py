"""The fault catalogue as it must be lived through: what a client sees of each shape, how many targets are asked, and
what is held against the one that failed. `docs/faults.md` tells it in words."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.core.errors import ConfigError
from headgate.simulator.faults import CATALOGUE

# what a client sees
WHOLE = "whole answer"
BROKEN = "error inside the answer"
HANDED = "the provider's error, handed back"
REFUSAL = "refusal"
EMPTY = "empty answer"
DOWN = "503 with retry-after"
LEFT = "the client left"
# what is held against the target that was struck
NOTHING = "nothing"
COUNTS = "counts"
RESTS = "rests"
EITHER = "as many as fail"


class Expected(msgspec.Struct, frozen=True):
    """`tries` is how many targets each call asks; 0: one or two, as it comes."""

    seen: str
    tries: int
    against: str

    @property
    def told(self) -> str:
        """`whole answer, 2 tries, counts`."""
        tries = "1 or 2 tries" if not self.tries else "1 try" if self.tries == 1 else f"{self.tries} tries"
        return f"{self.seen}; {tries}; {self.against}"


ELSEWHERE = Expected(WHOLE, 2, COUNTS)  # another target answers, unseen
ELSEWHERE_RESTS = Expected(WHOLE, 2, RESTS)
ELSEWHERE_BLAMELESS = Expected(WHOLE, 2, NOTHING)
ANSWERED = Expected(WHOLE, 1, NOTHING)
TOLD = Expected(BROKEN, 1, COUNTS)
HANDED_BACK = Expected(HANDED, 1, NOTHING)
REFUSED = Expected(REFUSAL, 1, NOTHING)
EMPTY_ANSWER = Expected(EMPTY, 1, NOTHING)
CANCELLED = Expected(LEFT, 1, NOTHING)
MIXED = Expected(WHOLE, 0, EITHER)
THIRD = Expected(WHOLE, 3, COUNTS)
ALL_DOWN = Expected(DOWN, 3, COUNTS)
# shapes of the whole: what each of the three providers does
_EVERYONE = {"f34-all-down": "f34-down", "f34-all-hang": "f14-hang", "f34-all-reset": "f11-reset"}


class Shape(msgspec.Struct, frozen=True):
    """One way to fail. `whole` and `stream` are what is expected of either kind of answer; None: it is not one of
    that kind. `except_for` are vendors to whose format the shape means something else.

    `by`: `simulator` (its fault of this name), `network` or `client`. `knobs` go with the simulator's rule. `calls`
    are made one after another. `tools` offers a tool that the model calls. `brief`: found by waiting, so deadlines are
    short. `others` says who stands behind the struck target: `one` healthy vendor, one with a `larger` context window,
    another `key` of the same vendor, `two` of whom the first is down as well, `none` that is well. `cross`: also asked
    by clients of the other dialects.
    """

    name: str
    whole: Expected | None
    stream: Expected | None
    except_for: Mapping[str, tuple[Expected | None, Expected | None]] = {}
    by: str = "simulator"
    knobs: str = ""
    calls: int = 1
    tools: bool = False
    brief: bool = False
    others: str = "one"
    cross: bool = False
    summary: str = ""

    @property
    def family(self) -> str:
        """`F14`."""
        return self.name.partition("-")[0].upper()

    @property
    def made_by(self) -> str:
        """The simulator's fault that makes it."""
        return _EVERYONE.get(self.name, self.name)

    @property
    def told(self) -> str:
        """What it is, in a few words."""
        return self.summary or CATALOGUE[self.name].summary

    def expected(self, vendor: str, stream: bool) -> Expected | None:
        """What must happen where `vendor` is struck; None where it is no shape of such an answer."""
        whole, streamed = self.except_for.get(vendor, (self.whole, self.stream))
        return streamed if stream else whole


_FIRST = (
    Shape("f1-500", ELSEWHERE, ELSEWHERE, cross=True),
    Shape("f1-502", ELSEWHERE, ELSEWHERE),
    Shape("f1-503", ELSEWHERE, ELSEWHERE),
    Shape("f1-504", ELSEWHERE, ELSEWHERE),
    Shape("f1-529", ELSEWHERE, ELSEWHERE),
    Shape("f2-seconds", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f2-ms", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f2-date", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f2-zero", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f2-negative", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f2-huge", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f2-nan", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f3-minute", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f4-quota", ELSEWHERE_RESTS, ELSEWHERE_RESTS, cross=True),
    Shape("f4-credit", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f4-organization-spend", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f4-project-spend", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f4-organization-usage", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f4-billing", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f4-usage-400", None, None, {"anthropic": (ELSEWHERE_RESTS, ELSEWHERE_RESTS)}),
    Shape("f5-401", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f5-403", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f6-404", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f6-410", ELSEWHERE_RESTS, ELSEWHERE_RESTS),
    Shape("f7-400", HANDED_BACK, HANDED_BACK, cross=True),
    Shape("f7-413", HANDED_BACK, HANDED_BACK),
    Shape("f7-422", HANDED_BACK, HANDED_BACK),
    Shape("f8-context", ELSEWHERE_BLAMELESS, ELSEWHERE_BLAMELESS, others="larger"),
    Shape("f9-refusal", REFUSED, REFUSED, cross=True),
    Shape("f9-filter", REFUSED, REFUSED, cross=True),
    # OpenAI blocks a prompt with a 400
    Shape("f9-blocked", REFUSED, REFUSED, {"openai": (HANDED_BACK, HANDED_BACK)}, cross=True),
    Shape("f9-recitation", REFUSED, REFUSED),
)
_SILENT = (
    Shape("f10-nxdomain", ELSEWHERE, ELSEWHERE, by="network", summary="the host's name is unknown"),
    Shape("f10-silent", ELSEWHERE, ELSEWHERE, by="network", brief=True, summary="name servers do not answer"),
    Shape("f10-stale", ELSEWHERE, ELSEWHERE, by="network", summary="the name leads where nobody listens any more"),
    Shape("f11-refused", ELSEWHERE, ELSEWHERE, by="network", summary="connection refused"),
    Shape("f11-blackhole", ELSEWHERE, ELSEWHERE, by="network", brief=True, summary="no answer to the first packet"),
    Shape("f11-reset", ELSEWHERE, ELSEWHERE),
    Shape("f11-closed", ELSEWHERE, ELSEWHERE),
    Shape("f12-not-tls", ELSEWHERE_RESTS, ELSEWHERE_RESTS, by="network", summary="what answers does not speak TLS"),
    Shape("f12-stall", ELSEWHERE, ELSEWHERE, by="network", brief=True, summary="the TLS handshake never ends"),
    Shape("f13-dead-keep-alive", ANSWERED, ANSWERED, calls=2),
    Shape("f14-hang", ELSEWHERE, ELSEWHERE, brief=True, cross=True),
    Shape("f15-silent", ELSEWHERE, ELSEWHERE, brief=True),
    Shape("f16-stall", ELSEWHERE, TOLD, brief=True, cross=True),
    Shape("f17-drip", ELSEWHERE, ELSEWHERE, brief=True),
)
# a whole answer of Anthropic's cannot hold broken arguments; Google breaks off a call before any of it is shown
_UNBREAKABLE = {"anthropic": (ANSWERED, TOLD), "google": (ELSEWHERE, ELSEWHERE)}
_ANSWERS = (
    Shape("f18-json-error", ELSEWHERE, ELSEWHERE, cross=True),
    Shape("f19-html", ELSEWHERE, ELSEWHERE),
    Shape("f20-empty", ELSEWHERE, ELSEWHERE),
    Shape("f20-cut", ELSEWHERE, TOLD),
    Shape("f20-no-events", None, ELSEWHERE),
    # no content is a complete answer of Anthropic's
    Shape("f21-no-choices", ELSEWHERE, ELSEWHERE, {"anthropic": (EMPTY_ANSWER, EMPTY_ANSWER)}),
    Shape("f22-error-first", None, ELSEWHERE, cross=True),
    Shape("f22-error-opened", None, ELSEWHERE),
    Shape("f23-error-later", None, TOLD, cross=True),
    Shape("f24-eof", None, TOLD, cross=True),
    Shape("f24-no-finish", None, TOLD),
    Shape("f25-abort", ELSEWHERE, TOLD),
    Shape("f26-bad-json", None, TOLD),
    Shape("f27-bytes", None, ANSWERED),
    Shape("f27-crlf", None, ANSWERED),
    Shape("f27-cr", None, ANSWERED),
    Shape("f27-lf", None, ANSWERED),
    Shape("f27-bom", None, ANSWERED),
    Shape("f27-comments", None, ANSWERED),
    Shape("f27-fields", None, ANSWERED),
    Shape("f27-lines", None, ANSWERED),
    Shape("f27-megabyte", None, ANSWERED),
    Shape("f28-no-done", None, ANSWERED),
    Shape("f28-linger", None, ANSWERED, brief=True),
    Shape("f29-cut-arguments", ELSEWHERE, TOLD, _UNBREAKABLE, tools=True),
    Shape("f29-duplicate-index", ANSWERED, ANSWERED, tools=True),
    Shape("f29-no-id", ANSWERED, ANSWERED, tools=True),
    Shape("f29-malformed", ELSEWHERE, TOLD, _UNBREAKABLE, tools=True),
    Shape("f30-absent", ANSWERED, ANSWERED),
    Shape("f30-zero", ANSWERED, ANSWERED),
    Shape("f30-huge", ANSWERED, ANSWERED),
)
_MANY = (
    Shape("f32-brownout", MIXED, MIXED, calls=24),
    Shape("f32-slow", ANSWERED, ANSWERED),
    Shape("f33-key-skew", ELSEWHERE, ELSEWHERE, others="key"),
    Shape("f34-down", THIRD, THIRD, others="two", summary="two of three providers are down"),
    Shape("f34-all-down", ALL_DOWN, ALL_DOWN, others="none", summary="every provider is down"),
    Shape("f34-all-hang", ALL_DOWN, ALL_DOWN, others="none", brief=True, summary="no provider answers anything"),
    Shape("f34-all-reset", ALL_DOWN, ALL_DOWN, others="none", summary="every provider resets connections"),
    Shape("f35-flap", MIXED, MIXED, calls=24, knobs=",period=0.25"),
    Shape("f36-gzip-bomb", ELSEWHERE, ELSEWHERE),
    # what is lost of Anthropic's stream is its last event, behind the finish
    Shape("f36-length-short", ELSEWHERE, TOLD, {"anthropic": (ELSEWHERE, ANSWERED)}),
    Shape("f36-length-long", ELSEWHERE, ANSWERED),
    Shape("f36-bad-chunk", ELSEWHERE, ELSEWHERE),
    Shape("f36-huge-header", ELSEWHERE, ELSEWHERE),
    Shape("f36-many-headers", ELSEWHERE, ELSEWHERE),
    Shape("f36-flood", ELSEWHERE, ELSEWHERE),
    Shape("f38-leaves", None, CANCELLED, by="client", summary="the client leaves in the middle of its answer"),
    Shape("f38-slow-reader", None, ANSWERED, by="client", summary="the client reads 64 bytes at a time, with pauses"),
)
# these need certificates, which only the tests make
CERTIFICATES = tuple(
    Shape(name, ELSEWHERE_RESTS, ELSEWHERE_RESTS, by="network", summary=summary)
    for name, summary in (
        ("f12-expired", "the certificate has expired"),
        ("f12-wrong-host", "the certificate is another host's"),
        ("f12-unknown", "nobody who is trusted has signed the certificate"),
    )
)
SHAPES: dict[str, Shape] = {shape.name: shape for shape in (*_FIRST, *_SILENT, *_ANSWERS, *_MANY)}


def find(word: str) -> list[Shape]:
    """The shapes of `all`, of a family (`F14`) or of one name. Raises ConfigError."""
    wanted = word.lower()
    if wanted == "all":
        return list(SHAPES.values())
    found = [shape for shape in SHAPES.values() if wanted in (shape.name, shape.family.lower())]
    if not found:
        raise ConfigError("SHAPE", f"there is no shape `{word}`", "all, F1 to F38, or a name that `--list` prints")
    return found
