"""What the page calls: the policy of the release that answers, else the workspace's default policy."""

from __future__ import annotations

from types import CoroutineType
from typing import Any

from headgate.core.ports import Policy, Screen
from headgate.core.stages import Grounded, Screened


class Guardrails:
    """The room. Stateless: policies come with the call's snapshot."""

    __slots__ = ()

    def screen_input(self, grounded: Grounded) -> CoroutineType[Any, Any, Screened]:
        """Raises PolicyBlocked. The policy's own coroutine, not one more around it."""
        return _policy(grounded).screen_input(grounded)

    def output(self, screened: Screened) -> Screen:
        """A fresh output screen."""
        return _policy(screened.grounded).output(screened)


def _policy(grounded: Grounded) -> Policy:
    selected = grounded.prompted.selected
    release = selected.release
    return selected.admitted.call.snapshot.policy if release is None else release.policy
