"""A dataset beside its base: which rows both have, and what that makes of the findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from gate.admission.compare import Counts, Side, classify, counts, fixed, old_malformed, old_rows
from gate.admission.outcome import Against
from gate.admission.result import FINDINGS
from gate.admission.run import Ran
from gate.admission.stored import StoredDataset


def mark_old(head: StoredDataset, base: StoredDataset) -> None:
    """Say of each row of the head whether the base has it too.

    A file that both have, byte for byte and under one name, is old as a whole; of the others the full content ids are
    compared, since a row could be made whose key (64 bits of the id) is that of another.
    """
    same = set(head.keys) & set(base.keys)
    changed = [number for number, key in enumerate(head.keys) if key not in same]
    others = [number for number, key in enumerate(base.keys) if key not in same]
    rows = head.identities(changed)
    marked = rows.with_columns(old=old_rows(rows, base.identities(others), ("id", "split")))
    by_file = {number: own["old"] for (number,), own in marked.group_by("number", maintain_order=True)}
    nothing = pl.Series("old", [], dtype=pl.Boolean)
    head.mark(
        [
            by_file.get(number, nothing) if key not in same else nothing.extend_constant(True, head.rows[number].height)
            for number, key in enumerate(head.keys)
        ]
    )


def compared(ran: Sequence[Ran], before: Sequence[Ran], head: StoredDataset, base: StoredDataset) -> list[Ran]:
    """What ran on the head, where each finding says whether it is new, and each rule which of the base's are gone.

    Args:
        before: the same rules on the base; one that has no row to judge there is absent.
    """
    own, other = side(head), side(base)
    now = replace(own, findings=pl.concat([_nothing(), *(each.findings for each in ran)]))
    then = replace(other, findings=pl.concat([_nothing(), *(each.findings for each in before)]))
    states = classify(now, then)  # of all rules at once: each look at the rows of both costs
    by_key = {(each.bound.rule.id, each.demand.key): each for each in before}
    bad = old_malformed(own.malformed, other.malformed)
    result, start = [], 0
    for each in ran:
        findings = states[start : start + each.findings.height]
        start += each.findings.height
        earlier = by_key.get((each.bound.rule.id, each.demand.key))
        was = replace(other, findings=_nothing() if earlier is None else earlier.findings)
        gone = fixed(was, replace(own, findings=findings))
        seen = None if earlier is None else earlier.measured.seen
        against = Against.of(own.rows, own.malformed, bad, each.bound.kinds, seen, gone.height)
        result.append(replace(each, findings=findings, fixed=gone, against=against))
    return result


def side(dataset: StoredDataset) -> Side:
    """The rows of a dataset, as the comparison wants them; without findings."""
    return Side(dataset.corpus().rows, dataset.malformed, _nothing())


def counted(head: StoredDataset, base: StoredDataset) -> Counts:
    """How many rows are new, unchanged and removed."""
    return counts(side(head), side(base))


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema=FINDINGS)
