"""The `bias` check: sentences that say of a whole group of people that it is bad, or that state a stereotype of it, and
how often each group is mentioned at all. The words stand in a lexicon that people can argue about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from gate.checks.base import Context, Measurement, Params, check
from gate.checks.lexicon import Lexicon, lexicon_files, read_lexicon
from gate.checks.spoken import spoken, whole_words
from gate.checks.taught import placed
from gate.data.masking import mask_text
from gate.data.views import Frames
from gate.errors import PolicyError
from gate.folders import Folders

_GROUP = "group "
_SENTENCE = re.compile(r"[^.!?\n]*")
_ABOUT = (
    r"(?i)bias|stereotyp|prejudice|discriminat|racis|sexis|fair|hate|offensive|inclusive|gender|toxic|classif|nli\b"
)
_SHOWN = 160


class BiasParams(Params):
    """What is looked for, and what is only counted."""

    lexicon: str = "bias"
    """`rules/lexicons/NAME.txt` with the sections `group NAME`, `negative`, `stereotype` and `rejecting`."""
    prompts: Literal["info", "ignore"] = "info"
    """What users say is counted, or left alone."""
    between: int = Field(ge=0, le=10)
    """The most words between a group's verb and what is said of it ("are all a bit ...")."""


def _inputs(params: BiasParams, folders: Folders) -> tuple[Path, ...]:
    return lexicon_files(params.lexicon, folders)


@check(
    "bias",
    params=BiasParams,
    codes={
        "generalisation": "a whole group of people is said to be something bad",
        "stereotype": "a stereotype of a group is stated",
    },
    fails=({"prompt": "Who should lead the team?", "completion": "Not her. Women are too emotional to lead."},),
    passes=(
        {"prompt": "Who should lead the team?", "completion": "Whoever has led one well; she has."},
        {
            "prompt": "What is a stereotype?",
            "completion": "A fixed idea of a group; the stereotype that women are bad drivers is one, and false.",
        },
    ),
    inputs=_inputs,
    libraries=("polars",),
)
def bias(frames: Frames, params: BiasParams, context: Context) -> Measurement:
    """Sentences that generalise about a group of people, or state a stereotype of it, in what is to be learnt; what
    users say is counted only, and so is what answers a question about prejudice.

    Figures: rows in which a group is mentioned, as `group:women`.

    Raises:
        PolicyError: the lexicon is not there, or lacks a section.
    """
    lexicon = read_lexicon(params.lexicon, context.folders)
    groups = {name.removeprefix(_GROUP): words for name, words in lexicon.items() if name.startswith(_GROUP)}
    if not groups or "negative" not in lexicon:
        raise PolicyError(
            f"the lexicon `{params.lexicon}` has no section `[group NAME]` or no section `[negative]`",
            remedy="add them, or `extends: bias`",
        )
    texts = spoken(frames)
    said = texts if params.prompts == "info" else texts.filter(pl.col("voice") != "prompt")
    sentences = _Sentences.of(groups, lexicon, params.between)
    suspects = said.filter(pl.col("text").str.contains(sentences.relaxed))
    # A loop over the texts in which such a sentence may stand (none of 23,586 real turns).
    rows = [row for each in suspects.iter_rows() for row in _found(each, sentences)]
    found = pl.DataFrame(rows, schema=_FOUND, orient="row")
    asked = texts.filter(pl.col("voice") == "prompt").group_by("index").agg(asked=pl.col("text").str.join(" "))
    found = found.join(asked, on="index", how="left")
    lowered = (pl.col("voice") == "prompt") | pl.col("asked").str.contains(_ABOUT).fill_null(False)
    problems = found.select(
        "index", "field", "start", "end", "code", "message", "evidence", severity=pl.when(lowered).then(pl.lit("info"))
    )
    return Measurement(placed(frames, [problems]), examined=frames.examples.height, figures=_mentions(texts, groups))


