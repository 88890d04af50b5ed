"""What single kinds of statements rest on beside their parents: the findings that waivers cover, and the verdicts of
reviews."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from gate.admission.finding_ids import finding_ids
from gate.admission.result import FINDINGS
from gate.errors import GateError
from gate.provenance.statements import Admission, Review, Statement, Waiver
from gate.snapshots.chain import Link, State, broken
from gate.snapshots.layout import VERDICTS
from gate.snapshots.parquet import from_parquet
from gate.snapshots.sealed_objects import Objects


def waived_link(objects: Objects, statements: Mapping[str, Statement], one: Statement, about: Admission) -> Link:
    """That waivers which an admission rests on were in force, and cover what it says was waived."""
    covered: set[tuple[str, str]] = set()
    for digest in about.waivers:
        waiver = statements.get(digest)
        if waiver is None or not isinstance(waiver.about, Waiver):
            continue  # said elsewhere, as a parent, where it is missing
        if waiver.about.until < one.made:
            said = f"it was over on {waiver.about.until[:10]}, before the admission"
            return Link("waiver", f"statements/{digest}.json", "broken", said)
        covered |= {(waiver.about.rule, finding) for finding in waiver.about.findings}
    try:
        read = objects.read(about.findings, "parquet", cut=True)
        states = from_parquet(read.content, FINDINGS, read.name, columns=["rule", "state"])
        wanted = states.filter(pl.col("state").cast(pl.String) == "waived")["rule"].unique()
        waived = 0
        if wanted.len():
            every = from_parquet(read.content, FINDINGS, read.name)
            for rule in wanted:
                own = every.filter(pl.col("rule") == rule)
                ids = finding_ids(own).filter(own["state"].cast(pl.String).eq_missing("waived"))
                waived += ids.len()
                if any((rule, each) not in covered for each in ids):
                    return Link("waived", read.name, "broken", f"a finding of {rule} is waived that no waiver names")
    except GateError as error:
        return broken("waived", error)
    return Link("waived", "", said=f"{waived:,} findings, by {len(about.waivers):,} waivers")


def review_link(objects: Objects, about: Review) -> Link:
    """That a review's verdicts are there, and as many as it says."""
    try:
        read = objects.read(about.verdicts, "parquet", cut=True)
        counts = dict(
            from_parquet(read.content, VERDICTS, read.name, columns=["verdict"])["verdict"]
            .cast(pl.String)
            .value_counts()
            .iter_rows()
        )
    except GateError as error:
        return broken("verdicts", error)
    if (counts.get("good", 0), counts.get("bad", 0)) != (about.good, about.bad):
        return Link("verdicts", read.name, "broken", "the review says otherwise than its verdicts")
    state: State = "erased" if read.erasure else "whole"
    return Link("verdicts", read.name, state, read.told or f"{about.good:,} good, {about.bad:,} bad")
