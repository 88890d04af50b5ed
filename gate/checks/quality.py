"""The `quality` check: answers and texts that are bad to learn from, each for a reason that a person can look at.

The parts lie in `gate.checks.qualities`; this module puts their findings together. What is only a hint is lowered to
`info` by the rule's own `info:` list, or switched off by `ignore:`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import polars as pl
from pydantic import Field, model_validator

from gate.checks.base import Context, Measurement, Params, check
from gate.checks.lexicon import lexicon_files, read_lexicon
from gate.checks.qualities.endings import ending_problems
from gate.checks.qualities.gibberish import gibberish
from gate.checks.qualities.lengths import length_problems, over_context, tokenizer_file, tokens
from gate.checks.qualities.problems import Problem, report
from gate.checks.qualities.refusals import refusals
from gate.checks.qualities.repetition import Limits, repeated_lines, repeated_words
from gate.checks.qualities.residue import error_residue, markup_residue, placeholders
from gate.checks.taught import placed, taught
from gate.data.views import Frames
from gate.folders import Folders

_ASKS_FOR_ITS_OWN_WORDS = (
    r"(?i)complet|continu|rewrit|rephras|repeat|correct|edit|finish|translat|proofread|capitali|punctuat|fix|improve"
    r"|convert|insert|add|fill|replace|generate|format|expand|extend|sentence|story|poem|lines?\b|quote|following"
)
_ASKS_FOR_REPETITION = (
    r"(?i)\bsong|lyric|\bpoem|\brap\b|chorus|verse|chant|screenplay|script\b|repeat|nursery rhyme|\btimes\b"
)


class QualityParams(Params):
    """What is looked for, and from where on it counts."""

    ignore: tuple[Problem, ...] = ()
    """Codes that are not looked for."""
    info: tuple[Problem, ...] = ()
    """Codes that are counted and shown, and never fail the rule."""
    min_chars: int | None = Field(default=None, ge=1)
    """The fewest characters of an answer; null: no bound."""
    max_chars: int | None = Field(default=None, ge=1)
    """The most characters of an answer; null: no bound."""
    tokenizer: str | None = None
    """A folder with a `tokenizer.json`, in the repository or anywhere, or a model in the Hugging Face cache."""
    context_length: int | None = Field(default=None, ge=1)
    """The tokens that a row may have, template and special tokens aside; needs a `tokenizer`."""
    sentence_words: int = Field(ge=1)
    """Words that an answer, and its last line, need before its end is judged."""
    refusals: str = "refusals"
    """The lexicon of refusals and disclaimers: `rules/lexicons/NAME.txt`."""
    refusal_head: int = Field(ge=1)
    """Characters at the beginning of an answer in which they are looked for."""
    markup: int = Field(ge=1)
    """Tags and entities in prose from which they are residue."""
    echo: int = Field(ge=1)
    """Characters of a question from which an answer that begins with it echoes it."""
    nonsense: float = Field(gt=0, le=1)
    """The share of words without a vowel, or of mashed keys, from which a text is gibberish."""
    symbols: float = Field(gt=0, le=1)
    """The share of visible characters that are neither letter nor digit, from which it is."""
    repeated_lines: float = Field(gt=0, le=1)
    """The share of lines, or paragraphs, that may repeat earlier ones."""
    repeated_line_chars: float = Field(gt=0, le=1)
    """The share of characters in them."""
    least_lines: int = Field(ge=2)
    """Lines, or paragraphs, from which their repetition is judged."""
    top_ngrams: dict[int, float]
    """For n words in a row: the share of characters that the most frequent such run may hold."""
    duplicate_ngrams: dict[int, float]
    """For n words in a row: the share of characters that all repetitions of such runs may hold."""
    least_words: int = Field(ge=1)
    """Words from which the repetition of words is judged by these two."""
    loop_ngrams: dict[int, float]
    """The same as `duplicate_ngrams`, for what is stuck in a loop, whatever its length."""
    loop_words: int = Field(ge=1)
    """Words from which a text can be stuck in a loop."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.context_length is not None and self.tokenizer is None:
            raise ValueError("`context_length` is counted in tokens, and needs a `tokenizer`")
        for name in ("top_ngrams", "duplicate_ngrams", "loop_ngrams"):
            limits: dict[int, float] = getattr(self, name)
            if any(not 1 <= n <= 20 or not 0 < share <= 1 for n, share in limits.items()):
                raise ValueError(f"`{name}` gives a share above 0 and up to 1 for 1 to 20 words")
        if self.min_chars is not None and self.max_chars is not None and self.min_chars > self.max_chars:
            raise ValueError("`min_chars` is more than `max_chars`")
        return self


def _inputs(params: QualityParams, folders: Folders) -> tuple[Path, ...]:
    files = (
        () if {Problem.REFUSAL, Problem.DISCLAIMER} <= set(params.ignore) else lexicon_files(params.refusals, folders)
    )
    return files if params.tokenizer is None else (*files, tokenizer_file(params.tokenizer, folders))


