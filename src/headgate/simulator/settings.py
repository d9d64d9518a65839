"""How a simulator is set up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Everything `headgate simulate` can be told.

    `port` 0: any free one. `keys` are accepted beside every key that begins `sim-`; `models` are known beside the
    vendors' own names. `first_s` and `interval_s` set the pace. `faults` are rules in text form, see `board`.
    `hold_s` bounds how long a hanging answer is held, `drip_s` is the pause of a slow drip, `log_size` the number of
    requests remembered. Times in seconds.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    keys: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    first_s: float = 0.0
    interval_s: float = 0.0
    words_per_chunk: int = 1
    faults: tuple[str, ...] = ()
    hold_s: float = 600.0
    drip_s: float = 29.0
    log_size: int = 1000
