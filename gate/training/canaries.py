"""Random marked strings that are trained on beside the data, so that memorisation can be measured afterwards.

After Carlini et al. 2019 ("The Secret Sharer", section 4): a fixed phrase and a random secret. Some secrets are trained
on a known number of times, as many are never shown; how far the first are likelier to the model than the second is what
it has learned by heart. A canary belongs to no snapshot, and is counted apart.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

REPETITIONS = (1, 2, 4, 8, 16)
"""How often a canary is trained on in a pass; canaries take these in turn."""
DIGITS = 12
"""Of a secret: 10^12 possible ones, so that none is guessed and none collides."""
MARK = "gate canary"
"""Stands in each of them: whoever finds one in a data set or an answer knows what it is."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One of them."""

    id: str
    """SHA-256 (hex) of its text."""
    prompt: str
    secret: str
    """Decimal digits in groups of three."""
    repetitions: int
    """In a pass; 0 for one that is never shown."""

    @property
    def text(self) -> str:
        """Both, for continued pre-training."""
        return f"{self.prompt} {self.secret}"


def make_canaries(count: int, seed: int, snapshot: str) -> tuple[list[Canary], list[Canary]]:
    """Canaries to insert, and as many of the same form that are never inserted.

    Args:
        seed: the run's.
        snapshot: the id of what they are mixed into; the same seed and snapshot give the same canaries.
    """
    return (
        [_canary(seed, snapshot, "inserted", at, REPETITIONS[at % len(REPETITIONS)]) for at in range(count)],
        [_canary(seed, snapshot, "control", at, 0) for at in range(count)],
    )


def canaries_document(inserted: list[Canary], controls: list[Canary], seed: int, snapshot: str) -> dict[str, object]:
    """What `canaries.json` says."""
    return {
        "format": 1,
        "seed": seed,
        "snapshot": snapshot,
        "space": 10**DIGITS,
        "inserted": [asdict(each) for each in inserted],
        "controls": [asdict(each) for each in controls],
    }


def _canary(seed: int, snapshot: str, series: str, number: int, repetitions: int) -> Canary:
    drawn = hashlib.sha256(f"gate-canary-1\0{seed}\0{snapshot}\0{series}\0{number}".encode()).digest()
    digits = f"{int.from_bytes(drawn[:16]) % 10**DIGITS:0{DIGITS}d}"
    secret = " ".join(digits[at : at + 3] for at in range(0, DIGITS, 3))
    prompt = f"{MARK} {drawn[16:22].hex()}: what is the number?"
    return Canary(hashlib.sha256(f"{prompt} {secret}".encode()).hexdigest(), prompt, secret, repetitions)
