"""Trials for the management API: how many at once, and what each may take."""

from __future__ import annotations

import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

from headgate.admission import Allowance
from headgate.app.config import Config
from headgate.app.registry import RegistryHost
from headgate.app.trials.bench import Answered, Bench, key_of
from headgate.app.trials.staging import TRIAL_APP, Lent, Side, lent, sides, staged
from headgate.app.trials.views import AnswerView, MessageView, SideView, TrialRequest, TrialView, VerdictView
from headgate.app.trials.work import Work
from headgate.core.errors import ConfigError, InvalidRequest, Overloaded
from headgate.core.handlers import Actor, Ask, Handler
from headgate.core.ports import Clock, Entropy
from headgate.core.registry import Reading
from headgate.core.roles import allow
from headgate.core.snapshot import Snapshot
from headgate.core.types import Json, JsonObject, as_object
from headgate.prompts.apart import render_apart
from headgate.prompts.rendering import Job
from headgate.prompts.typed import typed

TOGETHER = 4  # trials and tests at once: each has a thread, a process for rendering, connections
ENDING = "the gateway is about to stop"
TRIAL_BYTES_MAX = 8 * 1024 * 1024


class _Ready(NamedTuple):
    """A side that can be asked with."""

    view: SideView
    config: Config
    snapshot: Snapshot
    body: JsonObject


class Places:
    """Places for trials and tests: so many at once, and no more."""

    def __init__(self, count: int = TOGETHER) -> None:
        self._count = count
        self._free = threading.BoundedSemaphore(count)

    def take(self) -> None:
        """Raises Overloaded."""
        if not self._free.acquire(blocking=False):
            raise Overloaded(f"{self._count} trials are under way", retry_after_s=5.0)

    def give_back(self) -> None:
        """One that was taken."""
        self._free.release()

    @contextmanager
    def place(self) -> Generator[None, None, None]:
        """One of them for as long as the block. Raises Overloaded."""
        self.take()
        try:
            yield
        finally:
            self.give_back()


class TrialDesk:
    """Makes trials. They block the thread that asks."""

    def __init__(self, host: RegistryHost, places: Places, clock: Clock, entropy: Entropy) -> None:
        self._host = host
        self._places = places
        self._clock = clock
        self._entropy = entropy
        self._lock = threading.Lock()
        self._under_way: set[Work] = set()

    def end(self) -> None:
        """End all trials: the gateway does not wait for a model's answer before it stops."""
        with self._lock:
            for work in self._under_way:
                work.end(ENDING)

    def run(self, request: TrialRequest, actor: Actor) -> TrialView:
        """Renders each side, and asks. Raises InvalidRequest, NotFound, Overloaded, StoreUnavailable."""
        with self._places.place():
            with_: Lent | None = None
            with self._host.registry.store.reading() as reading:
                found = sides(reading, request)
                if not request.render_only:
                    with_ = lent(reading, request, found[0].prompt)
                places = [] if with_ is None else [_staged(self._host, reading, side, with_) for side in found]
            views = [self._rendered(side, found, request) for side in found]
            shown = [view for view, _ in views]
            if with_ is None:
                return TrialView(shown, None, None, None, 0.0, request.max_usd)
            calls = [
                _Ready(view, config, snapshot, _body(view, variables, request))
                for (view, variables), (config, snapshot) in zip(views, places, strict=True)
                if view.wrong is None
            ]
            if calls:
                self._worked(self._ask(calls, Allowance(key_of(actor), request.max_usd, request.unpriced)))
            return _told(shown, with_, request)

    def _worked(self, asking: Coroutine[Any, Any, None]) -> None:
        work = Work()
        with self._lock:
            self._under_way.add(work)
        try:
            work.run(asking)
        finally:
            with self._lock:
                self._under_way.discard(work)

    async def _ask(self, calls: list[_Ready], allowance: Allowance) -> None:
        """One side after the other, so that neither slows the other down."""
        async with Bench(calls[0].config, allowance, self._clock, self._entropy) as bench:
            for one in calls:
                one.view.answer = answer_view(await bench.ask(one.snapshot, one.body))

    def _rendered(self, side: Side, found: list[Side], request: TrialRequest) -> tuple[SideView, JsonObject]:
        """A side with its messages, or with what is wrong; and the variables that it takes."""
        known = _names(side)
        others = {name for other in found if other is not side for name in _names(other)}
        wanted = [*request.variables, *request.texts]
        left_out = sorted({name for name in wanted if name not in known and name in others})
        view = SideView(str(side.prompt.ref), side.prompt.ref.digest, side.kept, [], left_out)
        try:
            texts = {name: text for name, text in request.texts.items() if name not in left_out}
            values: dict[str, Json] = {k: value for k, value in request.variables.items() if k not in left_out}
            variables = {**values, **typed(side.inputs, texts)}
            rendered = render_apart(Job(side.prompt, side.partials, [variables]))[0]
        except InvalidRequest as error:
            view.wrong = error.message
            return view, {}
        view.wrong = rendered.wrong
        view.messages = [MessageView(role, text) for role, text in rendered.messages]
        return view, variables


def answer_view(answered: Answered) -> AnswerView:
    """A call as a trial tells it."""
    record = answered.record
    return AnswerView(
        record.id, record.outcome, answered.text, record.finish, answered.declined, record.error, record.message,
        record.target_model, record.provider, len(record.attempts), record.input_tokens, record.output_tokens,
        record.cost_usd, None if record.latency_us is None else record.latency_us / 1e6,
        [VerdictView(one.rule, one.direction, one.action) for one in record.verdicts],
    )  # fmt: skip


def handlers(desk: TrialDesk) -> list[Handler]:
    """The operation."""

    def run(ask: Ask) -> TrialView:
        assert isinstance(ask.body, TrialRequest)
        return desk.run(ask.body, ask.actor)

    return [
        Handler("POST", "/api/trials", "Render a prompt and ask with it, beside another version", run, TrialView,
                allow("author"), body=TrialRequest, body_bytes_max=TRIAL_BYTES_MAX),
    ]  # fmt: skip


def _staged(host: RegistryHost, reading: Reading, side: Side, with_: Lent) -> tuple[Config, Snapshot]:
    try:
        return staged(host, reading, side, with_)
    except ConfigError as error:
        raise InvalidRequest(f"the gateway's configuration cannot be read: {error}") from error


def _names(side: Side) -> list[str]:
    return [*(as_object(side.inputs.get("properties")) or {})]


def _body(view: SideView, variables: JsonObject, request: TrialRequest) -> JsonObject:
    """The request of a client of app `trial`. Raises InvalidRequest where nobody says anything to the model."""
    said: list[Json] = [] if request.user is None else [{"role": "user", "content": request.user}]
    if not said and all(message.role == "system" for message in view.messages):
        raise InvalidRequest(f"{view.version} has no user message: say one (`user`)", param="user")
    return {"model": TRIAL_APP, "messages": said, "headgate": {"variables": variables}}


def _told(shown: list[SideView], with_: Lent, request: TrialRequest) -> TrialView:
    spent = sum((view.answer.cost_usd or 0.0 for view in shown if view.answer is not None), 0.0)
    return TrialView(
        shown, None if with_.app is None else with_.app.name, request.model or with_.route, with_.guardrail, spent,
        request.max_usd,
    )  # fmt: skip