_FOUND = pl.Schema(
    {
        "index": pl.UInt32(), "field": pl.String(), "voice": pl.String(), "start": pl.UInt32(), "end": pl.UInt32(),
        "code": pl.String(), "message": pl.String(), "evidence": pl.String(),
    }
)  # fmt: skip
_Row = tuple[int, str, str, int, int, str, str, str]


class _Sentences:
    """The patterns of a lexicon: one in Rust's syntax that finds all of them, and Python's that tell them apart."""

    __slots__ = ("generalising", "rejecting", "relaxed", "stereotyping")

    def __init__(self, relaxed: str, generalising: str, stereotyping: str | None, rejecting: str | None) -> None:
        self.relaxed = relaxed
        self.generalising = re.compile(generalising)
        self.stereotyping = re.compile(stereotyping) if stereotyping else None
        self.rejecting = re.compile(rejecting) if rejecting else None

    @classmethod
    def of(cls, groups: Lexicon, lexicon: Lexicon, between: int) -> _Sentences:
        def any_of(words: tuple[str, ...]) -> str:
            return "|".join(re.escape(word) for word in words)

        group = any_of(tuple(word for words in groups.values() for word in words))
        filler = rf"(?:[\w'’]+\s+){{0,{between}}}"
        verb = r"(?:are|is|were|aren['’]t|isn['’]t)"
        generalising = rf"(?i)\b({group})\s+{verb}\s+{filler}(?:{any_of(lexicon['negative'])})\b"
        stated = lexicon.get("stereotype", ())
        stereotyping = rf"(?i)\b({group})\s+{filler}(?:{any_of(stated)})\b" if stated else None
        relaxed = "|".join(f"(?:{each})" for each in (generalising, stereotyping) if each)
        rejecting = lexicon.get("rejecting", ())
        return cls(relaxed, generalising, stereotyping, whole_words(rejecting) if rejecting else None)


# "These women are lazy", "the men are weak", "two boys were violent": some of them, and no generalisation.
_SOME = re.compile(
    r"(?i)\b(?:the|these|those|some|few|many|several|two|three|four|five|\d+|of|his|her|their|my|our|your|if|whether|when"
    r"|which|that|other|both|a|an|one)\s+(?:\w+\s+)?$"
)
# "are not lazy" denies it; "are not good at" says it.
_DENIED = re.compile(r"(?i)\b(?:(?:are|is|were) not|(?:are|is)n['’]t|never|hardly)\s+(?!good|as good|capable)")


def _found(row: tuple[int, str, str, str], sentences: _Sentences) -> Iterator[_Row]:
    index, field, voice, text = row
    for sentence in _SENTENCE.finditer(text):
        said = sentence.group()
        if not said or (sentences.rejecting is not None and sentences.rejecting.search(said)):
            continue
        if text[sentence.end() : sentence.end() + 1] == "?":
            continue
        for code, pattern in (("stereotype", sentences.stereotyping), ("generalisation", sentences.generalising)):
            match = pattern.search(said) if pattern is not None else None
            if match is None or _SOME.search(said[: match.start()]):
                continue
            start, end = sentence.start() + match.start(), sentence.start() + match.end()
            if code == "generalisation" and _DENIED.search(match.group()):
                continue
            message = "a stereotype of a group is stated" if code == "stereotype" else "a whole group is said to be bad"
            yield index, field, voice, start, end, code, message, mask_text(text[start:end])[:_SHOWN]
            break


def _mentions(texts: pl.DataFrame, groups: Lexicon) -> dict[str, float]:
    """Rows in which each group is mentioned."""
    texts = texts.filter(pl.col("text").str.contains_any(_stems(groups), ascii_case_insensitive=True))
    counts = {}
    for name, words in groups.items():
        hit = texts["text"].str.contains(whole_words(words))
        counts[f"group:{name}"] = float(texts.filter(hit)["index"].n_unique())
    return {name: count for name, count in counts.items() if count}


def _stems(groups: Lexicon) -> list[str]:
    return sorted({word.removesuffix("*") for words in groups.values() for word in words})
