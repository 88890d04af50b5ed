"""What a check is: a pure function from rows and typed parameters to a measurement.

A check never decides. It names what it saw, where, and how sure it is; whether that blocks is a
rule's business. It knows neither store nor policy: whatever it compares with is handed to it.

There are two scopes. A check of rows looks at each row by itself: its function takes `Frames`, is called once for
each shard of each file, in any process, and what it saw is put together. A check of the dataset compares rows with
one another: its `features` takes `Frames` and says, shard by shard, what of them the comparison needs (hashes,
counts); its function then takes the `Corpus` of all rows with these features. What a shard gave is kept from run
to run for as long as the file, the check's version and its parameters are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, ParamSpec, Protocol, TypeVar, overload

import polars as pl
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from gate.data.corpus import Corpus
from gate.data.views import Frames
from gate.folders import Folders

Severity = Literal["error", "warning", "info"]
Remedy = Literal["drop", "redact", "fix", "review"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
REMEDIES: tuple[Remedy, ...] = ("drop", "redact", "fix", "review")

FOUND = pl.Schema(
    dict[str, pl.DataType | type[pl.DataType]](
        {
            "code": pl.String,  # what exactly, e.g. empty_turn or EMAIL_ADDRESS; stable, documented
            "severity": pl.Enum(SEVERITIES),  # null: the rule's own; a check may only lower it to info
            "id": pl.String,  # content id of the example; null when malformed or about the dataset
            "file": pl.String,  # null when about the dataset as a whole
            "row": pl.UInt32,  # null when about the file or the dataset as a whole
            "field": pl.String,  # as in gate.data.views.TEXTS
            "start": pl.UInt32,  # characters into the field, half open
            "end": pl.UInt32,
            "message": pl.String,  # one sentence; no raw value of PII or secrets, ever
            "evidence": pl.String,  # masked where it is created (gate.data.masking)
            "group": pl.String,  # cluster, or pair of splits
            "partner": pl.String,  # content id it was compared with
            "score": pl.Float64,  # Jaccard, confidence, …
            "remedy": pl.Enum(REMEDIES),  # null: the rule's own
        }
    )
)
"""What a check returns, one row per finding. Missing columns are filled with nulls by `found`."""

REVIEWS = pl.Schema(
    dict[str, pl.DataType | type[pl.DataType]](
        {
            "id": pl.String,  # content id of the example
            "verdict": pl.Enum(["good", "bad", "skip"]),
            "reason": pl.String,  # of a bad one, as it was written, or null: mask it before it is shown
            "at": pl.String,  # as statements write time, so that text order is the order of time
            "reviewer": pl.String,  # who said it: one for each person, however many keys they have
        }
    )
)
"""What people said of examples when they looked at them (`gate review`): every verdict of every trusted person."""


def no_reviews() -> pl.DataFrame:
    """Nobody has said anything."""
    return pl.DataFrame(schema=REVIEWS)


P = ParamSpec("P")
T = TypeVar("T")


class Params(BaseModel):
    """Base of every check's parameters: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # Only here, where somebody reads them: pydantic's own way parses the source of every model at each start.
        from gate.checks.docstrings import field_docstrings

        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for owner in reversed(cls.__mro__):
            for name, meaning in field_docstrings(owner).items() if issubclass(owner, Params) else ():
                if name in properties:
                    properties[name].setdefault("description", meaning)
        return schema


class Workers(Protocol):
    """What a check may ask of an engine: to run a module-level function in another process.

    A lane is a process (or a few) that keeps what it has imported: `presidio`, `great_expectations`.
    Arguments and results are pickled; Polars frames travel as Arrow IPC.
    """

    cores: int

    def submit(self, lane: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]: ...


class Memo(Protocol):
    """What a check of the dataset worked out in an earlier run with the same parameters: a hint that saves work and
    must go by the content of rows, since the dataset may be another one."""

    def get(self) -> pl.DataFrame | None: ...

    def put(self, frame: pl.DataFrame) -> None: ...


class _Forgetful:
    def get(self) -> None:
        return None

    def put(self, frame: pl.DataFrame) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Context:
    """What a check is handed beside its rows and parameters."""

    workers: Workers
    folders: Folders
    """Where the files lie that parameters name: evaluation sets, lexicons, suites."""
    memo: Memo = field(default_factory=_Forgetful)
    reviews: pl.DataFrame = field(default_factory=no_reviews)
    """Schema `REVIEWS`; handed to checks of the dataset only."""


