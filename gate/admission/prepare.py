"""Gets everything that the rules will need of the files into the cache: what is there stays, the rest is worked out.

Files are worked on side by side, one process each. A file that is large among its fellows is read here, shard by
shard, and its shards go to the processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TypeVar

from gate.admission.bind import BoundRule, placed
from gate.admission.keys import check_key_of, part_key, read_key
from gate.admission.profile import PROFILE
from gate.admission.shards import (
    Crash,
    FileJob,
    FileSeen,
    Seen,
    Shard,
    Wanted,
    commit,
    load_check,
    read_shards,
    see_file,
    see_stored_shard,
    stored_shards,
    warm,
)
from gate.admission.sources import HashedSource, Sources
from gate.checks import BUILT_IN
from gate.checks.base import Context, Params
from gate.data.columns import ColumnMap
from gate.data.find import Source
from gate.data.frame import Kind, SkippedFile, SourceFile
from gate.data.side_by_side import side_by_side
from gate.engines.local import LocalEngine, as_they_end
from gate.errors import GateError, PolicyError
from gate.folders import Folders
from gate.store.cache import Cache, CacheError, Entry

T = TypeVar("T")

LARGE = 32 << 20
"""Bytes from which a file may be worth sharing out among the processes."""

LITTLE = LARGE // 4
"""Bytes up to which one process is enough."""


class WorkerLost(GateError):
    """A worker process went without a word while data was read: nothing was judged."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Demand:
    """What a check is to do, for all rules that ask for the very same."""

    check: str
    params: Params
    key: str
    kinds: tuple[Kind | None, ...] | None
    """None: every file, as the profile does."""
    of_rows: bool


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file whose rows lie in the cache."""

    entry: Entry
    source: SourceFile
    kinds: tuple[Kind | None, ...]
    job: FileJob
    """How to read it again, should the cache lose it."""


class Later:
    """Work that goes on beside the judging of other rules: that of checks that are slow to start.

    Where little has changed, most of a run's time would be spent waiting for the imports of such a check.
    """

    def __init__(self, demands: Collection[str], futures: Sequence[Future[FileSeen]], take: Callable[[FileSeen], None]):
        self._demands = frozenset(demands)
        self._futures = list(futures)
        self._take = take
        self._lock = Lock()

    def concerns(self, demand: Demand) -> bool:
        """Whether what it wants may not be in the cache yet."""
        return demand.key in self._demands

    def wait(self, demand: Demand) -> None:
        """Wait until it is.

        Raises:
            GateError: as `prepare`.
        """
        if not self.concerns(demand):
            return
        with self._lock:
            while self._futures:
                self._take(_result(self._futures.pop()))


@dataclass(slots=True)
class Prepared:
    """A dataset whose rows lie in the cache, with what the checks need of them."""

    files: list[PreparedFile] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    crashes: dict[str, Crash] = field(default_factory=dict)
    """By part key: what is not in the cache because its check crashed."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By the key of a demand, in this run."""
    later: Later | None = None
    """What is still being worked on."""

    def about(self, demand: Demand) -> list[PreparedFile]:
        """The files that a check looks at, in their order."""
        return [file for file in self.files if demand.kinds is None or not set(demand.kinds).isdisjoint(file.kinds)]


def demands(rules: Sequence[BoundRule], folders: Folders) -> list[Demand]:
    """What the rules need of every file, the profile included; one demand per rule, in the order of the rules.

    Raises:
        PolicyError: a file that a rule names is not there, or not what it should be.
    """
    of_rules = [_demand(bound, folders) for bound in rules]
    profile = Demand(PROFILE.name, Params(), check_key_of(PROFILE, Params(), folders), None, of_rows=False)
    return [*of_rules, profile]


