"""The views of `gate sql`, and their columns."""

from __future__ import annotations

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from gate.admission.result import FINDINGS
from gate.data.frame import MALFORMED, SPLITS
from gate.evaluation.items import ITEMS
from gate.snapshots.layout import ADMITTED, EXCLUDED, VERDICTS


def _columns(*parts: pl.Schema | str) -> pl.Schema:
    """Columns one after another: text by their names, or as another schema has them."""
    columns: dict[str, DataType | DataTypeClass] = {}
    for part in parts:
        columns |= dict(part) if isinstance(part, pl.Schema) else {part: pl.String}
    return pl.Schema(columns)


SCHEMAS: dict[str, pl.Schema] = {
    "examples": _columns("snapshot", "name", "split", ADMITTED),
    "findings": _columns("snapshot", "name", "statement", FINDINGS),
    "excluded": _columns("snapshot", "name", EXCLUDED),
    "malformed": _columns("snapshot", "name", MALFORMED),
    "verdicts": _columns("statement", "author", "made", "snapshot", VERDICTS),
    "snapshots": _columns(
        "snapshot",
        "name",
        pl.Schema({"number": pl.UInt32, "current": pl.Boolean, "held": pl.Boolean}),
        *("statement", "made", "author"),
        pl.Schema({"trusted": pl.Boolean}),
        pl.Schema(dict.fromkeys(("rows", "examples", "malformed", "admitted", "excluded", *SPLITS), pl.UInt64)),
        pl.Schema({"files": pl.UInt32}),
        "policy",
    ),
    "statements": _columns(
        *("statement", "kind", "made", "author", "keyid"),
        pl.Schema({"trusted": pl.Boolean}),
        "snapshot",
        pl.Schema({"parents": pl.List(pl.String)}),
        *("previous", "version", "about"),
    ),
    "evaluations": _columns(
        *("statement", "made", "author"),
        pl.Schema({"trusted": pl.Boolean}),
        *("name", "model", "form", "suite", "snapshot", "task", "document", "metric"),
        pl.Schema({"value": pl.Float64, "n": pl.UInt64, "prompts": pl.Boolean, "repeat": pl.Boolean}),
    ),
    "items": _columns("evaluation", "name", "model", "suite", "task", ITEMS),
    "promotions": _columns(
        *("statement", "made", "author"),
        pl.Schema({"trusted": pl.Boolean}),
        *("name", "model", "verdict", "champion", "champion_name"),
        pl.Schema({"first": pl.Boolean, "current": pl.Boolean, "criteria_changed": pl.Boolean}),
        pl.Schema({"reasons": pl.List(pl.String)}),
        *("policy", "report"),
    ),
}
"""The columns of each view."""

ABOUT: dict[str, str] = {
    "examples": "every admitted example of every snapshot, with its split",
    "findings": "every finding, as it was when the snapshot was sealed",
    "excluded": "examples that were not admitted, and the rules behind it",
    "malformed": "rows that could not be read",
    "verdicts": "what people said of the examples of a spot check",
    "snapshots": "the last admission of each snapshot and name; current: what the name stands for now",
    "statements": "every signed statement; about is JSON",
    "evaluations": "how models did: a row for each task and metric",
    "items": "the same, item by item; scores is a list: unnest(scores)",
    "promotions": "what was decided of models; current: it made the model that is champion now",
}
"""What is in each view."""
