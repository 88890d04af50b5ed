"""The `structure` check: rows that could not be read, and examples that are not built as a trainer needs them.

The parts lie in `structure_turns` (who speaks when), `structure_tools` (tool calls) and `structure_answers` (what
is to be learnt); this module puts their findings together.
"""

from __future__ import annotations

import polars as pl

from gate.checks.base import Context, Measurement, Params, check, found
from gate.checks.structure_answers import answer_problems
from gate.checks.structure_problems import Problem
from gate.checks.structure_tools import id_problems, tool_problems
from gate.checks.structure_turns import turn_problems, turns
from gate.data.malformed import MEANINGS
from gate.data.views import Frames


class StructureParams(Params):
    """Which problems are looked for."""

    ignore: tuple[Problem, ...] = ()
    """Codes that are not reported. Rows that could not be read always are."""


@check(
    "structure",
    params=StructureParams,
    codes={
        **{problem.value: problem.meaning for problem in Problem},
        **{reason.value: meaning for reason, meaning in MEANINGS.items()},
    },
    fails=(
        {"messages": [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": " "}]},
        {
            "messages": [
                {"role": "user", "content": "Are you open on Sunday?"},
                {"role": "user", "content": "Hello?"},
                {"role": "assistant", "content": "Yes, from 10 to 4."},
            ]
        },
        {"prompt": "Name a prime.", "chosen": "7", "rejected": " 7 "},
    ),
    passes=(
        {"messages": [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "4"}]},
        {
            "messages": [
                {"role": "user", "content": "Are you open on Sunday? Hello?"},
                {"role": "assistant", "content": "Yes, from 10 to 4."},
            ]
        },
        {"prompt": "Name a prime.", "chosen": "7", "rejected": "9"},
    ),
)
def structure(frames: Frames, params: StructureParams, context: Context) -> Measurement:
    """Rows that could not be read, and examples whose turns, tool calls, answers or labels are not what a
    trainer needs.

    Findings: one per malformed row (its reason is the code) or whole file, and one per place of an example at
    which something is wrong. Figures: findings by code.
    """
    examples = frames.examples.with_row_index("index")
    long = turns(examples)
    parts = [
        *turn_problems(long),
        *answer_problems(examples, long),
        tool_problems(long, examples.select("index", "tools")),
        id_problems(long),
    ]
    problems = pl.concat(parts, how="diagonal").unique(["index", "code", "field"], maintain_order=True)
    problems = problems.filter(~pl.col("code").is_in([code.value for code in params.ignore]))
    placed = problems.join(examples.select("index", "id", "file", "row"), on="index", maintain_order="left")
    findings = pl.concat([_malformed(frames.malformed), found(placed.sort("index", maintain_order=True).drop("index"))])
    counts = findings["code"].value_counts(sort=True)
    return Measurement(
        findings,
        examined=frames.examples.height + frames.malformed.height,
        figures={code: float(count) for code, count in counts.iter_rows()},
    )


def _malformed(rows: pl.DataFrame) -> pl.DataFrame:
    """One finding per row, or file, that could not be read. A row goes; a file has to be mended."""
    whole = pl.col("row").is_null()
    return found(
        rows.select(
            "file",
            "row",
            "message",
            code="reason",
            evidence="head",
            remedy=pl.when(whole).then(pl.lit("fix")).otherwise(pl.lit("drop")),
        )
    )
