"""What a check saw in a whole dataset: from the cache where it has seen the very same before."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import polars as pl

from gate.admission.keys import measured_key, memo_key, part_key, reviewed_key
from gate.admission.prepare import Demand
from gate.admission.profile import Profile, profile
from gate.admission.shards import Crash, crash_of, load_check
from gate.admission.stored import StoredDataset
from gate.checks.base import FOUND, NOTHING_FOUND, Context, Measurement, together
from gate.errors import GateError
from gate.store.cache import Cache, Entry


@dataclass(frozen=True, slots=True)
class Measured:
    """What a check saw, or how it crashed."""

    seen: Measurement | Crash
    seconds: float


def measured(
    demand: Demand, dataset: StoredDataset, base: StoredDataset | None, context: Context, cache: Cache
) -> Measured:
    """Put together what a check saw in each file, or have it compare the rows of all of them.

    Args:
        base: what the dataset is compared with.

    Raises:
        GateError: what the rule asks for is not there.
    """
    if dataset.prepared.later is not None:
        dataset.prepared.later.wait(demand)
    begun = time.perf_counter()
    key = key_of(demand, dataset, base)
    if context.reviews.height and load_check(demand.check, context.folders).reads_reviews:
        key = reviewed_key(key, context.reviews)
    seen: Measurement | Crash | None = stored(key, cache)
    if seen is None:
        seen = _measure(demand, dataset, base, context, cache)
        if isinstance(seen, Measurement):
            keep(key, demand.check, seen, cache)
    return Measured(seen, time.perf_counter() - begun + dataset.prepared.seconds.get(demand.key, 0.0))


def key_of(demand: Demand, dataset: StoredDataset, base: StoredDataset | None) -> str:
    """The key of what a check sees in a dataset."""
    files = [file.entry.key for file in dataset.prepared.about(demand)]
    if demand.of_rows:
        return measured_key(demand.key, files, None, {})
    others = None if base is None else [file.entry.key for file in base.prepared.about(demand)]
    return measured_key(demand.key, files, others, dict(dataset.cards))


def is_known(demand: Demand, dataset: StoredDataset, base: StoredDataset | None, cache: Cache) -> bool:
    """Whether a check has seen this dataset before, or looks at none of its files, so that there is nothing to do."""
    if not dataset.prepared.about(demand):
        return True
    entry = cache.get(key_of(demand, dataset, base))
    return entry is not None and cache.verify(entry)


def stored(key: str, cache: Cache) -> Measurement | None:
    """What was seen before; None where nothing was, or it is not whole any more."""
    entry = cache.get(key)
    if entry is None or not cache.verify(entry):
        return None
    return _measurement(entry, cache)


def _measurement(entry: Entry, cache: Cache) -> Measurement:
    findings = [pl.read_ipc(cache.path(entry.key, name)) for name in entry.parts]
    examined, figures, skipped = (entry.meta[name] for name in ("examined", "figures", "skipped"))
    assert isinstance(examined, int)
    assert isinstance(figures, dict)
    assert skipped is None or isinstance(skipped, str)
    return Measurement(pl.concat([NOTHING_FOUND, *findings]), examined, figures, skipped)


def keep(key: str, check: str, seen: Measurement, cache: Cache) -> None:
    """Keep what was seen for another run."""
    parts = [cache.part(key, "findings", seen.findings.select(list(FOUND)), "lz4")] if seen.findings.height else []
    meta = {"examined": seen.examined, "figures": dict(seen.figures), "skipped": seen.skipped}
    cache.commit(key, f"findings of {check}", meta, parts)


def _measure(
    demand: Demand, dataset: StoredDataset, base: StoredDataset | None, context: Context, cache: Cache
) -> Measurement | Crash:
    for file in dataset.prepared.about(demand):
        crash = dataset.prepared.crashes.get(part_key(file.entry.key, demand.key))
        if crash is not None:
            return crash
    check = load_check(demand.check, context.folders)
    try:
        if demand.of_rows:
            return together(
                [_of_file(part_key(file.entry.key, demand.key), cache) for file in dataset.prepared.about(demand)]
            )
        others = None if base is None else base.corpus(demand)
        return check.function(
            dataset.corpus(demand, others), demand.params, replace(context, memo=_Kept(demand, cache))
        )
    except GateError:
        raise
    except Exception as error:  # noqa: BLE001 - a crash of any kind ends the rule as errored, never as passed
        return crash_of(error)


class _Kept:
    """The memo of a check, in the cache: the last one written is there."""

    def __init__(self, demand: Demand, cache: Cache) -> None:
        self._check, self._cache = demand.check, cache
        self._key = memo_key(demand.key)

    def get(self) -> pl.DataFrame | None:
        entry = self._cache.get(self._key)
        if entry is None or not self._cache.verify(entry):
            return None
        return pl.read_ipc(self._cache.path(self._key, "memo"))

    def put(self, frame: pl.DataFrame) -> None:
        self._cache.commit(self._key, f"memo of {self._check}", {}, [self._cache.part(self._key, "memo", frame)])


def _of_file(key: str, cache: Cache) -> Measurement:
    entry = cache.get(key)
    if entry is None:
        raise RuntimeError("what this run has just worked out is gone from the cache")
    return _measurement(entry, cache)


def profiled(demand: Demand, dataset: StoredDataset, cache: Cache) -> Profile:
    """The figures of a dataset, from the cache where it is the very same.

    Raises:
        CheckFailed: they could not be measured.
    """
    key = key_of(demand, dataset, None)
    entry = cache.get(key)
    if entry is not None:
        return dict(entry.meta)
    figures = profile(dataset.corpus(demand))
    cache.commit(key, "profile", figures)
    return figures
