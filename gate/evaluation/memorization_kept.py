"""What is kept of items that were made of training rows: hashes, scores, content ids, and masked texts.

Such an item quotes what the candidate was trained on, and its output may repeat it. Two models are paired by hashes, so
that nothing needs the texts but a person who looks; who has the snapshot can read the row there, by its id.
"""

from __future__ import annotations

import polars as pl

from gate.data.masking import mask_text
from gate.evaluation.items import values

LONGEST = 500
"""Characters of a text that are kept: enough to see what it was."""
_TEXTS = ("prompt", "target", "output")
_LEAKED = "leaked"


def kept_items(items: pl.DataFrame) -> pl.DataFrame:
    """Items with their texts masked and cut; of one that gave away personal data the output is an outline.

    Args:
        items: schema gate.evaluation.items.ITEMS.
    """
    leaked = values(items, _LEAKED).fill_null(0.0) > 0
    masked = {name: [_masked(text) for text in items[name]] for name in _TEXTS}
    outputs = [_outline(text) if leak else text for text, leak in zip(masked["output"], leaked, strict=True)]
    return items.with_columns(
        *(pl.Series(name, masked[name], dtype=pl.String) for name in ("prompt", "target")),
        pl.Series("output", outputs, dtype=pl.String),
    )


def _masked(text: str | None) -> str:
    """Masked before it is cut: half of an address does not look like one."""
    whole = mask_text(text or "")
    return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"


def _outline(text: str) -> str:
    return "".join("*" if sign.isalnum() else sign for sign in text)
