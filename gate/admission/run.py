"""Runs bound rules over a dataset and says how each of them ended.

What has to be known of every file is in the cache by then. Rules are judged side by side in threads: their heavy
parts are Polars and NumPy, which release the interpreter, or worker processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from gate.admission.bind import BoundRule
from gate.admission.measure import Measured, measured
from gate.admission.outcome import Against, finding_rows, outcome_of
from gate.admission.prepare import Demand
from gate.admission.result import FINDINGS, RuleOutcome
from gate.admission.shards import Crash
from gate.admission.stored import StoredDataset
from gate.checks.base import Context
from gate.data.frame import Kind
from gate.engines.local import as_they_end
from gate.store.cache import Cache

if TYPE_CHECKING:
    from gate.provenance.statements import Statement

OnDone = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Ran:
    """A rule, and what its check saw."""

    bound: BoundRule
    demand: Demand
    measured: Measured
    findings: pl.DataFrame
    """Schema `FINDINGS`, all of them new until they have been compared; none where the check crashed."""
    fixed: pl.DataFrame | None = None
    """Findings of the base that are gone (schema `FINDINGS`); None where there is no base."""
    against: Against | None = None
    """What the comparison with the base says of the rows that the rule looks at; None where there is no base."""
    waivers: tuple[Statement, ...] = ()
    """Those that cover a finding (gate.admission.waived)."""

    @property
    def outcome(self) -> RuleOutcome:
        """How the rule ended."""
        ended = outcome_of(self.bound, self.measured.seen, self.findings, self.measured.seconds, self.against)
        return replace(ended, waivers=self.waivers)


def applied(rules: Sequence[tuple[BoundRule, Demand]], dataset: StoredDataset) -> list[tuple[BoundRule, Demand]]:
    """The rules that have a file to judge, each for the kinds that are there."""
    present: set[Kind | None] = {kind for file in dataset.prepared.files for kind in file.kinds}
    return [
        (replace(bound, kinds=tuple(kind for kind in bound.kinds if kind in present)), demand)
        for bound, demand in rules
        if not present.isdisjoint(bound.kinds)
    ]


def run_rules(
    rules: Sequence[tuple[BoundRule, Demand]],
    dataset: StoredDataset,
    base: StoredDataset | None,
    context: Context,
    cache: Cache,
    on_done: OnDone = lambda rule, done, total: None,
) -> list[Ran]:
    """Have the check of every rule see the dataset.

    Args:
        rules: those that apply, with what they demand of every file.
        base: what the dataset is compared with.
        on_done: called with (rule id, rules done, rules in all) as each ends.

    Raises:
        GateError: what a rule asks for is not there; nothing was judged.
    """
    seen: dict[int, Measured] = {}
    # As many as there are cores: more at a time would take as long, and hold more.
    threads = ThreadPoolExecutor(max_workers=max(1, context.workers.cores))
    try:
        later = dataset.prepared.later
        in_turn = sorted(enumerate(rules), key=lambda one: later is not None and later.concerns(one[1][1]))
        futures = {
            threads.submit(measured, demand, dataset, base, context, cache): number for number, (_, demand) in in_turn
        }
        for done, future in enumerate(as_they_end(futures), start=1):
            number = futures[future]
            seen[number] = future.result()
            on_done(rules[number][0].rule.id, done, len(futures))
    finally:
        # Not waited for: after Ctrl-C or a policy error nobody wants what is still running.
        threads.shutdown(wait=False, cancel_futures=True)
    return _yielded([_ran(bound, demand, seen[number]) for number, (bound, demand) in enumerate(rules)])


def _ran(bound: BoundRule, demand: Demand, seen: Measured) -> Ran:
    findings = pl.DataFrame(schema=FINDINGS) if isinstance(seen.seen, Crash) else finding_rows(bound, seen.seen)
    return Ran(bound, demand, seen, findings)


def findings_of(ran: Sequence[Ran]) -> pl.DataFrame:
    """All findings (schema `FINDINGS`), the most severe first, then by file and row."""
    return ordered(pl.concat([pl.DataFrame(schema=FINDINGS), *(each.findings for each in ran)]))


def ordered(findings: pl.DataFrame) -> pl.DataFrame:
    """The most severe first, then by file and row."""
    order = [pl.col("severity").to_physical(), "file", "row", "rule", "code", "field", "start"]
    return findings.sort(order, nulls_last=False)


def _yielded(ran: list[Ran]) -> list[Ran]:
    """Leave to each check the rows that another one, to which it yields, already proposes to drop."""
    kept = []
    for each in ran:
        earlier = [
            other.findings.filter(pl.col("row").is_not_null(), pl.col("remedy") == "drop").select("file", "row")
            for other in ran
            if other.bound.check.name in each.bound.check.yields_to
        ]
        if earlier:
            each = replace(each, findings=each.findings.join(pl.concat(earlier), on=["file", "row"], how="anti"))
        kept.append(each)
    return kept
