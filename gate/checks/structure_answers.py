"""The answers: whether there is one, whether it says more than its prompt, whether two differ, and labels."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from gate.checks.structure_problems import Problem
from gate.checks.structure_turns import blank, excerpt

_HEAD = 80  # characters of an answer that are shown as evidence


def answer_problems(examples: pl.DataFrame, turns: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """What is wrong with what an example teaches.

    Args:
        examples: with a column `index` (u32) beside those of `EXAMPLES`.
        turns: as `structure_turns.turns` gives them.

    Yields:
        frames of `index`, `code`, `field`, `message` and, where there is something to show, `evidence`.
    """
    kind = pl.col("kind")

    def at(problem: Problem, where: pl.Expr, field: str, message: str) -> pl.DataFrame:
        texts = {"code": pl.lit(problem), "field": pl.lit(field), "message": pl.lit(message)}
        return examples.filter(where).select("index", **texts)

    def none(column: str) -> pl.Expr:
        return pl.col(column).list.len().fill_null(0) == 0

    heard = kind.is_in(["chat", "feedback"])
    yield at(Problem.EMPTY_CONVERSATION, heard & none("messages"), "messages", "the conversation has no turn at all")
    yield at(Problem.LABEL_MISSING, (kind == "feedback") & pl.col("label").is_null(), "label", "there is no label")
    yield at(Problem.EMPTY_TEXT, (kind == "text") & blank(pl.col("text")), "text", "the text has no visible character")
    for column in ("chosen", "rejected"):
        message = f"there is no {column} answer"
        yield at(Problem.EMPTY_ANSWER, (kind == "preference") & none(column), column, message)
    yield _silent(turns)
    yield _echoes(turns)
    yield _same(examples)


def _silent(turns: pl.DataFrame) -> pl.DataFrame:
    answers = (pl.col("column") != "messages") | (pl.col("kind") != "preference")
    silent = pl.col("last") & (pl.col("role") == "assistant") & pl.col("blank") & ~pl.col("calls")
    return turns.filter(answers & silent).select(
        "index",
        code=pl.lit(Problem.EMPTY_ANSWER),
        field=pl.format("{}[{}].content", "column", "turn"),
        message=pl.format("the answer in turn {} is empty", pl.col("turn") + 1),
    )


def _echoes(turns: pl.DataFrame) -> pl.DataFrame:
    """Closing answers that only repeat the user turn before them."""
    closing = pl.col("last") & (pl.col("role") == "assistant") & ~pl.col("calls") & ~pl.col("blank")
    after_user = turns.lazy().filter(closing, pl.col("previous") == "user")
    asked = turns.lazy().filter("last", pl.col("column") == "messages", pl.col("kind") == "preference")
    pairs = pl.concat(
        [
            after_user.filter(pl.col("column") == "messages", pl.col("kind") != "preference").select(
                "index", "column", "turn", "content", prompt="previous_text"
            ),
            after_user.filter(pl.col("column") != "messages", pl.col("turn") == 0)
            .join(asked.select("index", prompt="content"), on="index")
            .select("index", "column", "turn", "content", "prompt"),
        ]
    )
    return _equal(pairs, "content", "prompt").select(
        "index",
        code=pl.lit(Problem.ANSWER_EQUALS_PROMPT),
        field=pl.format("{}[{}].content", "column", "turn"),
        message=pl.format("the answer in turn {} only repeats its prompt", pl.col("turn") + 1),
        evidence="evidence",
    )


def _same(examples: pl.DataFrame) -> pl.DataFrame:
    def said(column: str) -> pl.Expr:
        part = pl.concat_str(
            [pl.element().struct.field(name) for name in ("content", "tool_calls")], separator=" ", ignore_nulls=True
        )
        return pl.col(column).list.eval(part).list.join("\n")

    pairs = (
        examples.lazy()
        .filter(pl.col("kind") == "preference", pl.col("chosen").list.len() > 0, pl.col("rejected").list.len() > 0)
        .select("index", chosen=said("chosen"), rejected=said("rejected"))
        .filter(~blank(pl.col("chosen")))
    )
    return _equal(pairs, "chosen", "rejected").select(
        "index",
        code=pl.lit(Problem.SAME_ANSWERS),
        field=pl.lit("rejected"),
        message=pl.lit("chosen and rejected say the same"),
        evidence="evidence",
    )


def _equal(rows: pl.LazyFrame, left: str, right: str) -> pl.DataFrame:
    """The rows whose two texts are the same once white space is folded, with the masked head of one as `evidence`.

    Folding costs most, so only rows whose texts start alike are folded.
    """

    def start(name: str) -> pl.Expr:
        return pl.col(name).str.strip_chars_start().str.slice(0, 1)

    def folded(name: str) -> pl.Expr:
        return pl.col(name).str.replace_all(r"\s+", " ").str.strip_chars()

    # Collected in between: as one query, both filters would look at every row.
    alike = rows.filter(start(left) == start(right)).collect()
    same = alike.filter(folded(left) == folded(right))
    return same.with_columns(pl.Series("evidence", [excerpt(text, _HEAD) for text in same[left]], dtype=pl.String))