def _demand(bound: BoundRule, folders: Folders) -> Demand:
    try:
        key = check_key_of(bound.check, bound.params, folders)
    except PolicyError as error:
        raise placed(bound, error) from None
    return Demand(bound.rule.check, bound.params, key, tuple(bound.kinds), bound.check.features is None)


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read, and for what."""

    columns: ColumnMap | None
    keep_source: bool
    folders: Folders
    cache: Cache

    def key(self, hashed: HashedSource, sources: Sources) -> str:
        """The key of a file as it is read here."""
        return read_key(hashed, sources.root, self.columns, source=self.keep_source)

    def job(self, key: str, hashed: HashedSource, sources: Sources, wanted: Sequence[Wanted] = ()) -> FileJob:
        """The work of reading a file, and of having some checks look at it."""
        return FileJob(
            source=hashed.source,
            root=sources.root,
            sha256=hashed.sha256,
            columns=self.columns,
            keep_source=self.keep_source,
            key=key,
            wanted=tuple(wanted),
            folders=self.folders,
            cache=self.cache.folder,
        )


def known(sources: Sources, reading: Reading) -> Prepared | None:
    """The dataset when every file of it has been read before; None where one has not."""
    prepared = Prepared(skipped=list(sources.skipped))
    for hashed in sources.files:
        key = reading.key(hashed, sources)
        entry = _entry(key, reading.cache)
        if entry is None:
            return None
        _add(prepared, entry, reading.job(key, hashed, sources))
    return prepared


def _entry(key: str, cache: Cache) -> Entry | None:
    """What is known of a file, if its small parts are whole; the texts are verified when they are fetched."""
    entry = cache.get(key)
    if entry is None or not cache.verify(entry, [name for name in entry.parts if not name.startswith("examples-")]):
        return None
    return entry


def prepare(
    datasets: Sequence[Sources],
    wanted: Sequence[Demand],
    reading: Reading,
    engine: LocalEngine,
    on_bytes: Callable[[str, int, int], None] = lambda file, done, total: None,
) -> list[Prepared]:
    """Have everything that is wanted of some datasets in the cache.

    Args:
        wanted: what is to be known of each file; a file of another kind is left alone.
        on_bytes: told of the file that was finished last, bytes done, and bytes in all.

    Raises:
        InputError: a file may not be read, or changed since it was digested.
        CacheError: there is no room or no permission.
        WorkerLost: a worker process was ended.
        GateError: what a rule asks for is not there.
    """
    slow = _slow(wanted, reading.folders)
    files = {reading.key(hashed, sources): (hashed, sources) for sources in datasets for hashed in sources.files}
    new = [_weight(hashed) for key, (hashed, _) in files.items() if reading.cache.get(key) is None]
    if 0 < sum(new) <= LITTLE:
        # Their imports begin at once, each in a worker, while it is still being found out what there is to do.
        for demand in wanted:
            if demand.key in slow:
                load_check(demand.check, reading.folders).warm(demand.params, Context(engine, reading.folders))
    found = side_by_side(lambda key: (key, _job(key, *files[key], wanted, reading)), files, engine.cores)
    jobs = {key: (job, _weight(files[key][0])) for key, job in found if job is not None}
    crashes: dict[str, Crash] = {}
    seconds: dict[str, float] = {}
    demand_of = {part_key(key, demand.key): demand.key for key in jobs for demand in wanted}

    def take(done: FileSeen) -> None:
        for crash in done.crashes.values():
            if crash.error is not None:
                raise crash.error
        crashes.update(done.crashes)
        for part, spent in done.seconds.items():
            seconds[demand_of[part]] = seconds.get(demand_of[part], 0.0) + spent

    work = list(jobs.values())
    little = sum(weight for _, weight in work) <= LITTLE
    waiting = [_only(job, slow) for job, _ in work] if little else []
    waiting = [job for job in waiting if job.wanted]
    if waiting:
        work = [(_without(job, slow), weight) for job, weight in work]
        work = [(job, weight) for job, weight in work if job.wanted or reading.cache.get(job.key) is None]
    for done in _work(work, reading, engine, on_bytes):
        take(done)
    engine.narrow()
    later = Later(slow, [engine.beside(see_file, job, engine) for job in waiting], take) if waiting else None
    return [_prepared(sources, reading, crashes, seconds, later) for sources in datasets]


def _slow(wanted: Sequence[Demand], folders: Folders) -> frozenset[str]:
    """The keys of what checks of rows want that are slow to start; gate's own, which do their work in workers."""
    return frozenset(
        demand.key
        for demand in wanted
        if demand.of_rows and demand.check in BUILT_IN and load_check(demand.check, folders).starts_slowly
    )


def _only(job: FileJob, keys: Collection[str]) -> FileJob:
    return replace(job, wanted=tuple(one for one in job.wanted if one.demand in keys))


def _without(job: FileJob, keys: Collection[str]) -> FileJob:
    return replace(job, wanted=tuple(one for one in job.wanted if one.demand not in keys))


def _job(
    key: str, hashed: HashedSource, sources: Sources, wanted: Sequence[Demand], reading: Reading
) -> FileJob | None:
    """What is still to be done for a file; None where nothing is."""
    cache = reading.cache
    entry = _entry(key, cache)
    missing = []
    for demand in wanted:
        part = part_key(key, demand.key)
        asked = Wanted(demand.check, demand.params, part, demand.kinds, demand.key)
        if entry is not None:
            if not asked.about(_kinds(entry)):
                continue
            stored = cache.get(part)
            if stored is not None and cache.verify(stored):
                continue
        missing.append(asked)
    if entry is not None and not missing:
        return None
    return reading.job(key, hashed, sources, missing)


