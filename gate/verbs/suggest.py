"""`gate review --suggest`: from what people called bad to a drafted rule, and what else it would flag."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import polars as pl

from gate.checks import load
from gate.checks.base import REVIEWS, Context, Params
from gate.checks.language import LanguageParams
from gate.checks.quality import QualityParams
from gate.checks.spot_check import settled
from gate.checks.structure_turns import excerpt
from gate.data.frame import MALFORMED, Kind
from gate.data.views import Frames
from gate.errors import UsageError
from gate.policy.select import policy_for
from gate.policy.settings import find_settings
from gate.provenance.ledger import Ledger
from gate.provenance.trust import Trust
from gate.reporting.drafts import Found, drafted
from gate.reporting.inert import one_line
from gate.snapshots.predicates import Candidates, bounds, features, phrases, problems, tongues
from gate.snapshots.suggest import Group, Suggestion, best, grouped
from gate.snapshots.verdicts import reviews
from gate.store.objects import Store, find_store
from gate.verbs.review import Sample
from gate.verbs.review_rows import Rows

P = ParamSpec("P")
T = TypeVar("T")

OnStage = Callable[[str, int, int], None]

PLACES = 5
"""Other examples that a suggestion would flag that are shown."""
_HEAD = 80
"""Characters of each."""


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What was found."""

    good: int
    bad: int
    """Examples at hand that were reviewed."""
    groups: tuple[tuple[Group, tuple[Found, ...]], ...]
    """Bad ones by reason, each with what would catch them, the best first."""
    files: dict[str, str]
    """Drafts of the best of each group, by path below the folder of `gate.yaml`."""
    checked: bool
    """Whether the signatures of reviews were checked."""


