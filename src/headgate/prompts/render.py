"""Prompts as the page sees them: the exact text goes into the body, or the caller's own is recognised or fingerprinted.

Text that a caller fetched and put together is as good as rendered here: the version is on record. Within an app that
has a prompt of its own it stands in that prompt's place, but only as system text, which end users do not write: words
of theirs never keep the app's prompt out.
"""

from __future__ import annotations

import hashlib

from headgate.core.errors import Forbidden, InvalidRequest
from headgate.core.snapshot import App, Recognised
from headgate.core.stages import Call, Prompted, Selected
from headgate.core.types import ArtifactRef
from headgate.dialects import DIALECTS

FINGERPRINT_CHARS = 16


class Prompts:
    """Stateless: everything comes with the call."""

    def render(self, selected: Selected) -> Prompted:
        """The body with the release's prompt in place.

        Raises InvalidRequest naming the variable at fault, Forbidden where the app takes registered prompts only.
        """
        call = selected.admitted.call
        asked = selected.asked
        dialect = DIALECTS[call.dialect]
        record = call.record
        app = selected.app
        deny = app is not None and app.unregistered == "deny"
        if selected.release is None or selected.prompt is None:
            return _bare(selected, deny)
        program = selected.release.prompts[selected.prompt]
        system = dialect.system_text(asked)
        if system is not None and asked.variables is None and call.snapshot.known is not None:
            own = call.snapshot.known.by_system(system, _digest(system), lambda most: dialect.turns(asked, most))
            if own is not None and own.ref.name == program.ref.name and not (deny and not _serves(app, own.ref)):
                _note(call, own)
                return Prompted(selected, asked.body)
        if deny and app is not None and system is not None:
            raise Forbidden(f"app `{app.name}` takes no system prompt of the caller's own")
        rendered = program.render(asked.variables or {})
        record.prompt = str(program.ref)
        record.prompt_digest = program.ref.digest
        carried = dialect.add_prompt(asked, rendered, program.settings)
        record.dropped = carried.dropped
        return Prompted(selected, carried.body)


def _bare(selected: Selected, deny: bool) -> Prompted:
    """A call without a prompt of ours: its own is recognised, or fingerprinted."""
    call, asked, app = selected.admitted.call, selected.asked, selected.app
    dialect = DIALECTS[call.dialect]
    if asked.variables is not None:
        raise InvalidRequest(
            f"`{asked.model}` has no registered prompt to fill with variables", param="headgate.variables"
        )
    system = dialect.system_text(asked)
    digest = None if system is None else _digest(system)
    index, own = call.snapshot.known, None
    if index is not None:

        def turns(most: int) -> list[tuple[str, str]]:
            return dialect.turns(asked, most)

        if system is not None and digest is not None:
            own = index.by_system(system, digest, turns)
        elif not deny:  # what an end user wrote is no prompt that an app could insist on
            own = index.by_turn(turns)
    if deny and app is not None and (own is None or not _serves(app, own.ref)):
        raise Forbidden(f"app `{app.name}` takes registered prompts only, and this release has none", param="model")
    if own is not None:
        _note(call, own)
    else:
        call.record.fingerprint = None if digest is None else digest[:FINGERPRINT_CHARS]
    return Prompted(selected, asked.body)


def _note(call: Call, own: Recognised) -> None:
    record = call.record
    record.prompt = str(own.ref)
    record.prompt_digest = own.ref.digest
    record.recognised = own.how


def _serves(app: App | None, ref: ArtifactRef) -> bool:
    """Whether one of the app's channels reaches that version: so it went through the app's reviews."""
    if app is None:
        return False
    arms = [arm.release for split in app.splits.values() for arm in split.arms]
    return any(ref in release.pins for release in (*app.channels.values(), *arms))


def fingerprint(system: str | None) -> str | None:
    """The first FINGERPRINT_CHARS hex digits of the SHA-256 of a system prompt; None where there is none."""
    return None if system is None else _digest(system)[:FINGERPRINT_CHARS]


def _digest(system: str) -> str:
    return hashlib.sha256(system.encode("utf-8", "surrogatepass")).hexdigest()
