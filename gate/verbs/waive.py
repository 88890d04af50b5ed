"""`gate waive`: a dated exception to one rule, for findings that are there now and no other.

The rule is run on the data, and the waiver names the ids of what it finds. A finding that comes later has another id,
and is not covered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from gate.admission.finding_ids import finding_ids
from gate.errors import UsageError
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.moments import moment
from gate.provenance.statements import Statement, Waiver, now, written
from gate.provenance.trust import Trust
from gate.store.objects import Store, find_store
from gate.verbs.check import check
from gate.verbs.surroundings import named_trust, open_store

Path_ = str | os.PathLike[str]
OnStage = Callable[[str, int, int], None]
_SHORTEST = 8
_LONGEST = timedelta(days=366)
"""How far ahead a waiver may end: who still needs it after a year looks again."""
_MOST = 100_000
"""Findings of a waiver: a guard for the statement's size (24 MB). So many are no exception, but another rule."""


@dataclass(frozen=True, slots=True)
class Waiving:
    """What somebody is about to waive."""

    rule: str
    findings: pl.DataFrame
    """Schema gate.admission.result.FINDINGS, and `finding` (the id)."""
    until: str
    signer: str


def waive(
    rule: str,
    paths: Path_ | Sequence[Path_] = (),
    *,
    until: str,
    why: str,
    signer: Signer,
    findings: Collection[str] = (),
    most: int | None = None,
    policy: Path_ | None = None,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    cache: bool = True,
    confirm: Callable[[Waiving], bool] = lambda exception: True,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Statement:
    """Waive the findings of a rule, as they are now.

    Args:
        rule: its id.
        paths, policy, cache: as for `gate.check`.
        until: a date (its end, UTC) or a time, at most 366 days ahead.
        findings: ids, or eight or more digits of them, where not all are meant that are more than `info`.
        most: refuse where there are more.
        store: its folder, made where there is none; else `GATE_STORE`, else the nearest `.gate` upwards of the data.
        trust: where it is named, the signer has to be an owner or a reviewer by it.

    Raises:
        UsageError: no such rule; no finding, or not the ones named; too many; not a time ahead; no reason.
        Untrusted: the waiver would not count.
    """
    end = ending(until)
    why = reason(why)
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    believed = (
        trust if isinstance(trust, Trust) else named_trust(None if trust is None else Path(trust), trust_revision)
    )
    if believed is not None:
        believed.signer(signer.keyid, signer.name, "waiver", now())
    result = check(given, policy=policy, select=[rule], cache=cache, on_stage=on_stage)
    if result.verdict == "error":
        raise UsageError(f"rule {rule!r} could not be judged: {result.reason}", remedy="mend that first")
    found = result.findings.filter(pl.col("rule") == rule)
    found = found.with_columns(finding=finding_ids(found))
    chosen = _chosen(found, findings, rule)
    if most is not None and chosen.height > most:
        raise UsageError(
            f"rule {rule!r} has {chosen.height:,} findings, which is more than {most:,}",
            remedy="look at what is new, and name the findings that are meant: --findings",
        )
    if chosen.height > _MOST:
        raise UsageError(
            f"rule {rule!r} has {chosen.height:,} findings, and a waiver names at most {_MOST:,}",
            remedy="so many are no exception: change the rule in the policy",
        )
    if not confirm(Waiving(rule, chosen, end, signer.name)):
        raise UsageError("nothing was signed")
    place = store if isinstance(store, Store) else _store(store, given)
    about = Waiver(rule=rule, findings=sorted(chosen["finding"]), until=end, why=why)
    return Ledger(place).say(about, signer)


def reason(why: str) -> str:
    """What somebody gives as a reason.

    Raises:
        UsageError: nothing, or too much.
    """
    if not why.strip():
        raise UsageError("no reason is given", remedy="--why TEXT, for whoever asks later")
    if len(why) > 2000:
        raise UsageError("the reason is longer than 2000 characters", remedy="link to the long story")
    return why


def ending(text: str) -> str:
    """When a waiver ends, as statements write time.

    Raises:
        UsageError: it is no time, is over, or is more than a year ahead.
    """
    try:
        end = moment(text, end_of_day=True)
    except ValueError as error:
        raise UsageError(f"--until {text}: {error}") from None
    today = datetime.now(UTC)
    if end <= written(today):
        raise UsageError(f"--until {text} is over already", remedy="name a day to come")
    if end > written(datetime.combine(today.date(), datetime.max.time(), UTC) + _LONGEST):
        raise UsageError(
            f"--until {text} is more than {_LONGEST.days} days ahead",
            remedy="name an earlier day, and look again then; what is right for ever belongs into the policy",
        )
    return end


def _chosen(found: pl.DataFrame, findings: Collection[str], rule: str) -> pl.DataFrame:
    counts = found.filter(pl.col("severity") != "info")  # what is only counted needs no exception
    if found.is_empty() or (counts.is_empty() and not findings):
        raise UsageError(f"rule {rule!r} finds nothing in this data that counts", remedy="there is nothing to waive")
    if not findings:
        return counts
    wanted: list[str] = []
    for asked in findings:  # those that a person named
        digits = asked.strip().lower()
        if len(digits) < _SHORTEST or not re.fullmatch(r"[0-9a-f]{1,64}", digits):
            raise UsageError(
                f"{asked[:80]!r} is no id of a finding",
                remedy=f"give at least {_SHORTEST} digits; `gate check --output json` lists the ids",
            )
        matches = found["finding"].filter(found["finding"].str.starts_with(digits))
        if matches.len() != 1:
            count = "no finding" if matches.is_empty() else f"{matches.len()} findings"
            raise UsageError(f"{count} of rule {rule!r} begin{'s' if matches.is_empty() else ''} with {asked}")
        wanted.append(matches[0])
    return found.filter(pl.col("finding").is_in(wanted))


def _store(store: Path_ | None, paths: Sequence[Path_]) -> Store:
    first = Path(paths[0]) if paths and os.fspath(paths[0]) != "-" else Path()
    start = first if first.exists() else Path()
    return open_store(Path(store) if store is not None else find_store(start), create=True)