@check(
    "quality",
    params=QualityParams,
    codes={problem.value: problem.meaning for problem in Problem},
    fails=(
        {
            "prompt": "Explain why the sky is blue.",
            "completion": "Traceback (most recent call last):\n  File x, line 1",
        },
        {
            "prompt": "Write a short note about lighthouses.",
            "completion": "As an AI language model, I cannot visit lighthouses, but they are beautiful.",
        },
        {"prompt": "Who do I thank?", "completion": "Dear {{customer_name}}, thank you for writing to us."},
        {
            "prompt": "How do ships find their way at night?",
            "completion": "Ships find their way by the lights along the coast, by the stars, by radar and by the",
        },
    ),
    passes=(
        {"prompt": "Explain why the sky is blue.", "completion": "Air scatters blue light more than red light."},
        {
            "prompt": "Write a short note about lighthouses.",
            "completion": "A lighthouse warns ships of rocks by night.",
        },
        {"prompt": "Who do I thank?", "completion": "Dear Ms Okafor, thank you for writing to us."},
        {
            "prompt": "How do ships find their way at night?",
            "completion": "Ships find their way by the lights along the coast, by the stars and by radar.",
        },
    ),
    inputs=_inputs,
    libraries=("polars", "numpy", "tokenizers"),
)
def quality(frames: Frames, params: QualityParams, context: Context) -> Measurement:
    """Answers that break off, are an error message or a refusal said by rote, hold placeholders or markup of web
    pages, repeat themselves or their question, are no language, or do not fit.

    Figures: findings by code, and `tokens` where a tokenizer is named.

    Raises:
        PolicyError: the lexicon or the tokenizer is not there.
    """
    rows = taught(frames)
    counts = None
    figures: dict[str, float] = {}
    if params.tokenizer is not None:
        # A row is cut off as a whole, its question and earlier turns included.
        counts = tokens(frames.full, tokenizer_file(params.tokenizer, context.folders))
        figures["tokens"] = float(counts.sum() or 0)
    problems = [each.filter(~pl.col("code").is_in(params.ignore)) for each in _problems(rows, params, context, counts)]
    lowered = [
        each.with_columns(severity=pl.when(pl.col("code").is_in(params.info)).then(pl.lit("info"))) for each in problems
    ]
    findings = placed(frames, lowered)
    figures |= {code: float(count) for code, count in findings["code"].value_counts(sort=True).iter_rows()}
    return Measurement(findings, examined=frames.examples.height, figures=figures)


def _problems(
    rows: pl.DataFrame, params: QualityParams, context: Context, counts: pl.Series | None
) -> Iterator[pl.DataFrame]:
    """What each part finds; a part whose codes are all ignored is not run."""

    def wanted(*codes: Problem) -> bool:
        return any(code not in params.ignore for code in codes)

    yield from length_problems(rows, params.min_chars, params.max_chars)
    if counts is not None and params.context_length is not None:
        yield over_context(rows, counts.gather(rows["index"]), params.context_length)
    if wanted(Problem.UNFINISHED, Problem.NO_FINAL_PUNCTUATION):
        yield from ending_problems(rows, params.sentence_words)
    if wanted(Problem.ERROR_RESIDUE):
        yield error_residue(rows)
    if wanted(Problem.REFUSAL, Problem.DISCLAIMER):
        yield from refusals(rows, read_lexicon(params.refusals, context.folders), params.refusal_head)
    if wanted(Problem.PLACEHOLDER, Problem.BLANK_TO_FILL):
        yield from placeholders(rows)
    if wanted(Problem.MARKUP_RESIDUE):
        yield markup_residue(rows, params.markup)
    prose = rows.filter(~pl.col("asked").str.contains(_ASKS_FOR_REPETITION))
    if wanted(Problem.REPEATED_LINES):
        yield repeated_lines(prose, params.repeated_lines, params.repeated_line_chars, params.least_lines)
    if wanted(Problem.REPEATED_WORDS, Problem.LOOP):
        gopher = Limits(params.top_ngrams, params.duplicate_ngrams, params.least_words)
        yield from repeated_words(prose, gopher, Limits({}, params.loop_ngrams, params.loop_words))
    if wanted(Problem.GIBBERISH):
        yield gibberish(rows, params.nonsense, params.symbols)
    if wanted(Problem.PROMPT_ECHOED):
        yield _echoes(rows, params.echo)


def _echoes(rows: pl.DataFrame, least: int) -> pl.DataFrame:
    """Answers that begin with their whole question and go on; those that say nothing else are `structure`'s."""
    asked = pl.col("asked").str.strip_chars()
    said = pl.col("text").str.strip_chars_start()
    found = rows.filter(
        asked.str.len_chars() >= least, said.str.starts_with(asked), said.str.strip_chars_end() != asked
    )
    found = found.filter(~pl.col("asked").str.contains(_ASKS_FOR_ITS_OWN_WORDS))
    return report(found, Problem.PROMPT_ECHOED, "the answer begins with the whole question")
