"""What might tell bad examples from good ones: candidate predicates over what can be measured of an example.

Each is one that gate can run today: a bound of a Great Expectations suite, a parameter of the `quality` or `language`
rule, an entry of a lexicon, or a small check of one's own. `flags` says exactly what the drafted rule would flag.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import floor

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.base import Context
from gate.checks.great_expectations_columns import CANONICAL
from gate.checks.language import UNDETERMINED, LanguageParams, languages
from gate.checks.lexicon import Lexicon
from gate.checks.qualities.lengths import length_problems
from gate.checks.qualities.problems import Problem
from gate.checks.qualities.refusals import refusals
from gate.checks.quality import QualityParams, quality
from gate.checks.taught import taught
from gate.data.masking import mask_text
from gate.data.views import Frames
from gate.errors import MissingDependency
from gate.snapshots.features import FEATURES, answers, feature

Counts = NDArray[np.int64] | int

BEHIND = 3
"""Bad examples that a rule is drawn from at the least; of two anything can be said."""
PRECISION = 0.5
"""A rule that flags more good than bad reviewed examples is no rule."""
_LONGEST_PHRASE = 4
"""Words of a phrase."""
_PHRASES = 50
"""That are looked at closely, of answers and of prompts: the best few are shown."""
_READ = 20_000
"""Characters of a text in which phrases are looked for."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A Great Expectations entry: a column between two numbers."""

    column: str
    least: int | None
    most: int | None


@dataclass(frozen=True, slots=True)
class Setting:
    """Parameters of a shipped rule."""

    rule: str
    params: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Phrases:
    """Entries of the lexicon of what is said by rote."""

    lexicon: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """A check of one's own that compares a number with a limit."""

    feature: str
    """A key of `gate.snapshots.features.FEATURES`."""
    limit: float
    above: bool
    """Whether what is above the limit is flagged, or what is below it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A check of one's own that looks for phrases."""

    column: str
    """`answer` or `prompt`."""
    phrases: tuple[str, ...]
    """Words in small letters, with a space between."""


Draft = Bound | Setting | Phrases | Measured | Spoken


@dataclass(frozen=True, slots=True)
class Predicate:
    """Something that is true of some examples."""

    says: str
    """What it is true of, as the end of "examples with …"; masked."""
    draft: Draft
    flags: Callable[[Frames], pl.Series]
    """Whether it is true of each example (never null)."""


@dataclass(slots=True)
class Candidates:
    """Predicates that may tell bad from good, and how many were looked at to find them."""

    predicates: list[Predicate] = field(default_factory=list)
    tried: int = 0
    """More than there are predicates, where others were seen to be no better: luck has had as many chances."""

    def add(self, says: str, draft: Draft, flags: Callable[[Frames], pl.Series]) -> None:
        """One more."""
        self.predicates.append(Predicate(says, draft, flags))


def f1(caught: Counts, wrong: Counts, behind: int) -> NDArray[np.float64]:
    """The harmonic mean of precision and recall: of bad and good ones flagged, of so many bad ones."""
    return np.asarray(2 * np.asarray(caught) / np.maximum(1, np.asarray(caught) + wrong + behind))


def pattern(phrases: Sequence[str]) -> str:
    """What finds any of some phrases, in any case and with anything but letters between their words."""
    each = (r"\W+".join(re.escape(word) for word in phrase.split()) for phrase in phrases)
    return rf"(?i)\b(?:{'|'.join(each)})\b"


def bounds(frames: Frames, bad: pl.Series, into: Candidates) -> None:
    """Numbers that GX or `quality` can bound: lengths and turns."""
    for name in ("response_chars", "text_chars", "prompt_chars", "system_chars", "turns", "tool_calls"):
        meaning = CANONICAL[name].meaning
        for cut, above in _cuts(CANONICAL[name].values(frames).cast(pl.Float64), bad, into):
            limit = floor(cut)
            least, most = (None, limit) if above else (limit + 1, None)
            says = f"more than {limit:,} {meaning}" if above else f"fewer than {limit + 1:,} {meaning}"
            if name in ("response_chars", "text_chars"):
                setting = Setting("quality", {"max_chars": most} if above else {"min_chars": least})
                into.add(says, setting, partial(_of_length, least=least, most=most))
            else:
                draft = Bound(name, least, most)
                into.add(says, draft, partial(_beyond, draft=draft))


