"""Criteria that were declared before training, held against those that are applied: what was changed afterwards is
shown as changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gate.promotion.decided import CriterionChange
from gate.promotion.policy import PromotionPolicy

_WORDS = ("why",)
"""Keys that demand nothing."""


def criteria_changes(declared: PromotionPolicy, applied: PromotionPolicy) -> tuple[CriterionChange, ...]:
    """What two policies demand differently, by dotted key: `demands.forgetting.no_worse.margin`."""
    before, after = dict(_demanded(declared)), dict(_demanded(applied))
    return tuple(
        CriterionChange(key, before.get(key, "not declared"), after.get(key, "taken away"))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


def _demanded(policy: PromotionPolicy) -> Iterator[tuple[str, str]]:
    document = policy.document()
    for key, value in document.items():
        if key in ("demands", "limits") and isinstance(value, list):
            for each in value:
                yield from _flat({name: one for name, one in each.items() if name != "id"}, f"{key}.{each['id']}")
        else:
            yield from _flat(value, key)


def _flat(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name not in _WORDS:
                yield from _flat(each, f"{key}.{name}")
    elif value is not None:
        yield key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
