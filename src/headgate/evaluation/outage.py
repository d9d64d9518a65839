"""What an outage drill is told: who fails, how, for how long, under which traffic."""

from __future__ import annotations

import msgspec

PROVIDERS = ("openai", "anthropic", "google")
LEAD_S = 300.0
TAIL_S = 1200.0
PARTIAL_SHARE = 0.6


class Mode(msgspec.Struct, frozen=True):
    """A way to fail. `fault` is a rule of the simulator's without its vendor; `weather` what connections meet instead.

    `total`: every call that is sent there during the outage is lost or late, so that sending few there is the bar.
    """

    name: str
    summary: str
    fault: str | None = None
    weather: str | None = None
    share: float = 1.0
    total: bool = True


_ALL = (
    Mode("503", "every call gets 503 unavailable", "f1-503"),
    Mode("500", "every call gets 500 server error", "f1-500"),
    Mode("529", "every call gets 529 overloaded", "f1-529"),
    Mode("429", "every call gets 429, retry after 7 seconds", "f2-seconds"),
    Mode("quota", "the account's money is gone", "f4-quota"),
    Mode("auth", "a key that was good gets 401", "f5-401"),
    Mode("retired", "every model is said to be gone: 404", "f6-404"),
    Mode("refused", "open connections are reset, new ones refused", weather="refused"),
    Mode("blackhole", "no packet gets through any more", weather="blackhole"),
    Mode("reset", "connections are reset before the answer", "f11-reset"),
    Mode("hang", "requests are taken and never answered", "f14-hang"),
    Mode("silent", "status 200, then silence", "f15-silent"),
    Mode("stall", "some content, then silence", "f16-stall"),
    Mode("drip", "a byte every 29 seconds", "f17-drip"),
    Mode("json-error", "status 200 with an error as its body", "f18-json-error"),
    Mode("html", "status 200 with a challenge page", "f19-html"),
    Mode("cut", "answers break off half-way", "f20-cut"),
    Mode("eof", "streams end cleanly after some content", "f24-eof"),
    Mode("in-band", "streams end with an error event after some content", "f23-error-later"),
    Mode("abort", "connections are reset in the middle of an answer", "f25-abort"),
    Mode("slow", "answers take ten times as long", "f32-slow"),
    Mode("brownout", "a quarter of all calls gets 503", "f32-brownout", share=0.25, total=False),
    Mode("partial", "a share of all calls gets 503", "f1-503", share=PARTIAL_SHARE, total=False),
    Mode("flap", "503 for 30 seconds, well for 30 seconds, and so on", "f35-flap", total=False),
)
MODES: dict[str, Mode] = {mode.name: mode for mode in _ALL}


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """One drill. `providers`, the failing ones, are of PROVIDERS. `rate` is calls per second.

    `share` is the part of their calls that is struck (None: the mode's own).
    Calm traffic runs for `lead_s` before and `tail_s` after the outage, to compare with and to see the way back.
    """

    providers: tuple[str, ...]
    mode: Mode
    hours: float = 4.0
    seed: int = 1
    rate: float = 5.0
    share: float | None = None
    lead_s: float = LEAD_S
    tail_s: float = TAIL_S

    @property
    def outage_s(self) -> float:
        """How long the providers fail, in seconds."""
        return self.hours * 3600

    @property
    def struck(self) -> float:
        """The part of calls that is struck."""
        return self.mode.share if self.share is None else self.share

    @property
    def total(self) -> bool:
        """Whether every call that is sent there is lost or late."""
        return self.mode.total and self.struck >= 1

    @property
    def spared(self) -> bool:
        """Whether a provider is left that is well."""
        return not set(PROVIDERS) <= set(self.providers)
