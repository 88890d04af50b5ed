"""What trusted people have said that a judgement takes into account: waivers that hold, and reviews of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gate.checks.base import no_reviews
from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement, now
from gate.provenance.waivers import waivers_in_force
from gate.snapshots.verdicts import reviews
from gate.store.objects import Store, find_store
from gate.verbs.surroundings import named_trust


@dataclass(frozen=True, slots=True)
class Said:
    """What `gate.verbs.check.check` takes as `waivers` and `reviews`."""

    waivers: tuple[Statement, ...]
    reviews: pl.DataFrame
    """Schema gate.checks.base.REVIEWS."""


def said_before(
    paths: Sequence[str], store: Path | None = None, trust: Path | None = None, trust_revision: str | None = None
) -> Said:
    """What the store for some data holds; nothing where nobody says whom to trust, or there is no store.

    Args:
        store: its folder; else the nearest upwards of the data.

    Raises:
        UsageError: a store was named without a trust file, or is not there.
        PolicyError: the trust file does not say something gate can use.
        Damaged: a statement in the store is none, or verdicts that count are not what it says.
    """
    whom = named_trust(trust, trust_revision)
    if whom is None:
        if store is not None:
            raise UsageError(
                "a store was named, and nobody whose word in it counts", remedy="name a trust file with --trust"
            )
        return Said((), no_reviews())
    start = Path(paths[0]) if paths and Path(paths[0]).exists() else Path()
    place = store if store is not None else find_store(start)
    if store is None and not (place / "format.json").exists():
        return Said((), no_reviews())
    ledger, moment = Ledger(Store(place)), now()
    return Said(tuple(waivers_in_force(ledger, whom, moment)), reviews(ledger, whom, at=moment).frame)
