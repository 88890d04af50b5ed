"""`gate erase`: what would be erased, and erasing it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gate.errors import UsageError
from gate.evaluation.resume import Unfinished
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation, now
from gate.provenance.trust import Trust
from gate.snapshots.erasure import Done, carry_out
from gate.snapshots.erasure_plan import Plan, plan, resolve
from gate.store.cache import Cache
from gate.store.objects import Store
from gate.store.places import cache_folder
from gate.verbs.surroundings import open_store, open_trust

Path_ = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure would do, or did."""

    plan: Plan
    done: tuple[Done, ...]
    """Empty on a dry run."""
    caches: tuple[str, ...]
    """Folders of caches, which hold rows of the data and are cleared."""
    leftovers: int
    """Files of writers that were killed, which may hold anything."""
    store: str

    @property
    def dry(self) -> bool:
        """Whether nothing was changed."""
        return not self.done

    @property
    def statements(self) -> tuple[str, ...]:
        """The tombstones, by digest."""
        return tuple(each.statement.digest for each in self.done if each.statement is not None)


def erase(
    ids: Sequence[str],
    *,
    why: str,
    signer: Signer | None = None,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
) -> Erased:
    """Remove what some examples say from every object of a store, and leave a signed tombstone.

    Args:
        ids: content ids, or their first eight or more digits.
        why: kept in the tombstone for ever; it should name no person.
        signer: an owner; nothing is changed without one.
        store: its folder; else `GATE_STORE`, else the nearest `.gate` upwards of the working directory.
        trust: the trust file; else that of a git revision, else `GATE_TRUST`.

    Raises:
        UsageError: no such store or example; no reason; nobody said whom to trust.
        Untrusted: the signer is no owner.
        Damaged: something in the store cannot be read, and so cannot be cut.
        StoreError: the store cannot be written to.
    """
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    place = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    if not why.strip() or len(why) > _LONGEST:
        raise UsageError("an erasure needs a reason", remedy=f"--why WORDS, at most {_LONGEST:,} characters, no names")
    if signer is not None:
        believed.signer(signer.keyid, signer.name, "erasure", now())

    ledger = Ledger(place)
    if signer is not None:  # what nobody signed is no part of the plan: it can be scored again
        Unfinished.of(place).erase(_scored(ledger))
    planned = plan(ledger, resolve(ledger, ids), believed)
    caches = _caches(place)
    done: list[Done] = []
    if signer is not None:
        done = carry_out(ledger, planned, signer, why, believed) if not planned.empty else [Done(None, 0)]
        for cache in caches:
            cache.clear()
    leftovers = sum(1 for _ in place.root.glob("**/.*.tmp"))
    return Erased(planned, tuple(done), tuple(str(each.folder) for each in caches), leftovers, str(place.root))


def _scored(ledger: Ledger) -> set[str]:
    """The objects with items that evaluations name."""
    return {task.items for one in ledger.all() if isinstance(one.about, Evaluation) for task in one.about.tasks}


_LONGEST = 2000  # gate.provenance.statements.Text


def _caches(store: Store) -> list[Cache]:
    """The caches that runs on data beside this store fill, where there are any."""
    folders = dict.fromkeys((store.root / "cache", cache_folder(store.root.absolute().parent)))
    return [Cache(folder) for folder in folders if folder.is_dir()]
