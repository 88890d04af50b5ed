"""The check for prompts that are answered in ways which contradict each other."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, check, found
from gate.checks.duplicates.canonical import content_hash, rejected_hash
from gate.checks.duplicates.findings import group_of, located
from gate.data.corpus import Corpus
from gate.data.views import Frames

CODES = {
    "different_answers": "chat: the same prompt has another answer in another row",
    "opposite_labels": "feedback: the same prompt and answer have the opposite label in another row",
    "opposite_preferences": "preference: the answer chosen here is rejected in another row with the same prompt",
}

_MESSAGES = {
    "different_answers": "The same prompt has another answer in {}.",
    "opposite_labels": "The same answer to the same prompt has the opposite label in {}.",
    "opposite_preferences": "One of two answers to the same prompt is chosen in one row and rejected in the other, {}.",
}


class ConflictingAnswersParams(Params):
    minimum_words: int = Field(default=0, ge=0)
    """Prompts of fewer words (runs of anything but white space, all turns counted) are not compared: an
    opener such as "Hello" has many good answers. 0 compares every prompt."""


def _features(frames: Frames, params: ConflictingAnswersParams, context: Context) -> pl.DataFrame:
    """The hashes of each row's prompt, response and rejected answer, and the words of its prompt: 52 bytes."""
    return pl.concat(
        [
            content_hash(frames, "prompt", "prompt", with_label=False),
            content_hash(frames, "response", "response", with_label=False),
            rejected_hash(frames),
            frames.prompt.str.count_matches(r"\S+").alias("words").to_frame(),
        ],
        how="horizontal",
    )


@check(
    "conflicting_answers",
    params=ConflictingAnswersParams,
    codes=CODES,
    fails=(
        {"instruction": "How many days does a leap year have?", "output": "A leap year has 366 days."},
        {"instruction": "How many days does a leap year have?", "output": "A leap year has 364 days."},
    ),
    passes=({"instruction": "How many days does a leap year have?", "output": "A leap year has 366 days."},),
    features=_features,
    version="2",
    libraries=("polars", "orjson"),
)
def conflicting_answers(corpus: Corpus, params: ConflictingAnswersParams, context: Context) -> Measurement:
    """Rows whose prompt, after folding, comes again with an answer that contradicts theirs: another response
    (chat), the opposite label on the same response (feedback), or the opposite preference.

    Different responses with labels, or different pairs of chosen and rejected, are what such data is made of
    and no conflict. An answer that is empty or not there conflicts with nothing.
    """
    features = corpus.features.collect()
    compared = features["prompt_0"].len() - features["prompt_0"].null_count()
    if not compared:
        return Measurement(NOTHING_FOUND, 0, {"rows": 0.0}, skipped="no row has a prompt to compare")
    rows = _comparable(corpus, features, params.minimum_words)
    conflicts = pl.concat([_different_answers(rows), _opposite_labels(rows), _opposite_preferences(rows)])
    # A row is reported once, with the first row that contradicts it.
    first = conflicts.sort("file", "row", "other_file", "other_row").unique("at", keep="first", maintain_order=True)
    findings = _findings(corpus, rows, first)
    figures = {
        "rows": float(compared),
        "conflicting_rows": float(findings.height),
        "conflicting_prompts": float(findings["group"].n_unique()),
    }
    return Measurement(findings, compared, figures)


def _comparable(corpus: Corpus, features: pl.DataFrame, minimum_words: int) -> pl.DataFrame:
    """The rows whose prompt comes more than once and that have an answer.

    Columns: at (position in the corpus), kind, key, file, row, label, prompt, response, rejected; the last three the
    same for the same content.
    """
    repeated = (features["prompt_0"].is_not_null() & features["prompt_0"].is_duplicated()).arg_true()

    def content(name: str) -> pl.Expr:
        return pl.concat_str(f"{name}_0", f"{name}_1", separator=":").alias(name)

    rows = corpus.rows.select("kind", "key", pl.col("file").cast(pl.String), "row", "label")[repeated]
    return (
        pl.concat([repeated.alias("at").to_frame(), rows, features[repeated]], how="horizontal")
        .select(
            "at",
            "kind",
            "key",
            "file",
            "row",
            "label",
            "words",
            content("prompt"),
            content("response"),
            content("rejected"),
        )
        .filter(pl.col("response").is_not_null(), pl.col("words") >= minimum_words)
    )


