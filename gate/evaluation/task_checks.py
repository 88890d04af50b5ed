"""That every item of a task can be asked and scored, before a model is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from gate.errors import PolicyError
from gate.evaluation.rendering import Rendered
from gate.evaluation.scorers import NEED_ANSWER
from gate.evaluation.task import Sample, Scorer
from gate.evaluation.task_data import Items
from gate.evaluation.task_document import Metric
from gate.evaluation.task_form import TaskForm
from gate.evaluation.task_yaml import TaskYaml
from gate.policy.invalid import nearest


def check_items(
    form: TaskForm, items: Items, rendered: Sequence[Rendered], metrics: Sequence[Metric], scorers: Sequence[Scorer]
) -> None:
    """That every item can be scored.

    Raises:
        PolicyError: the first that cannot, with its line.
    """
    _check_alike(items, rendered)
    likelihood = form.output_type != "generate_until"
    needs = sorted({metric.scorer for metric in metrics} & NEED_ANSWER)
    for at, each in enumerate(rendered):
        where = items.where(at)
        if form.output_type == "multiple_choice":
            _check_choices(each, where)
        elif likelihood and not each.answer.strip():
            raise PolicyError("an empty text has no likelihood", where=where, remedy="leave the item out")
        elif needs and not each.answer.strip():
            raise PolicyError(
                f"an empty answer, which {needs[0]} can make nothing of", where=where,
                remedy="leave the item out, or take another scorer (exact_match, f1)",
            )  # fmt: skip
        _try(form, items.documents[at], each, scorers, where)


def _try(form: TaskForm, document: Mapping[str, Any], item: Rendered, scorers: Sequence[Scorer], where: str) -> None:
    """Score what a model that says nothing would get: a scorer that misses something in an item says so now."""
    if form.output_type == "generate_until":
        sample = Sample(document, item.answer, "", ("",), (), ())
    else:
        count = len(item.choices or ()) if form.output_type == "multiple_choice" else 1
        sample = Sample(document, item.answer, "", (), (-1.0,) * count, (False,) * count)
    for scorer in scorers:
        try:
            scorer(sample)
        except KeyError as error:
            raise PolicyError(f"it has no field {error}, which a scorer needs", where=where, remedy="add it") from None
        except (ValueError, TypeError, AttributeError) as error:
            what = " ".join(str(error).split())[:300]
            raise PolicyError(f"it cannot be scored: {what}", where=where, remedy="docs/suites.md tells") from None


def check_field(yaml: TaskYaml, key: str, field: str | None, items: Items) -> None:
    """That every item has the field that `cluster` or `slice` names.

    Raises:
        PolicyError: one has not.
    """
    if field is None:
        return
    if field not in items.documents[0]:
        raise PolicyError(
            f"metadata.gate.{key}: no item has a field {field[:100]!r}", where=yaml.where(f"metadata.gate.{key}"),
            remedy=nearest(field, items.documents[0], "their fields are"),
        )  # fmt: skip
    for at, document in enumerate(items.documents):
        if not isinstance(document[field], str | int):
            raise PolicyError(f"`{field}` is missing ({key})", where=items.where(at), remedy="every item has one")


def _check_alike(items: Items, rendered: Sequence[Rendered]) -> None:
    """lm-eval reads what a template gives, a bare number as that of a choice and `[…]` as a list of answers, and
    decides by the first item whether that is what is meant."""
    for what, key, kind in (
        ("the prompt is a bare number, which lm-eval takes for that of a choice", "text", int),
        ("the answer is written like a list, which lm-eval takes for several answers", "target", list),
    ):
        alike = [isinstance(getattr(each, key), kind) for each in rendered]
        if any(alike) and not all(alike):
            raise PolicyError(
                what, where=items.where(alike.index(True)),
                remedy=f"name the field and not a template: `doc_to_{key}: FIELD`",
            )  # fmt: skip


def _check_choices(item: Rendered, where: str) -> None:
    choices = item.choices or ()
    if len(choices) < 2:
        raise PolicyError("fewer than two choices", where=where, remedy="give it more, or ask for a text")
    if not all(choices):
        raise PolicyError("an empty choice has no likelihood", where=where, remedy="write it out")
    if len(set(choices)) < len(choices):
        raise PolicyError("two choices are the same", where=where, remedy="change one of them")
    right = item.text if isinstance(item.text, int) else item.target
    if isinstance(item.text, int) and not str(item.target):
        raise PolicyError("an empty text has no likelihood", where=where, remedy="write it out")
    each = right if isinstance(right, list) else [right]
    if isinstance(right, str):
        if right not in choices:
            raise PolicyError(f"the answer {right[:100]!r} is none of the choices", where=where, remedy="mend the item")
    elif not each or not all(type(one) is int and 0 <= one < len(choices) for one in each):
        remedy = "`doc_to_target` gives the number of the right one, from 0 on, or its text"
        raise PolicyError(
            f"the answer {str(right)[:100]} is none of {len(choices)} choices", where=where, remedy=remedy
        )


def guessing(primary: str, rendered: Sequence[Rendered]) -> float | None:
    """What guessing scores where there are choices: one in k, on the average; None where it is not known."""
    if primary not in ("acc", "acc_norm", "acc_bytes") or any(not each.choices for each in rendered):
        return None
    return sum(1 / len(cast("tuple[str, ...]", each.choices)) for each in rendered) / len(rendered)
