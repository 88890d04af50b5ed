"""Personal data in the texts of examples, found by Presidio's own recognisers.

What is found is what `AnalyzerEngine.analyze` finds for the chosen entities at their scores; it is fast because
regular expressions in Rust, derived from the recognisers themselves, first pick the few texts and entities for which
anything can be found at all (`gate.checks.presidio`). Presidio runs in a worker process; see `warm`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from typing import Literal

import polars as pl
from pydantic import Field, field_validator, model_validator

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, Workers, check, found
from gate.checks.presidio.documentation import is_documentation
from gate.checks.presidio.engine import EngineName, Setup
from gate.checks.presidio.entities import CODES, MODELS, PATTERNS, UNSCANNABLE
from gate.checks.presidio.models import require
from gate.checks.presidio.process import LANE, Filter, Plan, Span, analyze, plan
from gate.data.masking import mask_value
from gate.data.views import Frames
from gate.errors import PolicyError

FieldName = Literal["messages", "chosen", "rejected", "text", "tools", "meta"]

_EVERY_ENTITY = "*"
_SPAN = {"at": pl.UInt32(), "start": pl.UInt32(), "end": pl.UInt32(), "code": pl.String(), "score": pl.Float64()}
_FAILURE = {"at": pl.UInt32(), "code": pl.String()}
_BESIDE = {"index": pl.UInt32(), "field": pl.String(), "text": pl.String()}

_BATCH = 4_000_000
"""Characters sent to the worker at once: enough to make the sending cheap, little beside what it already holds."""

_ROWS = 20_000
"""Examples whose texts are made and looked through at once: bounds what is held besides the frame."""


class PiiParams(Params):
    """What to look for, and where. Which entities matter and how sure Presidio must be has no default in Python: both
    are demands, and stand in the rule."""

    entities: dict[str, float] = Field(min_length=1)
    """Each Presidio entity to look for, with the least score that counts."""
    engine: EngineName = "blank"
    """`blank` needs no model; `spacy`, `transformers` and `gliner` find names and places with the `model` named."""
    model: str | None = None
    """An installed spaCy pipeline, or the folder of a model."""
    language: str = "en"
    """ISO 639-1; Presidio's recognisers are chosen by it."""
    fields: tuple[FieldName, ...] = ("messages", "chosen", "rejected", "text", "tools", "meta")
    """Which parts of an example are looked through."""
    allow: tuple[str, ...] = ()
    """Values that are no finding, exactly as they stand in the text: a support address."""
    allow_patterns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Regular expressions, by entity (`*` for all): a value that one of them matches from its first to its last
    character is no finding. They run in linear time, and so know neither look-around nor back-references."""
    documentation: Literal["info", "count"] = "info"
    """Values that stand for nobody (example.com, 555-01xx, 192.0.2.0/24, test cards): `info`, or like all others."""

    @field_validator("entities")
    @classmethod
    def _scores(cls, entities: dict[str, float]) -> dict[str, float]:
        wrong = [name for name, score in entities.items() if not 0 < score <= 1]
        if wrong:
            raise ValueError(f"a score lies above 0 and is at most 1: {', '.join(wrong)}")
        return entities

    @field_validator("allow_patterns")
    @classmethod
    def _patterns(cls, by_entity: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for patterns in by_entity.values():
            for pattern in patterns:
                try:
                    for form in (pattern, _whole(pattern)):  # by itself too: `a)|(?:b` would close the group
                        pl.Series([""]).str.contains(form)
                except pl.exceptions.ComputeError as error:
                    reason = str(error).strip().splitlines()[-1]
                    raise ValueError(
                        f"not a regular expression that runs in linear time: {pattern} ({reason})"
                    ) from None
        return by_entity

    @model_validator(mode="after")
    def _consistent(self) -> PiiParams:
        if (self.engine == "blank") != (self.model is None):
            need = "needs no `model`" if self.engine == "blank" else "needs a `model`"
            raise ValueError(f"`engine: {self.engine}` {need}")
        if self.engine == "blank" and self.language == "en":
            unknown = [name for name in self.entities if name not in PATTERNS]
            if unknown:
                named = ", ".join(unknown)
                advice = "found by a model only" if set(unknown) <= MODELS.keys() else "not an entity of Presidio's"
                close = get_close_matches(unknown[0], PATTERNS, n=1)
                advice += f" (did you mean {close[0]}?)" if close else ""
                raise ValueError(f"{named}: {advice}; `engine: blank` knows {', '.join(PATTERNS)}")
        unused = self.allow_patterns.keys() - self.entities.keys() - {_EVERY_ENTITY}
        if unused:
            raise ValueError(f"allow_patterns for what is not looked for: {', '.join(sorted(unused))}")
        require(self.engine, self.model)
        return self


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


def _setup(params: PiiParams) -> Setup:
    return Setup(params.engine, params.model, params.language, tuple(sorted(params.entities.items())))


def _lane(params: PiiParams) -> str:
    return LANE if params.engine == "blank" else f"{LANE}-{params.engine}"


def _warm(params: PiiParams, context: Context) -> None:
    """Begin importing Presidio, in the worker, while reading begins here."""
    context.workers.submit(_lane(params), plan, _setup(params))


@check(
    "pii",
    params=PiiParams,
    codes=CODES,
    fails=(
        {"messages": [
            {"role": "user", "content": "Where do I send the form?"},
            {"role": "assistant", "content": "To our clerk, m.okafor@harbour-lights.co.uk."},
        ]},
    ),
    passes=(
        {"messages": [
            {"role": "user", "content": "Where do I send the form?"},
            {"role": "assistant", "content": "To our clerk, clerk@example.com."},
        ]},
    ),
    warm=_warm,
)  # fmt: skip
def pii(frames: Frames, params: PiiParams, context: Context) -> Measurement:
    """Personal data in any text of an example: e-mail addresses, phone and card numbers, accounts, identifiers.

    Raises:
        PolicyError: no recogniser of the engine and language looks for an entity.
    """
    setup = _setup(params)
    lane = _lane(params)
    planned = context.workers.submit(lane, plan, setup).result()
    if planned.unsupported:
        raise PolicyError(
            f"Presidio has no recogniser for {', '.join(planned.unsupported)} in `{params.language}` "
            f"with `engine: {params.engine}`",
            remedy=f"it has some for {', '.join(planned.supported)}",
        )
    counts = _Counts()
    results = list(_analysed(_batches(_chosen(frames, params, planned, counts)), setup, context.workers, lane))
    if not counts.texts:
        return Measurement(NOTHING_FOUND, frames.examples.height, skipped="there is no text to look at")
    spans = pl.concat([spans for spans, _ in results]) if results else pl.DataFrame(schema={**_SPAN, **_BESIDE})
    failed = pl.concat([failed for _, failed in results]) if results else pl.DataFrame(schema={**_FAILURE, **_BESIDE})
    findings = pl.concat([_findings(spans, params), _unscannable(failed)], how="diagonal")
    figures = {
        "texts": counts.texts,
        "texts analysed": counts.analysed,
        "entities without a prefilter": sum(one.everywhere for one in planned.filters.values()),
    }
    return Measurement(
        _placed(findings, frames), frames.examples.height, figures={name: float(n) for name, n in figures.items()}
    )


@dataclass(slots=True)
class _Counts:
    """How many texts were looked at, counted as they pass."""

    texts: int = 0
    analysed: int = 0


def _chosen(frames: Frames, params: PiiParams, planned: Plan, counts: _Counts) -> Iterator[pl.DataFrame]:
    """The texts in which anything can be found, with the entities that can be: index, field, text, entities.

    Some rows at a time: Presidio works on those while the next are looked through, and they are let go.
    """
    for start, part in frames.slices(_ROWS):
        texts = part.texts.filter(pl.col("field").str.extract(r"^([a-z]+)").is_in(params.fields))
        chosen = _possible(texts.with_columns(pl.col("index") + start), planned)
        counts.texts += texts.height
        counts.analysed += chosen.height
        yield chosen


def _possible(texts: pl.DataFrame, planned: Plan) -> pl.DataFrame:
    column = texts["text"]
    everywhere = pl.repeat(True, texts.height, eager=True)

    def can_be_found(one: Filter) -> pl.Series:
        if one.everywhere:
            return everywhere
        seen = ~everywhere if one.phones is None else one.phones.possible(column)
        return reduce(lambda before, pattern: before | column.str.contains(pattern), one.patterns, seen)

    possible = pl.DataFrame({entity: can_be_found(one) for entity, one in planned.filters.items()})
    wanted = pl.concat_list(pl.when(entity).then(pl.lit(entity)) for entity in possible.columns).list.drop_nulls()
    return texts.with_columns(possible.select(entities=wanted)["entities"]).filter(pl.col("entities").list.len() > 0)


def _batches(chosen: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Slices of about `_BATCH` characters, and whole texts."""
    for texts in chosen:
        sizes = texts.select(batch=(pl.col("text").str.len_chars().cast(pl.Int64).cum_sum() - 1) // _BATCH)["batch"]
        if texts.height:
            yield from texts.with_columns(sizes).partition_by("batch", maintain_order=True, include_key=False)


def _analysed(
    batches: Iterator[pl.DataFrame], setup: Setup, workers: Workers, lane: str
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """What Presidio found in each batch, and where it failed, beside the texts; two batches are under way at a time."""
    under_way: deque[tuple[pl.DataFrame, Future[tuple[list[Span], list[tuple[int, str]]]]]] = deque()

    def taken() -> tuple[pl.DataFrame, pl.DataFrame]:
        batch, future = under_way.popleft()
        spans, failed = future.result()
        beside = batch.select("index", "field", "text").with_row_index("at")
        return (
            pl.DataFrame(spans, schema=_SPAN, orient="row").join(beside, on="at", maintain_order="left"),
            pl.DataFrame(failed, schema=_FAILURE, orient="row").join(beside, on="at", maintain_order="left"),
        )

    for batch in batches:
        future = workers.submit(lane, analyze, setup, batch["text"].to_list(), batch["entities"].to_list())
        under_way.append((batch, future))
        if len(under_way) > 1:
            yield taken()
    while under_way:
        yield taken()


def _findings(spans: pl.DataFrame, params: PiiParams) -> pl.DataFrame:
    """One row per span that is not allowed, masked."""
    value = pl.col("value")
    allowed = value.is_in(params.allow)
    for entity, patterns in params.allow_patterns.items():
        concerned = pl.lit(True) if entity == _EVERY_ENTITY else pl.col("code") == entity
        for pattern in patterns:
            allowed = allowed | (concerned & value.str.contains(_whole(pattern)))
    nobody = is_documentation(pl.col("code"), value) & (params.documentation == "info")
    what = pl.col("code").replace_strict(CODES, default="Personal data, found by a model.", return_dtype=pl.String)
    return (
        spans.with_columns(value=pl.col("text").str.slice(pl.col("start"), pl.col("end") - pl.col("start")))
        .filter(~allowed)
        .select(
            "index",
            "field",
            "code",
            "start",
            "end",
            "score",
            severity=pl.when(nobody).then(pl.lit("info")),
            message=pl.when(nobody)
            .then(pl.lit("Stands for nobody, as a value for documentation or tests. ") + what)
            .otherwise(what),
            evidence=value.map_elements(mask_value, return_dtype=pl.String),  # few: one call per finding
        )
    )


def _unscannable(failed: pl.DataFrame) -> pl.DataFrame:
    """One row per text and entity that Presidio could not judge."""
    return failed.select(
        "index",
        "field",
        code=pl.lit(UNSCANNABLE),
        message=pl.format("Presidio failed on this text while it looked for {}: nobody knows what is in it.", "code"),
        remedy=pl.lit("review"),
    )


def _placed(findings: pl.DataFrame, frames: Frames) -> pl.DataFrame:
    """Findings with the example they belong to, in reading order."""
    examples = frames.examples.select("id", "file", "row").with_row_index("index")
    return found(findings.join(examples, on="index", how="left").sort("index", maintain_order=True).drop("index"))
