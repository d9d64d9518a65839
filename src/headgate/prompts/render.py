"""Prompts as the page sees them: the exact text goes into the body, or the caller's own is fingerprinted."""

from __future__ import annotations

import hashlib

from headgate.core.errors import Forbidden, InvalidRequest
from headgate.core.stages import Prompted, Selected
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
        if selected.release is None or selected.prompt is None:
            if asked.variables is not None:
                raise InvalidRequest(
                    f"`{asked.model}` has no registered prompt to fill with variables", param="headgate.variables"
                )
            if app is not None and app.unregistered == "deny":
                raise Forbidden(
                    f"app `{app.name}` takes registered prompts only, and this release has none", param="model"
                )
            record.fingerprint = fingerprint(dialect.system_text(asked))
            return Prompted(selected, asked.body)
        program = selected.release.prompts[selected.prompt]
        if app is not None and app.unregistered == "deny" and dialect.system_text(asked) is not None:
            raise Forbidden(f"app `{app.name}` takes no system prompt of the caller's own")
        rendered = program.render(asked.variables or {})
        record.prompt = str(program.ref)
        record.prompt_digest = program.ref.digest
        carried = dialect.add_prompt(asked, rendered, program.settings)
        record.dropped = carried.dropped
        return Prompted(selected, carried.body)


def fingerprint(system: str | None) -> str | None:
    """The first FINGERPRINT_CHARS hex digits of the SHA-256 of a system prompt; None where there is none."""
    if system is None:
        return None
    return hashlib.sha256(system.encode("utf-8", "surrogatepass")).hexdigest()[:FINGERPRINT_CHARS]
