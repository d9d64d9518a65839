"""What a test of an app runs on: the release as it would be served, and the judge beside it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.app.config import Config
from headgate.app.registry import RegistryHost
from headgate.app.trials.staging import (
    TRIAL_APP,
    app_named,
    app_of,
    model_route,
    on_trial,
    prompt_kept,
    refused,
    servable,
)
from headgate.app.trials.suite_views import SuiteRequest
from headgate.core.apps import DEFAULT_PROMPT, ReleaseSource, channel_releases
from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError, InvalidRequest, NotFound
from headgate.core.registry import AppRow, Reading, ReleaseRow
from headgate.core.snapshot import Snapshot
from headgate.core.types import as_object
from headgate.evaluation.cases import RUNS_MAX, Case, Suite, compile_suite, judge_document
from headgate.prompts.apart import render_apart
from headgate.prompts.rendering import Job
from headgate.registry import completed, default_channel

JUDGE_APP = "judge"
JUDGE_NEEDS = ("answer", "criterion")
JUDGE_TAKES = ("question", *JUDGE_NEEDS)


class Judge(msgspec.Struct, frozen=True):
    """The snapshot in which app `judge` judges, the variables that its prompt takes, and how it is called."""

    snapshot: Snapshot
    takes: tuple[str, ...]
    told: str


class Ready(msgspec.Struct, frozen=True):
    """All that a test needs."""

    config: Config
    snapshot: Snapshot
    judge: Judge | None
    suite: Suite
    release: ReleaseRow
    request: SuiteRequest

    @property
    def total(self) -> int:
        """How many runs there are."""
        return len(self.suite.cases) * self.request.repeat


def prepare(host: RegistryHost, app: str, request: SuiteRequest) -> Ready:
    """Raises InvalidRequest for cases or a judge that are none, NotFound, Overloaded, StoreUnavailable."""
    try:
        suite = compile_suite(request.content, request.name, request.file, request.lines)
    except ConfigError as error:
        raise refused([error]) from error
    if len(suite.cases) * request.repeat > RUNS_MAX:
        raise InvalidRequest(f"{len(suite.cases)} cases {request.repeat} times are more than {RUNS_MAX} runs")
    try:
        with host.registry.store.reading() as reading:
            row = app_named(reading, app)
            release = _release(reading, row, request)
            _check_slots(suite, release)
            servable(reading, release.source, str(release))
            config, compiled = host.compile(reading, [app_of(row.name, row.settings, release.source)])
            if compiled.snapshot is None:
                raise refused(compiled.faults)
            judged = any(case.assertions.criteria for case in suite.cases)
            judge = _judge(host, reading, suite, release.source) if judged else None
            jobs = _jobs(reading, suite, release.source)
    except ConfigError as error:
        raise InvalidRequest(f"the gateway's configuration cannot be read: {error}") from error
    for job in jobs:
        render_apart(job)
    return Ready(config, on_trial(compiled.snapshot, row.name), judge, suite, release, request)


def _release(reading: Reading, row: AppRow, request: SuiteRequest) -> ReleaseRow:
    """The release under test; of a split, the control."""
    if request.release is not None and request.channel is not None:
        raise InvalidRequest("`release` and `channel` both say which: keep one", param="release")
    kept = reading.releases(row.name)
    number = request.release
    if number is None:
        channel = request.channel or default_channel(row)
        targets = {one.channel: one.target for one in reading.channels(row.name)}
        if channel not in targets:
            known = ", ".join(targets) or "none"
            raise NotFound(f"app `{row.name}` has no channel `{channel}`; it has {known}")
        number = channel_releases(targets[channel])[0]
    for one in kept:
        if one.source.number == number:
            return one
    known = ", ".join(f"#{one.source.number}" for one in kept[-10:]) or "none"
    raise NotFound(f"there is no release {row.name}#{number}; the last are {known}")


def _check_slots(suite: Suite, release: ReleaseRow) -> None:
    """Raises InvalidRequest where a case asks for a prompt that the release does not have, or leaves open which."""
    named = release.source.named_prompts
    known = ", ".join(sorted(named)) or "none"
    for case in suite.cases:
        if case.prompt is not None and case.prompt not in named:
            raise InvalidRequest(f"case `{case.name}`: {release} has no prompt `{case.prompt}`; it has {known}")
        if len(named) > 1 and _slot(case, named) is None:
            raise InvalidRequest(f"case `{case.name}`: {release} has several prompts: name one with `prompt` ({known})")


def _slot(case: Case, named: Mapping[str, str]) -> str | None:
    """The prompt that a case asks for, by its name within the app; None where there is none, or several to choose."""
    if case.prompt is not None or DEFAULT_PROMPT in named:
        return case.prompt or DEFAULT_PROMPT
    return next(iter(named)) if len(named) == 1 else None


def _judge(host: RegistryHost, reading: Reading, suite: Suite, source: ReleaseSource) -> Judge:
    asked = suite.judge
    prompt = judge_document() if asked.prompt is None else prompt_kept(reading, asked.prompt)
    names = as_object((as_object(prompt.content.get("inputs")) or {}).get("properties")) or {}
    missing = [name for name in JUDGE_NEEDS if name not in names]
    if missing:
        raise InvalidRequest(f"{prompt.ref} cannot judge: it takes no `{missing[0]}`", param="judge.prompt")
    made: list[Artifact] = [] if asked.prompt is not None else [prompt]
    route = source.route
    if asked.model is not None:
        made.append(model_route(asked.model))
        route = f"{TRIAL_APP}@0.0.0"
    pin = f"{prompt.ref.name}@{prompt.ref.version}"
    app = app_of(JUDGE_APP, {"owners": [TRIAL_APP]}, ReleaseSource(1, route, pin))
    _, compiled = host.compile(reading, [*made, app])
    if compiled.snapshot is None:
        raise refused(compiled.faults)
    takes = tuple(name for name in JUDGE_TAKES if name in names)
    return Judge(on_trial(compiled.snapshot, JUDGE_APP), takes, f"{pin} over {asked.model or route}")


def _jobs(reading: Reading, suite: Suite, source: ReleaseSource) -> list[Job]:
    """What is rendered in a child first, a job for each prompt."""
    jobs: list[Job] = []
    named = source.named_prompts
    for slot, pin in named.items():
        sets = [case.variables for case in suite.cases if _slot(case, named) == slot]
        if sets:
            prompt = prompt_kept(reading, pin)
            partials = {f"{one.ref.name}@{one.ref.version}": one for one in completed(reading, [prompt])[1:]}
            jobs.append(Job(prompt, partials, sets, show=False))
    return jobs