def _weight(hashed: HashedSource) -> int:
    """About how many bytes of rows a file holds: those that are compressed hold some four times their size."""
    return hashed.bytes if _is_plain(hashed.source) else 4 * hashed.bytes


def _is_plain(source: Source) -> bool:
    return source.file.lower().endswith((".jsonl", ".ndjson", ".json", ".csv", ".tsv"))


def _work(
    jobs: Sequence[tuple[FileJob, int]],
    reading: Reading,
    engine: LocalEngine,
    on_bytes: Callable[[str, int, int], None],
) -> Iterator[FileSeen]:
    """Do the jobs, the largest first."""
    if not jobs:
        return
    total = sum(weight for _, weight in jobs)
    large = [job for job in jobs if job[1] > max(LARGE, total // engine.cores)]
    if total <= LITTLE and all(_harmless(job) for job, _ in jobs):
        # A process costs half a second of imports, in which this one has read little data and looked at it.
        done = 0
        for job, weight in jobs:
            yield see_file(job)
            done += weight
            on_bytes(job.source.file, done, total)
        return
    processes = min(engine.cores, len(jobs) if not large else engine.cores) if total > LITTLE else 1
    rows = [one for job, _ in jobs for one in job.wanted if load_check(one.check, job.folders).features is None]
    first = {one.check: one for one in rows}
    engine.widen(processes, warm, tuple(first.values()), reading.folders)
    small = sorted((job for job in jobs if job not in large), key=lambda job: -job[1])
    futures: dict[Future[FileSeen], tuple[FileJob, int]] = {}
    for job, weight in small:
        futures[engine.spread(see_file, job)] = job, weight
    done = 0
    for job, weight in large:
        yield _shared_out(job, reading.cache, engine, processes)
        done += weight
        on_bytes(job.source.file, done, total)
    for future in as_they_end(futures):
        job, weight = futures[future]
        yield _result(future)
        done += weight
        on_bytes(job.source.file, done, total)


def _harmless(job: FileJob) -> bool:
    """Whether nothing of a job can take this process with it: lines of text do not expand, and no code of others
    looks at them."""
    return _is_plain(job.source) and all(one.check in BUILT_IN or one.check == PROFILE.name for one in job.wanted)


def _shared_out(job: FileJob, cache: Cache, engine: LocalEngine, processes: int) -> FileSeen:
    """One large file: read here, its shards looked at by all processes; a few are under way at a time."""
    seen = [Seen() for _ in job.wanted]
    under_way: deque[Future[list[Seen]]] = deque()

    def take() -> None:
        looked = _result(under_way.popleft())
        for total, each in zip(seen, looked, strict=True):
            total.add(each)

    for shard in _shards(job, cache):
        under_way.append(engine.spread(see_stored_shard, job, shard.number, shard.malformed))
        while len(under_way) > processes + 1:
            take()
    while under_way:
        take()
    return commit(job, seen, cache)


def _result(future: Future[T]) -> T:
    (future,) = as_they_end([future])
    try:
        return future.result()
    except BrokenExecutor:
        raise WorkerLost(
            "a worker process was ended from outside while it read the data",
            remedy="most often memory ran out: give the process more, or split the largest file; then run again",
        ) from None


def _shards(job: FileJob, cache: Cache) -> Iterator[Shard]:
    entry = cache.get(job.key)
    if entry is not None and cache.verify(entry):
        yield from stored_shards(cache, entry)
    else:
        yield from read_shards(job, cache)


def _prepared(
    sources: Sources, reading: Reading, crashes: dict[str, Crash], seconds: dict[str, float], later: Later | None
) -> Prepared:
    prepared = Prepared(skipped=list(sources.skipped), crashes=crashes, seconds=seconds, later=later)
    for hashed in sources.files:
        key = reading.key(hashed, sources)
        entry = reading.cache.get(key)
        if entry is None:
            raise CacheError(
                "what this run has just written is gone",
                where=str(reading.cache.folder),
                remedy="another process may have emptied the cache; run again, or with --no-cache",
            )
        _add(prepared, entry, reading.job(key, hashed, sources))
    return prepared


def _add(prepared: Prepared, entry: Entry, job: FileJob) -> None:
    source, skipped = entry.meta["source"], entry.meta["skipped"]
    if isinstance(skipped, dict):
        prepared.skipped.append(SkippedFile(**skipped))
    if isinstance(source, dict):
        prepared.files.append(PreparedFile(entry, SourceFile(**source), tuple(_kinds(entry)), job))


def _kinds(entry: Entry) -> list[Kind | None]:
    kinds = entry.meta["kinds"]
    assert isinstance(kinds, list)
    return kinds
