"""Two thousand streams are four thousand sockets: what the system allows is asked for before the first fork."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from headgate.app.supervisor import DESCRIPTORS_MAX, raise_descriptors


def test_as_many_files_as_the_system_allows_may_be_open() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if most <= 64:
        pytest.skip("this system allows hardly any open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most - 1, hard))
    try:
        raise_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
        raise_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "name", ["sqlalchemy", "alembic", "starlette", "uvicorn", "jsonschema", "headgate.app.control"]
)
def test_workers_load_nothing_of_the_control_plane(name: str) -> None:
    code = f"import sys, headgate.app.up; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
