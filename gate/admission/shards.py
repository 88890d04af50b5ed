"""What runs in a worker process: reads a file shard by shard, and has every check look at each.

Whatever comes out is put into the cache; only numbers go back to the parent. A shard is all that is held.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

import polars as pl

from gate.checks import load
from gate.checks.base import FOUND, Check, CheckFailed, Context, Params, Workers
from gate.data.build import NO_EXAMPLES
from gate.data.columns import ColumnMap
from gate.data.corpus import rows_of
from gate.data.find import Source
from gate.data.frame import MALFORMED, Kind
from gate.data.masking import mask_text
from gate.data.read_file import FileReader
from gate.data.views import Frames
from gate.errors import GateError, InputError
from gate.folders import Folders
from gate.store.cache import Cache, CacheError, Entry, Part

P = ParamSpec("P")
T = TypeVar("T")


class InPlace:
    """Workers of a process that is one itself: what is submitted runs at once, here."""

    cores = 1

    def submit(self, lane: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - handed on by the future, as a process would
            future.set_exception(error)
        return future


@dataclass(frozen=True, slots=True)
class Wanted:
    """A check that is to look at a file."""

    check: str
    params: Params
    key: str
    """Under which its part is kept."""
    kinds: tuple[Kind | None, ...] | None = None
    """The kinds of example that it is to look at; None stands for all of them. A file is of one kind."""
    demand: str = ""
    """The key of what the check does, whatever the file."""

    def about(self, kinds: Collection[Kind | None]) -> bool:
        """Whether it looks at a file of these kinds at all."""
        return self.kinds is None or not set(self.kinds).isdisjoint(kinds)


@dataclass(frozen=True, slots=True)
class Crash:
    """How a check ended that could not look at a file."""

    reason: str
    """For people, with no value of the data in it."""
    trace: str | None = None
    """The traceback, masked; None where the check said itself that it could not measure."""
    error: GateError | None = None
    """What a rule asks for is not there: nothing is judged."""


@dataclass(frozen=True, slots=True)
class FileJob:
    """One file, and what is to be known of it."""

    source: Source
    root: str
    sha256: str
    columns: ColumnMap | None
    keep_source: bool
    key: str
    """Of the file as it was read."""
    wanted: tuple[Wanted, ...]
    folders: Folders
    cache: Path


@dataclass(slots=True)
class Seen:
    """What one check gave for the shards of one file so far."""

    parts: list[Part] = field(default_factory=list)
    examined: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    skipped: str | None = None
    looked: bool = False
    seconds: float = 0.0
    crash: Crash | None = None
    about: bool = True
    """Whether the file is of a kind that the check is to look at."""

    def add(self, other: Seen) -> None:
        """Put together what was seen in another shard, as `gate.checks.base.together` does."""
        self.parts += other.parts
        self.seconds += other.seconds
        self.crash = self.crash or other.crash
        self.about = other.about  # the same for every shard
        self.skipped = self.skipped or other.skipped
        if other.looked and not self.looked:
            self.examined, self.looked = 0, True
        if other.looked or not self.looked:
            self.examined += other.examined
        for name, value in other.figures.items():
            self.figures[name] = self.figures.get(name, 0.0) + value


@dataclass(frozen=True, slots=True)
class FileSeen:
    """What became of a job."""

    crashes: dict[str, Crash]
    """By the key of the part that is missing for it."""
    seconds: dict[str, float]
    """By the same keys."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some consecutive rows of a file; the last shard has the malformed rows of all of it."""

    number: int
    examples: pl.DataFrame
    malformed: pl.DataFrame


def warm(wanted: tuple[Wanted, ...], folders: Folders) -> None:
    """Start what checks are slow to start, in a process that is about to run them."""
    for one in wanted:
        # What cannot be started is told when the check is called, or was told by the parent.
        with contextlib.suppress(Exception):
            load_check(one.check, folders).warm(one.params, Context(InPlace(), folders))


def see_file(job: FileJob, workers: Workers | None = None) -> FileSeen:
    """Read a file and have every wanted check look at it; all of it is in the cache afterwards.

    Args:
        workers: for what checks run elsewhere; none where this is a worker itself.

    Raises:
        InputError: the file may not be read, or changed since it was digested.
    """
    cache = Cache(job.cache)
    entry = cache.get(job.key)
    whole = entry is not None and cache.verify(entry)
    seen = [Seen() for _ in job.wanted]
    for shard in stored_shards(cache, entry) if entry is not None and whole else read_shards(job, cache):
        for total, each in zip(seen, see_shard(job, shard, workers or InPlace()), strict=True):
            total.add(each)
    return commit(job, seen, cache)


def see_stored_shard(job: FileJob, number: int, malformed: pl.DataFrame) -> list[Seen]:
    """Have every wanted check look at a shard that this run has just put into the cache."""
    path = Cache(job.cache).path(job.key, f"examples-{number}")
    return see_shard(job, Shard(number, pl.read_ipc(path), malformed), InPlace())


