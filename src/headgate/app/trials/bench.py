"""The gate that trials go through: the real rooms, with connections, a journal and an allowance of their own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec

from headgate.admission import Allowance
from headgate.app.config import Config
from headgate.app.gate import wire_gate
from headgate.app.worker import JOURNAL_FOLDER
from headgate.core.chat import Finish, RefusalDelta, TextDelta
from headgate.core.errors import HeadgateError
from headgate.core.handlers import Actor
from headgate.core.ids import CallIds
from headgate.core.keys import EVERY_TENANT
from headgate.core.ports import Clock, Entropy
from headgate.core.record import CallRecord
from headgate.core.snapshot import Snapshot
from headgate.core.stages import Call, KeyInfo, Passed
from headgate.core.types import JsonObject
from headgate.pipeline import answer
from headgate.telemetry import JournalSettings, LocalJournal
from headgate.wire.client import HttpTransport
from headgate.wire.deadline import within

SYSTEM = "system"  # the tenant of calls by whoever is for every tenant
CALL_S = 120.0  # of one call; its route may allow less
DIALECT = "openai"


class Answered(msgspec.Struct, frozen=True):
    """A call that is over: its record, what its client would have heard, and whether the model declined to answer."""

    record: CallRecord
    text: str
    declined: bool


class Listener:
    """Implements `pipeline.Reply`: the text of the first choice, as far as the output screen let it pass."""

    def __init__(self) -> None:
        self._attempt = 0
        self._parts: list[str] = []
        self.declined = False

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._parts)

    async def write(self, passed: Passed) -> None:
        """What may go out."""
        if passed.attempt != self._attempt:
            self._attempt = passed.attempt
            self._parts.clear()
            self.declined = False
        for delta in [delta for frame in passed.frames for delta in frame.deltas]:
            if isinstance(delta, TextDelta | RefusalDelta) and delta.choice == 0:
                self._parts.append(delta.text)
            if isinstance(delta, RefusalDelta) or (isinstance(delta, Finish) and delta.reason == "refusal"):
                self.declined = True

    async def end(self, passed: Passed) -> None:
        """The held tail."""
        await self.write(passed)


class Bench:
    """Calls of one actor, on one event loop: use it as a context. `allowance` bounds what all of them may cost."""

    def __init__(self, config: Config, allowance: Allowance, clock: Clock, entropy: Entropy) -> None:
        self._config = config
        self._allowance = allowance
        self._clock = clock
        self._entropy = entropy
        self._background = ThreadPoolExecutor(1, "trial-journal")
        self._ids = CallIds(clock, entropy)

    async def __aenter__(self) -> Bench:
        """Opens the journal. Raises OSError, Overloaded where it must not be full."""
        config, clock = self._config, self._clock
        settings = JournalSettings(full=config.source.journal_full)
        self._journal = LocalJournal(
            str(config.state / JOURNAL_FOLDER), "trial", clock, self._entropy, self._background.submit, settings
        )
        self._transport = HttpTransport(clock, ca_file=None if config.ca_file is None else str(config.ca_file))
        self._gate = wire_gate(self._allowance, self._journal, self._transport, clock, self._entropy)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()
        self._background.shutdown()
        self._journal.close()

    async def ask(self, snapshot: Snapshot, body: JsonObject, most_s: float = CALL_S) -> Answered:
        """One call through the page, unstreamed. What went wrong is in its record."""
        clock = self._clock
        record = CallRecord(self._ids.mint(), clock.now_ns(), DIALECT)
        call = Call(record.id, DIALECT, snapshot, record, clock.monotonic_ns())
        call.body = msgspec.json.encode(body)
        heard = Listener()
        try:
            await within(clock, most_s, answer(self._gate, call, heard))
        except TimeoutError:
            record.message = f"given up after {most_s:g} s"
        except HeadgateError as error:
            record.message = record.message or error.message
        return Answered(record, heard.text, heard.declined or record.finish == "refusal")


def key_of(actor: Actor) -> KeyInfo:
    """The actor as the key of their trials: the record says who tried."""
    return KeyInfo(actor.id, actor.name, SYSTEM if actor.scope == EVERY_TENANT else actor.scope)
