"""What is asked of a trial, and what it tells."""

from __future__ import annotations

from typing import Annotated

import msgspec

from headgate.core.types import JsonObject
from headgate.registry import Offer

MAX_USD = 0.25  # of a trial that says nothing
Usd = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Text = Annotated[str, msgspec.Meta(max_length=1_000_000)]


class TrialRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`prompt`: a version in the registry, `support@1.4`; or `documents`: a prompt that is not kept yet, with the
    partials that it brings. `against`: the version to hold it against, `1.4`, or the app's channel that serves it.

    `variables` are values; `texts` are values as people type them, which the prompt's schema gives a type. `app`: whose
    live release lends route and guardrail; `model` (`provider/model`), `route` and `guardrail` take their place.
    `max_usd` bounds what all calls of the trial may cost together; `unpriced` allows models of unknown price.
    """

    prompt: str | None = None
    documents: list[Offer] = []
    against: str | None = None
    variables: JsonObject = {}
    texts: dict[str, str] = {}
    user: Text | None = None
    app: str | None = None
    model: str | None = None
    route: str | None = None
    guardrail: str | None = None
    render_only: bool = False
    max_usd: Usd = MAX_USD
    unpriced: bool = False


class MessageView(msgspec.Struct):
    """One message, as it is sent."""

    role: str
    text: str


class VerdictView(msgspec.Struct):
    """What a check found and what was done. `direction`: input or output."""

    rule: str
    direction: str
    action: str


class AnswerView(msgspec.Struct):
    """What a call came to. `outcome`: ok, refused, blocked, failed, cancelled; `error` and `message` say why it is not
    ok. `declined`: the model itself would not answer. Tokens and cost are null where they are not known."""

    call: str
    outcome: str
    text: str
    finish: str | None
    declined: bool
    error: str | None
    message: str | None
    model: str | None
    provider: str | None
    attempts: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    seconds: float | None
    verdicts: list[VerdictView]


class SideView(msgspec.Struct):
    """One version under trial. `wrong` says why it could not be rendered; `left_out` are variables that only the other
    version has; `answer` is null where nothing was asked."""

    version: str
    digest: str
    kept: bool
    messages: list[MessageView]
    left_out: list[str]
    wrong: str | None = None
    answer: AnswerView | None = None


class TrialView(msgspec.Struct):
    """A trial. `app` is the one whose route and guardrail were taken. `spent_usd` is what is known of the cost."""

    sides: list[SideView]
    app: str | None
    route: str | None
    guardrail: str | None
    spent_usd: float
    max_usd: float