def _of_length(frames: Frames, least: int | None, most: int | None) -> pl.Series:
    """What `quality` flags as too short or too long."""
    found = [each.filter(pl.col("code") != Problem.NO_WORDS) for each in length_problems(taught(frames), least, most)]
    return _at(frames, pl.concat([each.select("index") for each in found])["index"])


def _beyond(frames: Frames, draft: Bound) -> pl.Series:
    """What Great Expectations finds outside of the bounds; null is never outside."""
    values = CANONICAL[draft.column].values(frames).cast(pl.Int64)
    low = values < draft.least if draft.least is not None else pl.Series([False])
    high = values > draft.most if draft.most is not None else pl.Series([False])
    return (low | high).fill_null(False)


def features(frames: Frames, bad: pl.Series, into: Candidates) -> None:
    """Numbers that take a check of one's own."""
    for name, (meaning, _) in FEATURES.items():
        for cut, above in _cuts(feature(name, frames), bad, into):
            draft = Measured(name, cut, above)
            into.add(f"{'more' if above else 'less'} than {cut:,.4g} {meaning}", draft, partial(_off, draft=draft))


def _off(frames: Frames, draft: Measured) -> pl.Series:
    values = feature(draft.feature, frames)
    return (values > draft.limit if draft.above else values < draft.limit).fill_null(False)


def _cuts(values: pl.Series, bad: pl.Series, into: Candidates) -> Iterator[tuple[float, bool]]:
    """The best limit to each side among all between two values that were seen next to one another."""
    seen = pl.DataFrame({"value": values, "bad": bad}).drop_nulls()
    levels = seen.group_by("value").agg(bad=pl.col("bad").sum(), good=(~pl.col("bad")).sum()).sort("value")
    value = levels["value"].to_numpy()
    if len(value) < 2:
        return
    into.tried += 2 * (len(value) - 1)
    # What lies up to each value but the last, and then what lies beyond it.
    up_to = [np.cumsum(levels[name].to_numpy().astype(np.int64)) for name in ("bad", "good")]
    for above in (False, True):
        caught, wrong = (total[-1] - total[:-1] if above else total[:-1] for total in up_to)
        able = (caught >= BEHIND) & (caught >= PRECISION * (caught + wrong))
        score = np.where(able, f1(caught, wrong, int(bad.sum())), 0.0)
        if score.max() > 0:
            low, high = (float(each) for each in value[score.argmax() :][:2])
            yield _round((low + high) / 2, low, high), above


def _round(value: float, low: float, high: float) -> float:
    """The shortest number between two others that is near a third."""
    for digits in range(1, 15):
        short = float(f"{value:.{digits}g}")
        if low < short < high:
            return short
    return value


def problems(frames: Frames, params: QualityParams, context: Context, into: Candidates) -> None:
    """What the `quality` check sees already, and does not count as a problem here."""
    for problem in Problem:
        into.tried += 1
        if not _has_code(frames, problem.value, params, context).any():
            continue
        counts = problem not in (*params.info, *params.ignore)
        setting = {
            name: [each.value for each in listed if each != problem]
            for name, listed in (("info", params.info), ("ignore", params.ignore))
            if problem in listed
        }
        note = " (the rule finds it already: with `severity: error` it blocks)" if counts else ""
        says = f"`{problem.value}`: {problem.meaning[:1].lower()}{problem.meaning[1:].rstrip('.')}{note}"
        flags = partial(_has_code, code=problem.value, params=params, context=context)
        into.add(says, Setting("quality", setting), flags)


def _has_code(frames: Frames, code: str, params: QualityParams, context: Context) -> pl.Series:
    return _at(frames, _codes(frames, params, context).filter(pl.col("code") == code)["index"])


def _codes(frames: Frames, params: QualityParams, context: Context) -> pl.DataFrame:
    """Columns `index` and `code` of what `quality` finds, whatever the rule makes of it."""

    def compute() -> pl.DataFrame:
        everything = params.model_copy(update={"info": (), "ignore": (), "min_chars": None, "max_chars": None})
        numbered = frames.examples.select("file", "row").with_row_index("index")
        found = quality.run(frames, everything, context).findings.select("file", "row", "code")
        return found.join(numbered, on=["file", "row"]).select("index", "code")

    return frames.once("suggested codes", compute)


