"""Tests of apps for the management API: begun, looked at while they run, stopped; their results kept as evidence."""

from __future__ import annotations

import logging
import threading

from headgate.admission import Allowance
from headgate.app.registry import RegistryHost
from headgate.app.trials.bench import key_of
from headgate.app.trials.desk import ENDING, Places
from headgate.app.trials.suite_run import SuiteRun
from headgate.app.trials.suite_staging import Ready, prepare
from headgate.app.trials.suite_views import SuiteReport, SuiteRequest, SuiteState
from headgate.app.trials.work import Ended, Work
from headgate.core.errors import HeadgateError, NotFound, StoreUnavailable
from headgate.core.handlers import Actor, Ask, Handler
from headgate.core.ports import Clock, Entropy
from headgate.core.roles import allow
from headgate.core.types import JsonObject
from headgate.evaluation.cases import tally
from headgate.registry import TESTED

KEPT = 20  # tests that are over, to be looked at
SUITE_BYTES_MAX = 8 * 1024 * 1024
FLAKY_KEPT = 20
CLOSE_S = 5.0

log = logging.getLogger(__name__)


class Suites:
    """Each test has a thread of its own, and takes one of the places for trials."""

    def __init__(self, host: RegistryHost, places: Places, clock: Clock, entropy: Entropy) -> None:
        self._host = host
        self._places = places
        self._clock = clock
        self._entropy = entropy
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}

    def begin(self, app: str, request: SuiteRequest, actor: Actor) -> SuiteState:
        """Raises InvalidRequest, NotFound, Overloaded, StoreUnavailable."""
        self._places.take()
        try:
            ready = prepare(self._host, app, request)
            run = SuiteRun(
                ready, Allowance(key_of(actor), request.max_usd, request.unpriced), self._clock, self._entropy
            )
            job = _Job(f"test_{self._entropy.bytes(8).hex()}", run, actor, self._clock.monotonic_ns())
        except BaseException:
            self._places.give_back()
            raise
        with self._lock:
            over = [one for one in self._jobs.values() if one.over]
            for old in over[: max(len(over) - KEPT + 1, 0)]:
                del self._jobs[old.id]
            self._jobs[job.id] = job
        job.thread = threading.Thread(target=self._run, args=(job,), name=job.id, daemon=True)
        job.thread.start()
        return job.state()

    def look(self, job_id: str) -> SuiteState:
        """Raises NotFound."""
        return self._job(job_id).state()

    def stop(self, job_id: str) -> SuiteState:
        """End a test early; what was run is told, and is no evidence. Raises NotFound."""
        job = self._job(job_id)
        job.work.end("stopped")
        return job.state()

    def end(self) -> None:
        """End all tests; does not wait for it."""
        for job in self._under_way():
            job.work.end(ENDING)

    def close(self) -> None:
        """End all tests, and wait until what they did is in the journal."""
        self.end()
        for job in self._under_way():
            if job.thread is not None:
                job.thread.join(CLOSE_S)

    def _under_way(self) -> list[_Job]:
        with self._lock:
            return [job for job in self._jobs.values() if not job.over]

    def _job(self, job_id: str) -> _Job:
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            raise NotFound(f"there is no test `{job_id}`; the last {KEPT} are kept while the gateway runs")
        return job

    def _run(self, job: _Job) -> None:
        try:
            job.run_to_end()
            evidence = job.run.stopped is None and self._keep(job)
            job.report = job.reported(self._clock.monotonic_ns(), evidence)
        except HeadgateError as error:
            job.wrong = error.message
        except OSError as error:
            job.wrong = f"the journal cannot be opened: {error.strerror}"
        finally:
            if job.report is None and job.wrong is None:
                job.wrong = "an error of ours; the log has its type and place"
            job.over = True
            self._places.give_back()

    def _keep(self, job: _Job) -> bool:
        """Put the result on record, bound to the release and the digest of its cases; whether it is there."""
        report = job.reported(self._clock.monotonic_ns(), True)
        try:
            self._host.registry.note(job.actor, TESTED, report.release, report.app, _evidence(report))
        except StoreUnavailable as error:
            log.warning("a test's result could not be kept: %s", error.message)
            return False
        return True


class _Job:
    """One test, from its thread and from those that look at it."""

    def __init__(self, id: str, run: SuiteRun, actor: Actor, began_ns: int) -> None:
        self.id = id
        self.run = run
        self.actor = actor
        self.thread: threading.Thread | None = None
        self.report: SuiteReport | None = None
        self.wrong: str | None = None
        self.over = False
        self.work = Work()
        self._began_ns = began_ns

    def run_to_end(self) -> None:
        """Blocks until all is run or it was ended. Raises OSError, Overloaded."""
        try:
            self.work.run(self.run.run())
        except Ended as ended:
            self.run.stopped = ended.message

    def state(self) -> SuiteState:
        """How far it is."""
        ready, run = self.run.ready, self.run
        return SuiteState(
            self.id, ready.release.app, str(ready.release), ready.suite.name, len(run.runs), ready.total,
            run.spent_usd, self.over, self.report, self.wrong,
        )  # fmt: skip

    def reported(self, now_ns: int, evidence: bool) -> SuiteReport:
        """What it came to."""
        ready, run = self.run.ready, self.run
        return _report(ready, run, round((now_ns - self._began_ns) / 1e9, 3), evidence)


def _report(ready: Ready, run: SuiteRun, seconds: float, evidence: bool) -> SuiteReport:
    request, suite = ready.request, ready.suite
    added = tally([case.name for case in suite.cases], run.runs)
    passed = run.stopped is None and added.rate is not None and added.rate >= request.min_pass
    return SuiteReport(
        ready.release.app, str(ready.release), suite.name, suite.digest, request.repeat, request.min_pass, passed,
        run.stopped, evidence, seconds, None if ready.judge is None else ready.judge.told, added,
    )  # fmt: skip


def _evidence(report: SuiteReport) -> JsonObject:
    added = report.tally
    return {
        "cases": report.cases, "digest": report.digest, "passed": report.passed, "rate": added.rate,
        "low": added.low, "high": added.high, "passes": added.passes, "runs": added.runs,
        "undecided": added.undecided, "repeat": report.repeat, "min_pass": report.min_pass,
        "flaky": [*added.flaky[:FLAKY_KEPT]], "judge": report.judge, "cost_usd": added.cost_usd,
        "judge_usd": added.judge_usd, "seconds": report.seconds,
    }  # fmt: skip


def suite_handlers(suites: Suites) -> list[Handler]:
    """The operations."""

    def begin(ask: Ask) -> SuiteState:
        assert isinstance(ask.body, SuiteRequest)
        return suites.begin(ask.path["app"], ask.body, ask.actor)

    def look(ask: Ask) -> SuiteState:
        return suites.look(ask.path["test"])

    def stop(ask: Ask) -> SuiteState:
        return suites.stop(ask.path["test"])

    writes = allow("author")
    return [
        Handler("POST", "/api/apps/{app}/tests", "Begin to run cases against a release", begin, SuiteState, writes,
                body=SuiteRequest, body_bytes_max=SUITE_BYTES_MAX, status=202),
        Handler("GET", "/api/tests/{test}", "A test of an app: how far it is, what it came to", look, SuiteState,
                writes),
        Handler("POST", "/api/tests/{test}/stop", "End a test early", stop, SuiteState, writes),
    ]  # fmt: skip
