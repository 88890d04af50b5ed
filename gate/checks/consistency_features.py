"""What of every row the `consistency` check compares: hashes of what is instructed, and the form of the answer."""

from __future__ import annotations

import polars as pl

from gate.checks.answer_format_problems import OPENS_LIKE_JSON
from gate.data.frame import SHAPES
from gate.data.views import Frames

FORMS = ("JSON object", "JSON array", "fenced JSON", "one code block", "tagged", "text")
"""The forms of an answer; all but the last are structured."""

FEATURES = pl.Schema(
    {  # type: ignore[arg-type]  # mypy joins data type classes and instances to object
        "shape": pl.Enum(SHAPES),
        "system": pl.UInt64,  # hash of the system message; null where there is none or an empty one
        "folded": pl.UInt64,  # the same with case, white space and punctuation left out
        "instruction": pl.UInt64,  # hash of what rows of one task share, see `features`
        "form": pl.Enum(FORMS),  # null where there is no answer
    }
)

_HEAD = 500
"""Characters of a first line that are compared: an instruction, where the rest is the text it is about."""


def features(frames: Frames) -> pl.DataFrame:
    """One row per example (schema `FEATURES`).

    What rows of one task share is the system message; without one, the first line of the first user turn, behind
    which instruction data has its input.
    """
    role, content = "role", "content"
    first = pl.col("messages").list.first().struct
    second = pl.col("messages").list.get(1, null_on_oob=True).struct
    led = first.field(role) == "system"
    rows = frames.examples.select(
        "shape",
        system=pl.when(led, first.field(content).str.contains(r"\S")).then(first.field(content)),
        asked=pl.when(led & (second.field(role) == "user"))
        .then(second.field(content))
        .when(first.field(role) == "user")
        .then(first.field(content)),
        response=frames.response,
    )
    system, response = pl.col("system"), pl.col("response")
    line = pl.col("asked").str.strip_chars_start().str.extract(r"^([^\n]*)").str.slice(0, _HEAD).str.strip_chars()
    folded = system.str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    # One look at the first sign tells that nearly all answers are text.
    structured = response.str.contains(r"^\s*[{\[<`]")
    array = structured & response.str.contains(r"^\s*\[") & response.str.contains(r"\]\s*$")
    form = (
        pl.when(response.is_null() | (response.str.len_bytes() == 0))
        .then(None)
        .when(~structured)
        .then(pl.lit("text"))
        .when(response.str.contains(OPENS_LIKE_JSON) & response.str.contains(r"^\s*\{"))
        .then(pl.lit("JSON object"))
        .when(array & response.str.contains(OPENS_LIKE_JSON))
        .then(pl.lit("JSON array"))
        .when(response.str.contains(r"^\s*```\s*json\s*\n[^`]*```\s*$"))
        .then(pl.lit("fenced JSON"))
        .when(response.str.contains(r"^\s*```[^\n`]*\n[^`]*```\s*$"))
        .then(pl.lit("one code block"))
        .when(response.str.contains(r"^\s*<[A-Za-z_][\w-]*>"))
        .then(pl.lit("tagged"))
        .otherwise(pl.lit("text"))
    )
    # Both parts of the pair are hashed apart, so that a system message is never taken for a first line.
    instruction = pl.when(system.is_not_null()).then(system.hash(1)).when(line.str.len_bytes() > 0).then(line.hash(2))
    return rows.select(
        "shape",
        system=pl.when(system.is_not_null()).then(system.hash()),
        folded=pl.when(system.is_not_null()).then(folded.hash()),
        instruction=instruction,
        form=form.cast(FEATURES["form"]),
    )
