"""The `toxicity` check: insults, threats, slurs and the like, by a lexicon that people can argue about, or by a
classifier that is named.

Texts are searched by one Aho-Corasick automaton in Rust; the few in which an entry stands are looked at word by word:
what is quoted, denied or asked about is no insult.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, check
from gate.checks.lexicon import Lexicon, lexicon_files, read_lexicon
from gate.checks.spoken import SPOKEN, spoken, whole_words
from gate.checks.taught import placed
from gate.checks.toxicity_model import LANE, model_folder, scores
from gate.data.masking import mask_text
from gate.data.views import Frames
from gate.folders import Folders

_AROUND = 40  # characters shown on each side of what was found
_LEET = {"@": "a", "4": "a", "3": "e", "1": "i", "!": "i", "0": "o", "$": "s", "5": "s", "7": "t"}
# Letters with such signs between them, or single letters with spaces or points between them: looked at once more.
_DISGUISED = r"[A-Za-z][@430$517!*]+[A-Za-z]|(?:^|\s)[@$][A-Za-z]{3}|\b[A-Za-z](?:[ ._-][A-Za-z]){3,}\b"
_SPACED = r"\b[A-Za-z](?:[ ._-][A-Za-z]){3,}\b"
_DENIED = re.compile(r"(?i)(?:\bnot|\bnever|n't|\bwithout|\bavoid|\bno longer)\s+(?:\w+\s+){0,2}$")
_QUOTES = "\"“”'‘’«»`"
_ABOUT = (
    r"(?i)toxic|offensive|insult|hate ?speech|profan|\bslurs?\b|swear|curse|vulgar|obscen|harass|moderat|sentiment"
    r"|classif|review|negative|translat|\bmeans?\b|meaning|rewrite|rephrase|lyrics|quote|abus|tweet|racis"
)


class ToxicityParams(Params):
    """With what toxic language is looked for, and what of it only counts."""

    lexicon: str | None = "toxicity"
    """`rules/lexicons/NAME.txt`; null where a model judges alone."""
    ignore: tuple[str, ...] = ()
    """Categories of the lexicon that are not looked for."""
    info: tuple[str, ...] = ()
    """Categories that are counted and shown, and never fail the rule."""
    prompts: Literal["info", "ignore"] = "info"
    """What users say is counted, or left alone: a toxic question with a decent answer is good data."""
    model: str | None = None
    """A folder with a sequence-classification model in safetensors, or a model in the Hugging Face cache."""
    labels: tuple[str, ...] = Field(default=("toxic",), min_length=1)
    """Those of the model's labels that stand for toxic."""
    threshold: float = Field(gt=0, le=1)
    """The model's probability from which a text is toxic."""


def _inputs(params: ToxicityParams, folders: Folders) -> tuple[Path, ...]:
    files = () if params.lexicon is None else lexicon_files(params.lexicon, folders)
    if params.model is None:
        return files
    return (*files, *sorted(path for path in model_folder(params.model, folders).iterdir() if path.is_file()))


@check(
    "toxicity",
    params=ToxicityParams,
    codes={
        "toxic_response": "an answer that is to be learnt insults, threatens, degrades, or is obscene",
        "toxic_text": "a text for pre-training does",
        "toxic_prompt": "a user does; it counts, and never blocks, since a decent answer to it is good data",
    },
    fails=(
        {"prompt": "Can you help me with my homework?", "completion": "Do it yourself, you idiot. You are worthless."},
    ),
    passes=(
        {"prompt": "Can you help me with my homework?", "completion": "Of course. Which part is hard?"},
        {"prompt": "How do I stop a program?", "completion": "Use kill with its process id; kill -9 if it hangs."},
        {"prompt": "You idiot, shut up!", "completion": "I am sorry that I let you down. What can I do better?"},
    ),
    inputs=_inputs,
    libraries=("polars", "torch", "transformers"),
)
def toxicity(frames: Frames, params: ToxicityParams, context: Context) -> Measurement:
    """Toxic language in what is to be learnt, and, counted only, in what users say; rejected answers, and those rated
    bad, are left out. By a lexicon, and by a classifier where one is named.

    Figures: texts with findings by category, as `category:insult`, and `texts scored` by a model.

    Raises:
        PolicyError: the lexicon or the model is not there.
    """
    texts = spoken(frames)
    if params.prompts == "ignore":
        texts = texts.filter(pl.col("voice") != "prompt")
    parts: list[pl.DataFrame] = []
    figures: dict[str, float] = {}
    asked = texts.filter(pl.col("voice") == "prompt").group_by("index").agg(asked=pl.col("text").str.join(" "))
    if params.lexicon is not None:
        lexicon = read_lexicon(params.lexicon, context.folders)
        lexicon = {name: words for name, words in lexicon.items() if name not in params.ignore}
        found = _by_lexicon(texts, lexicon, asked)
        if found.height:
            counts = found.unique(["index", "field", "category"])["category"].value_counts(sort=True)
            figures |= {f"category:{name}": float(count) for name, count in counts.iter_rows()}
            lowered = pl.col("about") | pl.col("category").is_in(params.info)
            parts.append(_reported(found.with_columns(lowered=lowered)))
    if params.model is not None:
        folder = str(model_folder(params.model, context.folders))
        judged = context.workers.submit(LANE, scores, folder, params.labels, texts["text"]).result()
        figures["texts scored"] = float(texts.height)
        toxic = texts.with_columns(score=judged).filter(pl.col("score") >= params.threshold)
        parts.append(
            _reported(
                toxic.with_columns(
                    category=pl.lit("model"), start=None, end=None, evidence=pl.lit("(not shown)"), lowered=False
                )
            )
        )
    findings = placed(frames, parts) if parts else NOTHING_FOUND
    return Measurement(findings, examined=frames.examples.height, figures=figures)