def suggest(
    rows: Rows,
    sample: Sample,
    *,
    store: Path | None = None,
    trust: Trust | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Suggestions:
    """Draft rules that would have caught the bad examples.

    Args:
        rows: the whole dataset.
        sample: whose answers on this machine count, signed or not, beside the reviews of the store.
        store: its folder; else the nearest.
        trust: whose reviews count; None: everybody's, since a draft decides nothing.

    Raises:
        UsageError: nobody called an example bad that is there.
        Damaged: a review in the store is not what it says.
    """
    verdicts = _said(sample, store, trust)
    small = rows.small()
    there = verdicts.join(small.select(pl.col("id").unique()), on="id", how="semi")
    groups = grouped(there)
    if not groups:
        raise UsageError(
            "no example that is there was called bad",
            remedy="review some first: `gate review DATA`, and b for those that are bad",
        )
    known = _parameters(rows, small)
    good = there.filter(pl.col("verdict") == "good")["id"]
    found: list[tuple[Group, list[Suggestion]]] = []
    # Reasons with a few examples each may have something in common.
    every = Group("any reason", tuple(id_ for group in groups for id_ in group.ids))
    asked = [*groups, every] if len(groups) > 1 else groups
    for number, group in enumerate(asked):
        on_stage(one_line(f"group {number + 1}"), number, len(asked))
        found.append((group, _best(group, good, rows, known)))
    if len(groups) > 1 and any(best for _, best in found[:-1]):
        found.pop()
    counted = _counted([one for _, some in found for one in some], rows, there, on_stage)
    told = tuple((group, tuple(Found(group, one, *counted[id(one)]) for one in some)) for group, some in found)
    best_of = [some[0] for _, some in told if some]
    return Suggestions(
        good.len(),
        there.height - good.len(),
        told,
        drafted(best_of, there.height),
        trust is not None,
    )


def write_drafts(files: dict[str, str], folder: Path) -> None:
    """Write drafts below a folder; all of them, or none where there is a file of one's name already.

    Raises:
        UsageError: there is one, or it cannot be written.
    """
    for name in files:
        if os.path.lexists(folder / name):
            raise UsageError(
                "there is such a file already", where=str(folder / name), remedy="name another folder with --out"
            )
    for name, text in files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            what = (error.strerror or str(error)).lower()
            raise UsageError(f"it cannot be written ({what})", where=str(folder / name)) from None


def _said(sample: Sample, store: Path | None, trust: Trust | None) -> pl.DataFrame:
    """One verdict for each example that somebody judged: columns `id`, `verdict`, `reason`."""
    own = sample.answers().pending().with_columns(reviewer=pl.lit("here")).select(list(REVIEWS))
    found = store if store is not None else find_store(sample.start)
    if (found / "format.json").exists():
        own = pl.concat([reviews(Ledger(Store(found)), trust).frame, own])
    elif store is not None:
        Store(found)  # which says that there is none
    return settled(own)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the shipped rules say here of quality and language."""

    quality: QualityParams | None
    language: LanguageParams | None
    context: Context


def _parameters(rows: Rows, small: pl.DataFrame) -> _Known:
    """The parameters of the rules for the most frequent kind."""
    kinds = small["kind"].value_counts(sort=True)["kind"].to_list()
    kind: Kind | None = kinds[0] if kinds else None
    folders = rows.folders
    policy = policy_for(kind, None, find_settings(folders.user or Path()), folders)

    def of(name: str) -> Params | None:
        rule = next((each for each in policy.rules if each.id == name and each.check == name), None)
        return None if rule is None else load(name).params.model_validate(rule.params)

    quality, language = of("quality"), of("language")
    return _Known(
        quality if isinstance(quality, QualityParams) else None,
        language if isinstance(language, LanguageParams) else None,
        Context(_InPlace(), folders),
    )


def _best(group: Group, good: pl.Series, rows: Rows, known: _Known) -> list[Suggestion]:
    examples = rows.fetch(pl.concat([pl.Series("id", group.ids, dtype=pl.String), good]))
    bad = examples["id"].is_in(list(group.ids))
    frames = _frames(examples)
    into = Candidates()
    bounds(frames, bad, into)
    if known.quality is not None:
        problems(frames, known.quality, known.context, into)
        phrases(frames, bad, known.quality.refusal_head, into)
    if known.language is not None:
        tongues(frames, bad, known.language, into)
    features(frames, bad, into)
    return best(into, frames, bad)


def _counted(
    suggestions: Sequence[Suggestion], rows: Rows, verdicts: pl.DataFrame, on_stage: OnStage
) -> dict[int, tuple[int, int, tuple[str, ...]]]:
    """For each suggestion (by identity): examples it flags, those that nobody called bad, and some of their places."""
    bad = verdicts.filter(pl.col("verdict") == "bad")["id"]
    flagged = {id(one): 0 for one in suggestions}
    others = dict(flagged)
    places: dict[int, list[str]] = {key: [] for key in flagged}
    if not suggestions:
        return {}
    for number, part in enumerate(rows.shards()):
        on_stage(f"shard {number + 1}", number, number + 1)
        frames = _frames(part)
        strange = ~part["id"].is_in(bad.implode())
        for one in suggestions:
            flags = one.predicate.flags(frames)
            flagged[id(one)] += int(flags.sum())
            here = (flags & strange).arg_true()
            others[id(one)] += here.len()
            places[id(one)] += _places(frames, here.head(PLACES - len(places[id(one)])))
    return {key: (flagged[key], others[key], tuple(places[key])) for key in flagged}


def _places(frames: Frames, index: pl.Series) -> Iterator[str]:
    for at in index:  # five at the most
        file, row = frames.examples["file"][at], frames.examples["row"][at]
        yield f"{one_line(file, 200)}:{row}  {one_line(excerpt(frames.full[at] or '', _HEAD))}"


def _frames(examples: pl.DataFrame) -> Frames:
    return Frames(examples, pl.DataFrame(schema=MALFORMED))


class _InPlace:
    """Workers that work here: the checks that are asked need none."""

    cores = 1

    def submit(self, lane: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(function(*args, **kwargs))
        return done
