"""Waivers in judging: what a valid waiver covers does not count, and does not exclude its row.

A waiver covers the findings of one rule that it names by their ids (gate.admission.finding_ids), from the moment it
was made until it is over. Whose word counts is not decided here: the waivers are those of trusted people
(gate.provenance.trust).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from gate.admission.finding_ids import finding_ids
from gate.admission.result import FINDINGS
from gate.admission.run import Ran

if TYPE_CHECKING:
    from gate.provenance.statements import Statement


def waived(ran: Sequence[Ran], waivers: Sequence[Statement], at: str) -> list[Ran]:
    """What ran, where the findings that waivers cover have the state `waived`, and each rule names those waivers.

    Args:
        ran: every rule that ran, compared with the base where there is one: ids are numbered over all of a rule.
        waivers: of trusted people; statements of another kind are not looked at.
        at: the moment of judging, as statements write time. A waiver that was made later or is over covers nothing.
    """
    from gate.provenance.statements import Waiver  # where nothing is waived, nobody waits for it

    given = [one for one in waivers if isinstance(one.about, Waiver) and one.made <= at < one.about.until]
    named = pl.DataFrame(
        [
            {"rule": one.about.rule, "finding": finding, "waiver": number}
            for number, one in enumerate(given)
            if isinstance(one.about, Waiver)
            for finding in one.about.findings
        ],
        schema={"rule": pl.String, "finding": pl.String, "waiver": pl.UInt32},
    )
    concerned = [number for number, each in enumerate(ran) if each.bound.rule.id in set(named["rule"])]
    if not concerned:
        return list(ran)
    parts = [ran[number].findings.with_columns(of=pl.lit(number, pl.UInt32)) for number in concerned]
    every = pl.concat(parts).with_row_index("position")
    covers = every.select("position", "of", "rule", finding_ids(every)).join(named, on=["rule", "finding"])
    state = (
        pl.when(pl.col("position").is_in(covers["position"].implode()))
        .then(pl.lit("waived", dtype=FINDINGS["state"]))
        .otherwise("state")
    )
    marked = every.with_columns(state=state)
    result = list(ran)
    for number in concerned:
        used = covers.filter(pl.col("of") == number)["waiver"].unique().sort()
        result[number] = replace(
            ran[number],
            findings=marked.filter(pl.col("of") == number).select(list(FINDINGS)),
            waivers=tuple(given[each] for each in used),
        )
    return result