def read_shards(job: FileJob, cache: Cache) -> Iterator[Shard]:
    """The shards of a file, each in the cache by the time it is handed out; there is one even where there is no row.

    Raises:
        InputError: the file may not be read, or changed since it was digested.
        CacheError: there is no room or no permission.
    """
    reader = FileReader(job.source, job.root, job.columns, source=job.keep_source)
    nothing = pl.DataFrame(schema=MALFORMED)
    parts: list[Part] = []
    held: pl.DataFrame | None = None
    number = 0
    for examples in reader:
        if held is not None:
            parts += _put_shard(cache, job.key, number, held)
            yield Shard(number, held, nothing)
            number += 1
        held = examples
    rest = reader.rest
    if rest.source is not None and rest.source.sha256 != job.sha256:
        raise InputError(
            "it changed while it was read", where=job.source.file, remedy="run again when nothing writes to it any more"
        )
    kinds = kinds_of(NO_EXAMPLES if held is None else held, rest.malformed)
    held = NO_EXAMPLES if held is None else held
    parts += _put_shard(cache, job.key, number, held)
    parts.append(cache.part(job.key, "malformed", rest.malformed))
    about = {
        "source": None if rest.source is None else asdict(rest.source),
        "skipped": None if rest.skipped is None else asdict(rest.skipped),
        "kinds": kinds,
    }
    cache.commit(job.key, f"rows of {job.source.file}", about, parts)
    yield Shard(number, held, rest.malformed)


def _put_shard(cache: Cache, key: str, number: int, examples: pl.DataFrame) -> list[Part]:
    return [
        cache.part(key, f"examples-{number}", examples, "lz4"),
        cache.part(key, f"rows-{number}", rows_of(examples)),
    ]


def stored_shards(cache: Cache, entry: Entry) -> Iterator[Shard]:
    """The shards of a file that is in the cache, and was verified."""
    count = sum(name.startswith("examples-") for name in entry.parts)
    malformed = pl.read_ipc(cache.path(entry.key, "malformed"))
    for number in range(count):
        examples = pl.read_ipc(cache.path(entry.key, f"examples-{number}"))
        yield Shard(number, examples, malformed if number == count - 1 else malformed.clear())


def see_shard(job: FileJob, shard: Shard, workers: Workers) -> list[Seen]:
    """What every wanted check gives for a shard, in their order; a crash of one does not touch the others."""
    frames = Frames(shard.examples, shard.malformed)  # shared, so that views are computed once
    context = Context(workers, job.folders)
    cache = Cache(job.cache)
    kinds = kinds_of(shard.examples, shard.malformed)
    return [
        _see(load_check(wanted.check, job.folders), wanted, frames, shard.number, context, cache)
        if wanted.about(kinds)
        else Seen(about=False)
        for wanted in job.wanted
    ]


def kinds_of(examples: pl.DataFrame, malformed: pl.DataFrame) -> list[Kind | None]:
    """The kinds of the rows of a file or shard; that of malformed rows is None where their file's is not known."""
    return list({*examples["kind"].unique(), *malformed["kind"].unique()})


def load_check(name: str, folders: Folders) -> Check:
    """A check by name, or the profile, which is measured like one."""
    if name == "profile":
        from gate.admission.profile import PROFILE

        return PROFILE
    return load(name, folders)


def _see(check: Check, wanted: Wanted, frames: Frames, number: int, context: Context, cache: Cache) -> Seen:
    begun = time.perf_counter()
    seen = Seen()
    try:
        if check.features is not None:
            features = check.features(frames, wanted.params, context)
            seen.parts.append(cache.part(wanted.key, f"features-{number}", features))
            seen.looked = True
        else:
            measured = check.function(frames, wanted.params, context)
            if measured.findings.height:
                seen.parts.append(cache.part(wanted.key, f"findings-{number}", measured.findings.select(list(FOUND))))
            seen.examined, seen.figures = measured.examined, dict(measured.figures)
            seen.skipped, seen.looked = measured.skipped, measured.skipped is None
    except CacheError:
        raise
    except Exception as error:  # noqa: BLE001 - a crash of any kind ends the rule as errored, never as passed
        seen.crash = crash_of(error)
    seen.seconds = time.perf_counter() - begun
    return seen


def commit(job: FileJob, seen: list[Seen], cache: Cache) -> FileSeen:
    """Complete the parts of a file, but for those of checks that crashed."""
    crashes = {}
    for wanted, each in zip(job.wanted, seen, strict=True):
        if not each.about:
            continue
        if each.crash is not None:
            crashes[wanted.key] = each.crash
            continue
        meta = {
            "examined": each.examined,
            "figures": each.figures,
            "skipped": None if each.looked else each.skipped,
        }
        cache.commit(wanted.key, f"{wanted.check} of {job.source.file}", meta, each.parts)
    return FileSeen(crashes, {wanted.key: each.seconds for wanted, each in zip(job.wanted, seen, strict=True)})


def crash_of(error: Exception) -> Crash:
    """What a crash comes to, with nothing of the data in it: messages of exceptions quote values."""
    if isinstance(error, GateError):
        return Crash(str(error), error=error)
    if isinstance(error, CheckFailed):
        return Crash(str(error))
    message = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
    reason = f"{type(error).__name__} at {place}: {mask_text(message)[:300]}"
    return Crash(reason, mask_text("".join(traceback.format_exception(error))))
