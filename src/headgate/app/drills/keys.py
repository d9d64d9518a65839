"""Keys for a gateway that a drill starts, in its state folder as the control process publishes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headgate.admission import load_pepper
from headgate.admission.files import PublishedKey, write_keys
from headgate.admission.keys import mint_key, mint_key_id
from headgate.core.ports import Clock, Entropy
from headgate.core.stages import KeyInfo


def publish_keys(state: Path, teams: Sequence[str], entropy: Entropy, clock: Clock) -> list[str]:
    """A key for each team."""
    peppered = load_pepper(state, entropy)
    keys = [mint_key(entropy) for _ in teams]
    published = [
        PublishedKey(peppered.digest(key), KeyInfo(mint_key_id(entropy), team, team))
        for key, team in zip(keys, teams, strict=True)
    ]
    write_keys(state, clock.now_ns(), published)
    return keys
