"""What a change does to the figures of a dataset, with how much of a risk each change is.

The thresholds lie in `reports/changes.yaml`, where a team may put its own in their place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from gate.admission.result import AdmissionResult
from gate.errors import GateError
from gate.folders import Folders
from gate.reporting.json_report import figures_of, profile_of
from gate.reporting.schema import Lengths, Profile

Risk = Literal["high", "medium", "low"]
RISKS: tuple[Risk, ...] = ("high", "medium", "low")
"""The most urgent first."""

PLACE = "reports/changes.yaml"
_CATEGORIES = ("splits", "kinds", "shapes", "languages", "roles")


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that is another one now."""

    risk: Risk
    figure: str
    """Whose: `rows`, `splits`, `response`, …"""
    of: str | None
    """Which category of it; anybody's text."""
    before: float
    now: float
    shift: float | None = None
    """The population stability index of the whole distribution, where there is one."""


class Levels(BaseModel):
    """From where on a change is of medium and of high risk."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    medium: float
    high: float

    def risk(self, size: float) -> Risk:
        """The risk of a change of that size."""
        return "high" if size >= self.high else "medium" if size >= self.medium else "low"


class Thresholds(BaseModel):
    """The content of `reports/changes.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    stability: Levels
    share: Levels
    fewer_rows: Levels
    gone: Risk
    appeared: Risk
    more_malformed: Risk


def changes(result: AdmissionResult, folders: Folders | None = None) -> tuple[Change, ...]:
    """Every figure of the profile that differs from the base's, the riskiest first; none where there is no base.

    Args:
        folders: where a user's own thresholds may lie.

    Raises:
        GateError: the file of thresholds is not one.
    """
    if result.comparison is None:
        return ()
    levels = _thresholds(folders or Folders())
    before, now = figures_of(result.comparison.profile), profile_of(result)
    found = [
        *_rows(before, now, levels),
        *(change for name in _CATEGORIES for change in _categories(name, before, now, levels)),
        *_lengths(before, now, levels),
        *_turns(before, now, levels),
    ]
    return tuple(sorted(found, key=lambda change: RISKS.index(change.risk)))


def stability(before: Sequence[float], now: Sequence[float]) -> float:
    """The population stability index of two distributions over the same categories (counts, not shares).

    Half a count is added to each category (Jeffreys' prior), since the index is infinite where one is empty.
    """
    sums = [sum(counts) + len(counts) / 2 for counts in (before, now)]
    shares = [((p + 0.5) / sums[0], (q + 0.5) / sums[1]) for p, q in zip(before, now, strict=True)]
    return sum((q - p) * math.log(q / p) for p, q in shares)


def _rows(before: Profile, now: Profile, levels: Thresholds) -> Iterator[Change]:
    was, is_ = before.get("rows", 0), now.get("rows", 0)
    if was != is_:
        yield Change(levels.fewer_rows.risk((was - is_) / max(was, 1)), "rows", None, was, is_)
    was, is_ = before.get("malformed", 0), now.get("malformed", 0)
    if was != is_:
        yield Change(levels.more_malformed if is_ > was else "low", "malformed rows", None, was, is_)


def _categories(name: str, before: Profile, now: Profile, levels: Thresholds) -> Iterator[Change]:
    # Chosen by name from a typed dictionary, which types cannot follow; all five are counts by category.
    was, is_ = (cast(Mapping[str, int], profile.get(name) or {}) for profile in (before, now))
    if not was or not is_:
        return  # not measured on one side, or nothing to compare with
    whole, whole_now = max(sum(was.values()), 1), max(sum(is_.values()), 1)
    for category in {**was, **is_}:
        one, other = was.get(category, 0), is_.get(category, 0)
        if one == other:
            continue
        moved = levels.share.risk(abs(other / whole_now - one / whole))
        risk = levels.gone if other == 0 else levels.appeared if one == 0 else "low"
        yield Change(min(risk, moved, key=RISKS.index), name, category, one, other)


def _lengths(before: Profile, now: Profile, levels: Thresholds) -> Iterator[Change]:
    for view in ("prompt", "response", "full"):
        was, is_ = before.get("chars", {}).get(view), now.get("chars", {}).get(view)
        if not was or not is_ or was["n"] == 0 or is_["n"] == 0:
            continue
        shift = stability(*_bins(was, is_))
        for name, one, other in (("median", was["p50"], is_["p50"]), ("95 %", was["p95"], is_["p95"])):
            if round(one) != round(other):
                figure = f"characters of the {'whole text' if view == 'full' else view}, {name}"
                yield Change(levels.stability.risk(shift), figure, None, one, other, shift)


def _bins(was: Lengths, is_: Lengths) -> tuple[list[float], list[float]]:
    """The counts of both by the bins of a common grid (their own are cut from the same one)."""
    counts = [{bin_["from"]: bin_["count"] for bin_ in each["histogram"]} for each in (was, is_)]
    grid = sorted(counts[0].keys() | counts[1].keys())
    return [counts[0].get(edge, 0) for edge in grid], [counts[1].get(edge, 0) for edge in grid]


def _turns(before: Profile, now: Profile, levels: Thresholds) -> Iterator[Change]:
    was, is_ = ({each["turns"]: each["count"] for each in profile.get("turns", [])} for profile in (before, now))
    if not was or not is_:
        return
    grid = sorted(was.keys() | is_.keys())
    shift = stability([was.get(turns, 0) for turns in grid], [is_.get(turns, 0) for turns in grid])
    one, other = (sum(turns * n for turns, n in each.items()) / sum(each.values()) for each in (was, is_))
    if round(one, 1) != round(other, 1):
        yield Change(levels.stability.risk(shift), "messages per example, mean", None, one, other, shift)


def _thresholds(folders: Folders) -> Thresholds:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = folders.find(PLACE)
    if path is None:
        raise GateError("a part of the report is missing", where=PLACE, remedy="install llm-gate again")
    try:
        return Thresholds.model_validate(YAML(typ="safe").load(Path(path).read_text(encoding="utf-8")))
    except (YAMLError, ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it cannot be read as YAML"
        raise GateError(
            f"the thresholds of changes cannot be used: {reason}",
            where=folders.origin(path),
            remedy="mend it, or remove your copy so that gate's own is used",
        ) from None