def toxic_patterns(lexicon: Lexicon) -> dict[str, re.Pattern[str]]:
    """What finds the entries of each category of a lexicon as whole words."""
    return {name: re.compile(whole_words(words)) for name, words in lexicon.items()}


def categories_of(text: str, patterns: Mapping[str, re.Pattern[str]]) -> frozenset[str]:
    """The categories of toxic language in one text: outright or disguised, neither quoted nor denied."""
    row = pl.DataFrame([(0, "text", "text", text)], schema=SPOKEN, orient="row")
    return frozenset(category for *_, category, _, _, _ in (*_matches(row, patterns), *_disguised(row, patterns)))


def _reported(found: pl.DataFrame) -> pl.DataFrame:
    voice = pl.col("voice")
    return found.select(
        "index",
        "field",
        pl.col("start").cast(pl.UInt32),
        pl.col("end").cast(pl.UInt32),
        "evidence",
        *(["score"] if "score" in found.columns else []),
        code=pl.format("toxic_{}", "voice"),
        severity=pl.when((voice == "prompt") | pl.col("lowered")).then(pl.lit("info")),
        message=pl.format("toxic language ({})", "category"),
    )


def _by_lexicon(texts: pl.DataFrame, lexicon: Lexicon, asked: pl.DataFrame) -> pl.DataFrame:
    """What stands in the texts: those of `spoken` with `category`, `start`, `end`, `evidence`
    (masked), and `about`: the user asked about such language."""
    entries = [entry.removesuffix("*") for words in lexicon.values() for entry in words]
    text = pl.col("text")
    plain = texts.filter(text.str.contains_any(entries, ascii_case_insensitive=True))
    disguised = texts.filter(text.str.contains(_DISGUISED))
    patterns = toxic_patterns(lexicon)
    rows = [*_matches(plain, patterns), *_disguised(disguised, patterns)]
    found = pl.DataFrame(rows, schema=_MATCHES, orient="row").unique(["index", "field", "category"], keep="first")
    found = found.join(asked, on="index", how="left")
    return found.with_columns(
        about=pl.col("asked").str.contains(_ABOUT).fill_null(False) & (pl.col("voice") != "prompt")
    )


_MATCHES = pl.Schema(
    {**SPOKEN, "category": pl.String(), "start": pl.Int64(), "end": pl.Int64(), "evidence": pl.String()}
)
_Row = tuple[int, str, str, str, str, int, int, str]


def _matches(texts: pl.DataFrame, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[_Row]:
    """A loop over the texts that hold an entry as letters, few of them (32 of 23,586 real turns; 1 ms each):
    whether it is quoted or denied is seen around it only."""
    for index, field, voice, text in texts.select("index", "field", "voice", "text").iter_rows():
        for category, pattern in patterns.items():
            for match in pattern.finditer(text):
                start, end = match.span()
                quoted = (
                    text[max(0, start - 1) : start] in _QUOTES
                    and text[end : end + 1] in _QUOTES
                    and start
                    and end < len(text)
                )
                if quoted or _DENIED.search(text[max(0, start - 40) : start]):
                    continue
                yield index, field, voice, text, category, start, end, _shown(text, start, end)
                break


def _disguised(texts: pl.DataFrame, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[_Row]:
    """The same for what is written with signs for letters, or with spaces between them: found once both are undone. A
    star stands for any vowel. A loop over what looks so (78 of 23,586 real turns; 0.2 ms each)."""
    for index, field, voice, text in texts.select("index", "field", "voice", "text").iter_rows():
        for match in re.finditer(rf"{_SPACED}|[A-Za-z@$][A-Za-z@430$517!*]{{2,}}", text):
            written = match.group()
            if not re.search(_DISGUISED, written):
                continue
            letters = re.sub(r"[ ._-]", "", written.lower())
            letters = "".join(_LEET.get(sign, sign) for sign in letters)
            readings = (
                {letters.replace("*", vowel) for vowel in ("a", "e", "i", "o", "u")} if "*" in letters else {letters}
            )
            for category, pattern in patterns.items():
                if any(pattern.fullmatch(reading) for reading in readings):
                    start, end = match.span()
                    yield index, field, voice, text, category, start, end, _shown(text, start, end)
                    break


def _shown(text: str, start: int, end: int) -> str:
    """What stands around it, with itself hidden."""
    left = max(0, start - _AROUND)
    return mask_text(text[left : end + _AROUND], [(start - left, end - left)]).replace("\n", " ")