class CheckFailed(Exception):
    """A check that could not measure: its rule ends as errored, never as passed.

    Its message is for people: it says what could not be measured and why, and holds no value of the data.
    """


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a check saw."""

    findings: pl.DataFrame
    """Schema `FOUND`."""
    examined: int
    """How many rows were looked at: the base of a rule's tolerated share."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Numbers worth showing, e.g. clusters, candidate pairs. Those of a check of rows are counts, which add up over
    shards."""
    skipped: str | None = None
    """Why there was nothing to look at, when there was not."""


def together(measured: Sequence[Measurement]) -> Measurement:
    """What a check of rows saw in all shards."""
    figures: dict[str, float] = {}
    for each in measured:
        for name, value in each.figures.items():
            figures[name] = figures.get(name, 0.0) + value
    looked = [each for each in measured if each.skipped is None]
    skipped = measured[0].skipped if measured and not looked else None
    findings = pl.concat([NOTHING_FOUND, *(each.findings for each in measured)])
    return Measurement(findings, sum(each.examined for each in looked or measured), figures, skipped)


@dataclass(frozen=True, slots=True)
class Check:
    """A registered check: its functions, its parameters, and what `gate rules explain` shows of it."""

    name: str
    function: Callable[..., Measurement]
    """Of `(Frames, Params, Context)` for a check of rows, of `(Corpus, Params, Context)` for one of the dataset."""
    params: type[Params]
    measures: str
    """The first paragraph of its docstring."""
    codes: Mapping[str, str]
    """Every code that it may emit, and what it means."""
    fails: tuple[Mapping[str, object], ...]
    """Records (as a user would write them in JSONL) in which it finds something."""
    passes: tuple[Mapping[str, object], ...]
    """The same, mended."""
    features: Callable[[Frames, Params, Context], pl.DataFrame] | None = None
    """What a check of the dataset needs to know of a shard: a frame of any height, always of the same columns. None:
    a check of rows."""
    version: str = "1"
    """Changes whenever the same rows and parameters may give other findings or features."""
    libraries: tuple[str, ...] = ()
    """Distributions whose versions may change what it sees."""
    inputs: Callable[[Params, Folders], tuple[Path, ...]] = lambda params, folders: ()
    """The files beside the dataset that the parameters name and that it reads."""
    yields_to: tuple[str, ...] = ()
    """Checks whose dropped rows this one leaves alone, so that no row is proposed for dropping twice."""
    needs_source: Callable[[Params, Folders], bool] = lambda params, folders: False
    """Whether it reads the verbatim record."""
    reads_reviews: bool = False
    """Whether it reads `Context.reviews`, so that what it saw under others does not count."""
    warm: Callable[[Params, Context], None] = lambda params, context: None
    """Starts what is slow to start (a worker's imports), and returns at once; called before reading begins.
    It may raise a `GateError`: what the parameters ask for is not there."""

    @property
    def starts_slowly(self) -> bool:
        """Whether it has something to start."""
        return self.warm is not Check.__dataclass_fields__["warm"].default

    def run(self, frames: Frames, params: Params, context: Context) -> Measurement:
        """Measure rows that are in memory, as one shard."""
        if self.features is None:
            return self.function(frames, params, context)
        return self.function(Corpus.of(frames, self.features(frames, params, context)), params, context)


C = TypeVar("C", bound=Params)
_OfRows = Callable[[Frames, C, Context], Measurement]
_OfDataset = Callable[[Corpus, C, Context], Measurement]


@overload
def check(
    name: str,
    *,
    params: type[C],
    codes: Mapping[str, str],
    fails: Sequence[Mapping[str, object]],
    passes: Sequence[Mapping[str, object]],
    features: Callable[[Frames, C, Context], pl.DataFrame],
    version: str = ...,
    libraries: Sequence[str] = ...,
    inputs: Callable[[C, Folders], tuple[Path, ...]] | None = ...,
    yields_to: Sequence[str] = ...,
    needs_source: Callable[[C, Folders], bool] | None = ...,
    reads_reviews: bool = ...,
    warm: Callable[[C, Context], None] | None = ...,
) -> Callable[[_OfDataset[C]], Check]: ...


@overload
def check(
    name: str,
    *,
    params: type[C],
    codes: Mapping[str, str],
    fails: Sequence[Mapping[str, object]],
    passes: Sequence[Mapping[str, object]],
    version: str = ...,
    libraries: Sequence[str] = ...,
    inputs: Callable[[C, Folders], tuple[Path, ...]] | None = ...,
    yields_to: Sequence[str] = ...,
    needs_source: Callable[[C, Folders], bool] | None = ...,
    warm: Callable[[C, Context], None] | None = ...,
) -> Callable[[_OfRows[C]], Check]: ...


def check(
    name: str,
    *,
    params: type[C],
    codes: Mapping[str, str],
    fails: Sequence[Mapping[str, object]],
    passes: Sequence[Mapping[str, object]],
    features: Callable[[Frames, C, Context], pl.DataFrame] | None = None,
    version: str = "1",
    libraries: Sequence[str] = (),
    inputs: Callable[[C, Folders], tuple[Path, ...]] | None = None,
    yields_to: Sequence[str] = (),
    needs_source: Callable[[C, Folders], bool] | None = None,
    reads_reviews: bool = False,
    warm: Callable[[C, Context], None] | None = None,
) -> Callable[[Callable[..., Measurement]], Check]:
    """Turn a function into a `Check`; its docstring's first paragraph says what it measures.

    With `features` it is a check of the dataset, and its function takes a `Corpus`; without, a check of rows, whose
    function takes `Frames`.
    """

    def register(function: Callable[..., Measurement]) -> Check:
        measures = " ".join((function.__doc__ or "").strip().split("\n\n")[0].split())
        # A check is called only with its own parameters (admission validates them), which the erased
        # types of the registry cannot say.
        optional = {"inputs": inputs, "needs_source": needs_source, "warm": warm}
        return Check(
            name=name,
            function=function,
            params=params,
            measures=measures,
            codes=dict(codes),
            fails=tuple(fails),
            passes=tuple(passes),
            features=features,  # type: ignore[arg-type]
            version=version,
            libraries=tuple(libraries),
            yields_to=tuple(yields_to),
            reads_reviews=reads_reviews,
            **{key: value for key, value in optional.items() if value is not None},  # type: ignore[arg-type]
        )

    return register


def found(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Any frame with some of the columns of `FOUND`, completed with nulls, cast and put in order."""
    lazy = frame.lazy()
    have = lazy.collect_schema().names()
    unknown = set(have) - set(FOUND)
    if unknown:
        raise ValueError(f"not columns of a finding: {sorted(unknown)}")
    columns = [
        (pl.col(name) if name in have else pl.lit(None)).cast(dtype).alias(name) for name, dtype in FOUND.items()
    ]
    return lazy.select(columns).collect()


NOTHING_FOUND = pl.DataFrame(schema=FOUND)
