"""A dataset that lies in the cache: its rows by small keys, its texts a few at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import polars as pl

from gate.admission.keys import part_key
from gate.admission.prepare import Demand, Prepared, PreparedFile, Reading, prepare
from gate.admission.shards import read_shards
from gate.admission.sources import Sources
from gate.data.corpus import ROWS, Corpus, Shard
from gate.data.frame import EXAMPLES, MALFORMED, SkippedFile, SourceFile
from gate.engines.local import LocalEngine
from gate.errors import GateError
from gate.store.cache import Cache


class NotMeasured(GateError):
    """What has to be known of a file could not be worked out; the data was judged by then."""

    exit_code = 4


class StoredDataset:
    """The rows of a dataset, fetched from the cache when somebody asks for them."""

    def __init__(self, sources: Sources, prepared: Prepared, reading: Reading) -> None:
        self.root = sources.root
        self.cards: Mapping[str, str] = sources.cards
        self.files: tuple[SourceFile, ...] = tuple(file.source for file in prepared.files)
        self.skipped: tuple[SkippedFile, ...] = tuple(sorted(prepared.skipped, key=lambda one: one.path))
        self.prepared = prepared
        self._sources, self._reading = sources, reading
        self._old: list[pl.Series] | None = None
        self._together: dict[tuple[int, ...], pl.DataFrame] = {}

    def prepare(self, demands: Sequence[Demand], engine: LocalEngine) -> None:
        """Have what more is wanted of every file in the cache, after the dataset was judged; from the rows there, so
        that no file is read again.

        Raises:
            NotMeasured: a check could not look at a file.
            CacheError, WorkerLost, GateError: as `gate.admission.prepare.prepare`.
        """
        (prepared,) = prepare([self._sources], demands, self._reading, engine)
        for crash in prepared.crashes.values():
            raise NotMeasured(crash.reason)
        self.prepared = prepared

    @property
    def keys(self) -> list[str]:
        """The key of each file, in their order: the same keys, the same rows."""
        return [file.entry.key for file in self.prepared.files]

    @cached_property
    def malformed(self) -> pl.DataFrame:
        """Every row that could not be read (schema `MALFORMED`)."""
        return pl.concat([pl.DataFrame(schema=MALFORMED), *self._malformed])

    @cached_property
    def _malformed(self) -> list[pl.DataFrame]:
        """Those of each file."""
        nothing = pl.DataFrame(schema=MALFORMED)
        some = [self._paths(file, "malformed") if file.source.malformed else [] for file in self.prepared.files]
        return [pl.concat([nothing, *map(pl.read_ipc, paths)]) for paths in some]

    @property
    def examples(self) -> pl.DataFrame:
        """All examples (schema `EXAMPLES`), fetched anew at each call; as large as the data."""
        shards = [shard for file in self.prepared.files for shard in self._shards(file)]
        return pl.concat([pl.DataFrame(schema=EXAMPLES), *(shard.load(None) for shard in shards)])

    @cached_property
    def rows(self) -> list[pl.DataFrame]:
        """The rows of each file by small keys (schema `ROWS`)."""
        # One scan over all files: as many reads, each with a plan of its own, take five times as long.
        paths = [path for file in self.prepared.files for path in self._paths(file, "rows")]
        every = pl.scan_ipc(paths, glob=False).select(list(ROWS)).collect() if paths else pl.DataFrame(schema=ROWS)
        heights = [file.source.examples for file in self.prepared.files]
        return [every.slice(end - height, height) for height, end in zip(heights, accumulate(heights), strict=True)]

    def identities(self, numbers: Sequence[int]) -> pl.DataFrame:
        """The columns `number` (of the file), `file`, `row`, `id` and `split` of every example of some files."""
        wanted = pl.col("file").cast(pl.String), "row", "id", "split"
        parts = [self.rows[number].select(pl.lit(number, pl.UInt32).alias("number"), *wanted) for number in numbers]
        schema = {"number": pl.UInt32} | {name: EXAMPLES[name] for name in ("file", "row", "id", "split")}
        return pl.concat([pl.DataFrame(schema=schema), *parts])

    def mark(self, old: Sequence[pl.Series]) -> None:
        """Say of each row whether the base has it too; a series per file."""
        self._old = list(old)
        self._together.clear()

    def corpus(self, demand: Demand | None = None, base: Corpus | None = None) -> Corpus:
        """The rows that a check of the dataset looks at, with the features that it gave for them.

        Args:
            demand: the check; every row and no features where there is none.
            base: what the rows are compared with.
        """
        files = self.prepared.files if demand is None else self.prepared.about(demand)
        numbers = {id(file): number for number, file in enumerate(self.prepared.files)}
        about = tuple(numbers[id(file)] for file in files)
        malformed = [self._malformed[number] for number in about if self._malformed[number].height]
        paths = [] if demand is None else [path for file in files for path in self._features(file, demand)]
        return Corpus(
            rows=self._rows_of(about),
            features=pl.scan_ipc(paths, glob=False) if paths else pl.LazyFrame(),
            shards=tuple(shard for file in files for shard in self._shards(file)),
            malformed=pl.concat([pl.DataFrame(schema=MALFORMED), *malformed]),
            files=tuple(file.source for file in files),
            cards=self.cards,
            base=base,
        )

    def _rows_of(self, numbers: tuple[int, ...]) -> pl.DataFrame:
        """The rows of some files; put together once, for most rules are about the same files."""
        if (known := self._together.get(numbers)) is None:
            own = [self.rows[number] for number in numbers]
            if self._old is not None:
                own = [rows.with_columns(old=self._old[number]) for rows, number in zip(own, numbers, strict=True)]
            known = self._together[numbers] = pl.concat([pl.DataFrame(schema=ROWS), *own])
        return known

    def fetch(self, places: pl.DataFrame) -> pl.DataFrame:
        """Some examples (schema `EXAMPLES`) by their places, in the order of the files.

        Args:
            places: columns `file` and `row`; what is malformed or not there gives nothing.
        """
        corpus = self.corpus()
        wanted = places.select(pl.col("file").cast(ROWS["file"]), pl.col("row").cast(pl.UInt32)).unique()
        numbered = corpus.rows.select("file", "row").with_row_index("position")
        return corpus.examples(numbered.join(wanted, on=["file", "row"], how="semi")["position"])

    def with_ids(self, ids: Sequence[str]) -> pl.DataFrame:
        """The columns `id`, `file` and `row` of the examples with these content ids, in the order of the files."""
        corpus = self.corpus()
        return corpus.locate(corpus.rows["id"].is_in(pl.Series(ids, dtype=pl.String).implode()).arg_true())

    def _paths(self, file: PreparedFile, name: str) -> list[Path]:
        key, names = file.entry.key, file.entry.parts
        return [self._reading.cache.path(key, each) for each in names if each == name or each.startswith(f"{name}-")]

    def _features(self, file: PreparedFile, demand: Demand) -> list[str]:
        cache, key = self._reading.cache, part_key(file.entry.key, demand.key)
        entry = cache.get(key)
        return [] if entry is None else [str(cache.path(key, name)) for name in entry.parts]

    def _shards(self, file: PreparedFile) -> list[Shard]:
        parts = [part for name, part in file.entry.parts.items() if name.startswith("examples-")]
        return [Shard(part.height, _Loader(self._reading.cache, file, part.name)) for part in parts]


class _Loader:
    """Fetches one shard. What the cache has lost or damaged is read again from the file."""

    def __init__(self, cache: Cache, file: PreparedFile, name: str) -> None:
        self._cache, self._file, self._name = cache, file, name
        self._verified = False

    def __call__(self, columns: Sequence[str] | None) -> pl.DataFrame:
        if not self._verified:
            entry = self._file.entry
            if not self._cache.verify(entry, [self._name]):
                for _ in read_shards(self._file.job, self._cache):
                    pass
            self._verified = True
        path = self._cache.path(self._file.entry.key, self._name)
        return pl.read_ipc(path, columns=None if columns is None else list(columns))