def _findings(corpus: Corpus, rows: pl.DataFrame, conflicts: pl.DataFrame) -> pl.DataFrame:
    """Schema `FOUND`; a group is named after the row of its prompt with the smallest id."""
    if conflicts.is_empty():
        return NOTHING_FOUND
    first = rows.sort("key").unique("prompt", keep="first").select("prompt", first="at")
    conflicts = conflicts.join(first, on="prompt", how="left", maintain_order="left")
    own, other = located(corpus, conflicts["at"].to_numpy(), conflicts["other_at"].to_numpy())
    where = pl.format("{}:{}", other["file"], other["row"])
    message = pl.coalesce(
        pl.when(pl.col("code") == code).then(pl.format(text, where)) for code, text in _MESSAGES.items()
    )
    return found(
        conflicts.select(
            "code",
            own["id"],
            "file",
            "row",
            group=group_of(corpus, conflicts["first"].to_numpy()),
            message=message,
            partner=other["id"],
            remedy=pl.lit("review"),
        )
    )


def _with_other(rows: pl.DataFrame, code: str) -> pl.DataFrame:
    return rows.select("at", "prompt", "file", "row", "other_at", "other_file", "other_row", code=pl.lit(code))


def _different_answers(rows: pl.DataFrame) -> pl.DataFrame:
    """Chat rows of prompts with several responses; the other is the first row with the first other response."""
    chat = rows.filter(pl.col("kind") == "chat").filter(pl.col("response").n_unique().over("prompt") > 1)
    # Per prompt and response the first row; then per prompt the two first of these: one of them always differs.
    answers = (
        chat.sort("file", "row")
        .unique(["prompt", "response"], keep="first", maintain_order=True)
        .group_by("prompt", maintain_order=True)
        .head(2)
        .select("prompt", "response", other_at="at", other_file="file", other_row="row")
    )
    pairs = chat.join(answers, on="prompt", suffix="_other").filter(pl.col("response") != pl.col("response_other"))
    return _with_other(pairs, "different_answers")


def _opposite_labels(rows: pl.DataFrame) -> pl.DataFrame:
    """Feedback rows with the same prompt and response as a row with the other label."""
    same = ["prompt", "response"]
    feedback = rows.filter((pl.col("kind") == "feedback") & pl.col("label").is_not_null())
    others = (
        feedback.sort("file", "row")
        .unique([*same, "label"], keep="first", maintain_order=True)
        .select(*same, label=~pl.col("label"), other_at="at", other_file="file", other_row="row")
    )
    return _with_other(feedback.join(others, on=[*same, "label"]), "opposite_labels")


def _opposite_preferences(rows: pl.DataFrame) -> pl.DataFrame:
    """Preference rows of one prompt in which an answer is chosen that another row rejects."""
    preference = rows.filter(
        (pl.col("kind") == "preference") & pl.col("rejected").is_not_null(), pl.col("rejected") != pl.col("response")
    )
    pairs = preference.join(
        preference.sort("file", "row")
        .unique(["prompt", "rejected"], keep="first", maintain_order=True)
        .select("prompt", "rejected", other_at="at", other_file="file", other_row="row"),
        left_on=["prompt", "response"],
        right_on=["prompt", "rejected"],
    )
    back = preference.join(
        preference.sort("file", "row")
        .unique(["prompt", "response"], keep="first", maintain_order=True)
        .select("prompt", "response", other_at="at", other_file="file", other_row="row"),
        left_on=["prompt", "rejected"],
        right_on=["prompt", "response"],
    )
    return pl.concat([_with_other(pairs, "opposite_preferences"), _with_other(back, "opposite_preferences")])
