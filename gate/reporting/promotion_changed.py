"""The items on which two models differ, those first that were right before and are wrong now: what each model said,
side by side, with the words that differ.

What a model says is untrusted: every text is masked, cut and made inert here; the template escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import polars as pl

from gate.data.masking import mask_text
from gate.evaluation.results import EvaluatedTask
from gate.evaluation.task_document import SuiteName
from gate.reporting.inert import inert
from gate.reporting.promotion_items import Answered, generates, read_tasks, side_by_side, task_of
from gate.reporting.word_diff import Run, word_diff

Change = Literal["lost", "lost_champion", "gained"]
CHANGES: Mapping[Change, str] = {
    "lost": "right before, wrong now",
    "lost_champion": "right by the champion, wrong now",
    "gained": "wrong before, right now",
}
"""In the order in which they are shown; "before" is the base."""
SCORED: Mapping[Change, str] = {
    "lost": "scored less than the base",
    "lost_champion": "scored less than the champion",
    "gained": "scored more than the base",
}
"""The same of a metric that is no yes or no."""
Role = Literal["base", "champion", "candidate"]
_ROLES: tuple[Role, ...] = ("base", "champion", "candidate")
_STARS = re.compile(r"\*+")
_MARGIN = 300  # characters behind a cut that are masked with what is shown, so that no half of a secret stays


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what changed one page holds."""

    items: int = 160
    """In all; each task gets an even part of each kind of change."""
    prompt: int = 1_200
    """Characters of a prompt."""
    output: int = 1_200
    read: int = 2_400
    """Characters of an output that is there for reading."""

    def scaled(self, share: float) -> Limits:
        """A smaller page: every limit times a share below 1, but at least 1."""
        return Limits(*(max(1, int(getattr(self, each.name) * share)) for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a test row or of a model, fit to be shown."""

    text: str
    left_out: int
    """Characters that are not shown."""
    masked: bool = False
    """Something in it looks like personal data or a secret, and is hidden."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a model made of an item."""

    role: Role
    runs: tuple[Run, ...]
    """Its output in stretches; those that differ from the candidate's (of the candidate: from the base's) marked."""
    left_out: int
    masked: bool
    value: float
    """Its score, more is better."""
    other_prompt: bool
    """It got another prompt than the candidate: its own template or tokenizer."""


@dataclass(frozen=True, slots=True)
class Changed:
    """An item on which the candidate did otherwise."""

    suite: SuiteName
    task: str
    place: int
    """In the task's data, from 0 on."""
    slice: str | None
    change: Change
    binary: bool
    prompt: Text
    target: Text
    said: tuple[Said, ...]
    """Base, champion where there is one, candidate."""
    id: str
    """The item's hash."""

    @property
    def words(self) -> str:
        return (CHANGES if self.binary else SCORED)[self.change]


@dataclass(frozen=True, slots=True)
class AllChanged:
    """What is shown, and how much there is."""

    items: tuple[Changed, ...]
    counts: Mapping[tuple[str, Change], int]
    """By task and change: how many there are."""
    unread: tuple[str, ...]
    """Tasks whose items have no text to show (likelihoods alone), or are not shown."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def tasks(self) -> list[str]:
        """Those of the items shown, each once."""
        return list(dict.fromkeys(each.task for each in self.items))

    def slices(self) -> list[str]:
        return sorted({each.slice for each in self.items if each.slice is not None})


def changed(candidate: Answered, base: Answered, champion: Answered | None, limits: Limits) -> AllChanged:
    """The items on which the candidate differs from the base, or lost what the champion had."""
    frames: list[tuple[SuiteName, str, EvaluatedTask, bool, pl.DataFrame]] = []
    counts: dict[tuple[str, Change], int] = {}
    unread = [name for suite, each in candidate.items() if suite == "memorization" for name in each.tasks]
    for suite, name, task in read_tasks(candidate):
        if not generates(task):
            unread.append(name)
            continue
        others = {"base": task_of(base, suite, name), "champion": task_of(champion or {}, suite, name)}
        frame = _with_change(side_by_side(task, others, task.document.primary))
        binary = task.document.metric(task.document.primary).binary
        for change in CHANGES:
            if found := frame.filter(pl.col("change") == change).height:
                counts[name, change] = found
        frames.append((suite, name, task, binary, frame))
    items: list[Changed] = []
    for change in CHANGES:
        having = [each for each in frames if (each[1], change) in counts]
        # What was lost comes first and takes what room it needs; what was gained takes what is left.
        room = max(limits.items - len(items), limits.items // 10)
        for at, (suite, name, _, binary, frame) in enumerate(having):
            each = max(1, room // (len(having) - at))
            shown = frame.filter(pl.col("change") == change).sort("by", "index", descending=[True, False]).head(each)
            items += [_item(suite, name, change, binary, row, limits) for row in shown.iter_rows(named=True)]
            room -= shown.height
    return AllChanged(tuple(items), counts, tuple(unread))


def _with_change(frame: pl.DataFrame) -> pl.DataFrame:
    """With columns `change` (null where nothing did) and `by` how much the score moved. An item that others do not
    have is none: it cannot be compared."""
    nothing = pl.lit(None, dtype=pl.Float64)
    by_base = pl.col("value") - (pl.col("base_value") if "base_value" in frame.columns else nothing)
    by_champion = pl.col("value") - (pl.col("champion_value") if "champion_value" in frame.columns else nothing)
    change = (
        pl.when(by_base < 0)
        .then(pl.lit("lost"))
        .when(by_champion < 0)
        .then(pl.lit("lost_champion"))
        .when(by_base > 0)
        .then(pl.lit("gained"))
    )
    by = pl.when(change == "lost_champion").then(by_champion).otherwise(by_base).abs()
    return frame.with_columns(change=change, by=by)


def _item(
    suite: SuiteName, name: str, change: Change, binary: bool, row: Mapping[str, object], limits: Limits
) -> Changed:
    here = {role: _output(row, role, limits.output) for role in _ROLES}
    candidate = here["candidate"]
    assert candidate is not None
    said = []
    for role, output in here.items():
        if output is None:
            continue
        other = candidate if role != "candidate" else here["base"] or here["champion"] or candidate
        runs = word_diff(output.text, other.text).left
        value = row["value" if role == "candidate" else f"{role}_value"]
        prompts = row["prompt_hash"], row["prompt_hash" if role == "candidate" else f"{role}_prompt_hash"]
        assert isinstance(value, float)
        said.append(Said(role, runs, output.left_out, output.masked, value, prompts[0] != prompts[1]))
    slice_, place = row["slice"], row["index"]
    assert isinstance(place, int)
    return Changed(
        suite=suite,
        task=name,
        place=place,
        slice=None if slice_ is None else shown(str(slice_), 60).text,
        change=change,
        binary=binary,
        prompt=shown(str(row["prompt"]), limits.prompt, end=True),
        target=shown(str(row["target"]), limits.output),
        said=tuple(said),
        id=str(row["doc_hash"]),
    )


def _output(row: Mapping[str, object], role: str, limit: int) -> Text | None:
    if role == "candidate":
        return shown(str(row["output"]), limit)
    output = row.get(f"{role}_output")
    return None if output is None else shown(str(output), limit)


def shown(text: str, limit: int, *, end: bool = False) -> Text:
    """A text as it may be shown: masked, cut, and inert.

    Args:
        end: keep its end, as of a prompt, whose question stands behind its examples.
    """
    # Cut before it is masked too: a pattern takes minutes for a megabyte without a space.
    near = text[max(0, len(text) - limit - _MARGIN) :] if end else text[: limit + _MARGIN]
    hidden = _masked(near)
    kept = slice(-limit, None) if end else slice(limit)
    return Text(inert(hidden[kept]), max(0, len(text) - limit), hidden[kept] != near[kept])


def _masked(text: str) -> str:
    """`mask_text`, but for what is made of one or two different characters: a model that says `0000000` over and over
    gives nobody away, and whoever reads it has to see that."""
    masked = mask_text(text)
    if masked == text:
        return text
    parts = list(masked)
    for found in _STARS.finditer(masked):
        said = text[found.start() : found.end()]
        if len(set(said)) <= 2:
            parts[found.start() : found.end()] = said
    return "".join(parts)


def plain(runs: Iterable[Run]) -> str:
    """Stretches of a diff as one text again, what was left out in brackets."""
    return "".join(f"[{run.text}]" if run.kind == "left_out" else run.text for run in runs)


def counted(found: AllChanged, changes: Sequence[Change] = tuple(CHANGES)) -> dict[Change, int]:
    """How many items of each kind of change there are, over all tasks."""
    return {change: sum(n for (_, each), n in found.counts.items() if each == change) for change in changes}
