"""The `answer_format` check: answers whose own format is broken. What differs from row to row is for `consistency`."""

from __future__ import annotations

import re

import polars as pl
from pydantic import Field, field_validator

from gate.checks.answer_format_problems import (
    ASKS_FOR_JSON,
    OPENS_LIKE_JSON,
    fence_problems,
    json_problems,
    tag_problems,
)
from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, check, found
from gate.data.masking import mask_text
from gate.data.views import Frames

_ROWS = 20_000
"""Examples whose answers are laid out at once: bounds what is held besides the frame."""
_SHOWN = 80
"""Characters of an answer that are shown as evidence."""

CODES = {
    "answer_not_json": "An answer that begins like JSON cannot be parsed.",
    "json_fence_broken": "A block that is fenced as JSON cannot be parsed.",
    "json_missing": "The prompt asks for JSON, and the answer holds none.",
    "fence_not_closed": "A code fence is opened and never closed.",
    "tag_unbalanced": "A tag that structures the answer, such as `<think>`, is opened or closed alone.",
}


class AnswerFormatParams(Params):
    """Which tags structure answers, and which problems are looked for."""

    tags: tuple[str, ...] = Field(max_length=100)
    """Names of tags that are a format of the answers, without their brackets."""
    ignore: tuple[str, ...] = ()
    """Codes that are not reported."""

    @field_validator("tags")
    @classmethod
    def _names(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [tag for tag in tags if not re.fullmatch(r"[A-Za-z_|][\w|.:-]*", tag)]
        if wrong:
            raise ValueError(f"not the name of a tag: {', '.join(wrong)}")
        return tags

    @field_validator("ignore")
    @classmethod
    def _codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [code for code in codes if code not in CODES]
        if unknown:
            raise ValueError(f"no such code: {', '.join(unknown)}; there are {', '.join(CODES)}")
        return codes


@check(
    "answer_format",
    params=AnswerFormatParams,
    codes=CODES,
    fails=(
        {"instruction": "Return the city as JSON.", "output": '{"city": "Oslo", "country": "Norway"'},
        {"instruction": "Add two numbers in Python.", "output": "```python\nprint(2 + 2)"},
    ),
    passes=(
        {"instruction": "Return the city as JSON.", "output": '{"city": "Oslo", "country": "Norway"}'},
        {"instruction": "Add two numbers in Python.", "output": "```python\nprint(2 + 2)\n```"},
    ),
)
def answer_format(frames: Frames, params: AnswerFormatParams, context: Context) -> Measurement:
    """Answers whose own format is broken: JSON that does not parse or that was asked for and is not there, code
    fences that are never closed, and tags such as `<think>` of which one is missing.

    Looked at are the assistant's turns; of a preference the chosen answer, since a rejected one may be broken on
    purpose. Figures: answers looked at, findings by code.
    """
    if not frames.examples.height:
        return Measurement(NOTHING_FOUND, 0, skipped="there is no example to look at")
    rows: list[tuple[int, str, str, int, int, str, str, str | None]] = []
    total = 0
    for first, part in frames.slices(_ROWS):
        answers = answers_of(part.examples)
        total += answers.height
        chosen = answers.filter(_possible(params))
        # One by one: a parser decides. Some 10 µs each, for answers with JSON, a fence or a tag in them.
        for index, field, text, asked in chosen.select("index", "field", "text", "asked").iter_rows():
            problems = [*json_problems(text, asked=asked), *fence_problems(text), *tag_problems(text, params.tags)]
            shown = mask_text(text) if problems else ""
            for code, start, end, message, meant in problems:
                evidence = shown[start : min(end, start + _SHOWN)].replace("\n", " ")
                rows.append((first + index, field, code, start, end, message, evidence, "info" if meant else None))
    schema = {
        "index": pl.UInt32, "field": pl.String, "code": pl.String, "start": pl.UInt32, "end": pl.UInt32,
        "message": pl.String, "evidence": pl.String, "severity": pl.String,
    }  # fmt: skip
    where = frames.examples.select("id", "file", "row").with_row_index("index")
    findings = found(
        pl.DataFrame(rows, schema=schema, orient="row")
        .filter(~pl.col("code").is_in(params.ignore))
        .join(where, on="index", how="left", maintain_order="left")
        .drop("index")
    )
    counts = {code: float(count) for code, count in findings["code"].value_counts().iter_rows()}
    return Measurement(findings, frames.examples.height, {"answers": float(total), **counts})


def answers_of(examples: pl.DataFrame) -> pl.DataFrame:
    """The assistant's turns to be learnt: index, field, text, and whether the turn before or the system message asks
    for JSON."""
    rows = examples.lazy().with_row_index("index")
    parts = []
    for column, wanted in (("messages", pl.col("kind") != "preference"), ("chosen", pl.col("kind") == "preference")):
        before = pl.col("messages").list.last() if column == "chosen" else pl.lit(None, dtype=pl.Struct([]))
        turns = (
            rows.filter(wanted, pl.col(column).list.len() > 0)
            .select(
                "index",
                system=pl.col("messages").list.first(),
                asker=before.struct.field("content") if column == "chosen" else pl.lit(None, dtype=pl.String),
                message=column,
                turn=pl.int_ranges(pl.col(column).list.len()),
            )
            .explode("message", "turn")
            .with_columns(
                role=pl.col("message").struct.field("role"),
                text=pl.col("message").struct.field("content"),
                system=pl.when(pl.col("system").struct.field("role") == "system").then(
                    pl.col("system").struct.field("content")
                ),
            )
            .with_columns(asker=pl.coalesce(pl.col("text").shift(1).over("index"), "asker"))
            .filter(pl.col("role") == "assistant", pl.col("text").str.len_bytes() > 0)
        )
        asked = pl.any_horizontal(
            pl.col(name).str.contains("(?i)json") & pl.col(name).str.contains(ASKS_FOR_JSON)
            for name in ("system", "asker")
        )
        parts.append(
            turns.select(
                "index",
                field=pl.format(column + "[{}].content", "turn"),
                text="text",
                asked=asked.fill_null(False),
            )
        )
    return pl.concat(parts).sort("index", maintain_order=True).collect()


def _possible(params: AnswerFormatParams) -> pl.Expr:
    text = pl.col("text")
    marks = [text.str.contains(OPENS_LIKE_JSON), text.str.contains_any(["```", "~~~"]), pl.col("asked")]
    if params.tags:
        marks.append(text.str.contains_any([f"{opening}{tag}" for tag in params.tags for opening in ("<", "</")]))
    return pl.any_horizontal(marks)
