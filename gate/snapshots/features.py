"""Numbers that can be measured of an answer and that no shipped rule bounds: candidates for a check of one's own."""

from __future__ import annotations

import polars as pl

from gate.data.views import Frames

# The source of each is written into the drafted check as it stands here, and evaluated here: one text, so that the two
# cannot differ. `answer` is what the model learns to say (the text itself, of plain text), `prompt` what it is given.
FEATURES: dict[str, tuple[str, str]] = {
    "capitals": (
        "capitals among the letters of the answer (share)",
        'pl.col("answer").str.count_matches(r"\\p{Lu}") / pl.col("answer").str.count_matches(r"\\p{L}")',
    ),
    "digits": (
        "digits among the characters of the answer (share)",
        'pl.col("answer").str.count_matches(r"\\d") / pl.col("answer").str.len_chars()',
    ),
    "symbols": (
        "characters of the answer that are no letter, digit or space (share)",
        'pl.col("answer").str.count_matches(r"[^\\p{L}\\p{M}\\p{N}\\s]") / pl.col("answer").str.len_chars()',
    ),
    "different_words": (
        "different words among those of the answer (share)",
        'pl.col("answer").str.to_lowercase().str.extract_all(r"\\w+").list.n_unique()'
        ' / pl.col("answer").str.count_matches(r"\\w+")',
    ),
    "word_length": (
        "letters and digits in a word of the answer (mean)",
        'pl.col("answer").str.count_matches(r"\\w") / pl.col("answer").str.count_matches(r"\\w+")',
    ),
    "answer_to_prompt": (
        "characters of the answer for one of the prompt",
        'pl.col("answer").str.len_chars() / pl.col("prompt").str.len_chars()',
    ),
    "line_ends": (
        "line ends in 100 characters of the answer",
        '100 * pl.col("answer").str.count_matches("\\n") / pl.col("answer").str.len_chars()',
    ),
    "list_lines": (
        "lines of the answer that are entries of a list (count)",
        'pl.col("answer").str.count_matches(r"(?m)^\\s*(?:[-*•]|\\d+[.)])\\s").cast(pl.Float64)',
    ),
    "links": (
        "links in the answer (count)",
        'pl.col("answer").str.count_matches(r"https?://").cast(pl.Float64)',
    ),
    "exclamations": (
        "exclamation marks in the answer (count)",
        'pl.col("answer").str.count_matches("!", literal=True).cast(pl.Float64)',
    ),
    "questions": (
        "question marks in the answer (count)",
        'pl.col("answer").str.count_matches("?", literal=True).cast(pl.Float64)',
    ),
    "fences": (
        "code fences in the answer (count)",
        'pl.col("answer").str.count_matches("```", literal=True).cast(pl.Float64)',
    ),
}
"""By name: what is measured, and the Polars expression that measures it."""


def answers(frames: Frames) -> pl.DataFrame:
    """What the features look at: columns `answer` and `prompt`, one row per example."""
    return pl.DataFrame({"answer": frames.response, "prompt": frames.prompt, "text": frames.examples["text"]}).select(
        pl.coalesce("answer", "text").alias("answer"), "prompt"
    )


def feature(name: str, frames: Frames) -> pl.Series:
    """A feature's number for each example (f64); null where there is none."""
    # A literal of this file, never anything from outside.
    expression = eval(FEATURES[name][1], {"pl": pl})
    value = answers(frames).select(value=expression.cast(pl.Float64).fill_nan(None))["value"]
    return value.set(value.is_infinite().fill_null(False), None)