def tongues(frames: Frames, bad: pl.Series, params: LanguageParams, into: Candidates) -> None:
    """Answers in a language that no good one is in."""
    try:
        told = _tongues(frames, params)
    except MissingDependency:
        return
    into.tried += 1
    expected = tuple(sorted(set(told.filter(~bad)["language"]) - {UNDETERMINED}))
    if expected and not set(told["language"]) <= {*expected, UNDETERMINED}:
        says = f"an answer in another language than {', '.join(expected)}"
        flags = partial(_in_another, expected=expected, params=params)
        into.add(says, Setting("language", {"expected": list(expected)}), flags)


def _in_another(frames: Frames, expected: tuple[str, ...], params: LanguageParams) -> pl.Series:
    return ~_tongues(frames, params)["language"].is_in([*expected, UNDETERMINED])


def _tongues(frames: Frames, params: LanguageParams) -> pl.DataFrame:
    """The column `language` of each example; `und` where nothing is taught."""

    def compute() -> pl.DataFrame:
        rows = taught(frames)
        told = rows.select("index").hstack(languages(rows["text"], params))
        every = pl.DataFrame({"index": pl.int_range(frames.examples.height, dtype=pl.UInt32, eager=True)})
        return every.join(told, on="index", how="left", maintain_order="left").select(
            pl.col("language").fill_null(UNDETERMINED)
        )

    return frames.once("suggested languages", compute)


def phrases(frames: Frames, bad: pl.Series, head: int, into: Candidates) -> None:
    """Runs of up to four words that several bad examples have and few good ones, of answers and of prompts.

    Args:
        head: characters at the beginning of an answer in which the lexicon of what is said by rote is looked for.
    """
    texts = answers(frames)
    for column in ("answer", "prompt"):
        # A Python loop over what people looked at, some hundred texts: runs of words have no expression.
        runs = [_runs(text or "") for text in texts[column]]
        of_bad, of_good = (
            Counter(run for own, is_bad in zip(runs, bad, strict=True) if is_bad is side for run in own)
            for side in (True, False)
        )
        often = [(run, count) for run, count in of_bad.items() if count >= BEHIND]
        into.tried += 2 * len(often)
        behind = int(bad.sum())
        # Those that do best; the longer of two that do as well, which flags less elsewhere.
        often.sort(key=lambda one: (-float(f1(one[1], of_good[one[0]], behind)), -len(one[0].split()), one[0]))
        for run, _ in often[:_PHRASES]:
            # What looks like personal data is no word of a rule.
            if mask_text(run) != run:
                continue
            said = Spoken(column, (run,))
            into.add(f"the words “{run}” in the {column}", said, partial(_spoken, draft=said))
            if column == "answer" and len(run) > 1:
                entry = Phrases("refusals", (run,))
                into.add(f"“{run}” where the answer begins", entry, partial(_by_rote, draft=entry, head=head))


def _runs(text: str) -> set[str]:
    words: list[str] = re.findall(r"\w+(?:'\w+)?", text[:_READ].lower().replace("’", "'"))
    return {" ".join(words[at : at + n]) for n in range(1, _LONGEST_PHRASE + 1) for at in range(len(words) - n + 1)}


def _spoken(frames: Frames, draft: Spoken) -> pl.Series:
    text = answers(frames)[draft.column].str.replace_all("’", "'", literal=True)
    return text.str.contains(pattern(draft.phrases)).fill_null(False)


def _by_rote(frames: Frames, draft: Phrases, head: int) -> pl.Series:
    """What `quality` flags with these entries in its lexicon."""
    lexicon: Lexicon = {"disclaimer": draft.entries}
    found = pl.concat([each.select("index") for each in refusals(taught(frames), lexicon, head)])
    return _at(frames, found["index"])


def _at(frames: Frames, index: pl.Series) -> pl.Series:
    flags = np.zeros(frames.examples.height, dtype=np.bool_)
    flags[index.to_numpy()] = True
    return pl.Series("flag", flags)
