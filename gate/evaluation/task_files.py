"""A task of a suite's folder: its YAML checked key by key, its items rendered one by one, all under one digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from gate.errors import PolicyError, UsageError
from gate.evaluation.rendering import Field, Rendered, Templates
from gate.evaluation.scorers import NEED_ANSWER, check_metrics, scorers
from gate.evaluation.scorers_format import NAME as FORMAT
from gate.evaluation.scorers_format import checks_of
from gate.evaluation.task import Task
from gate.evaluation.task_code import Code, digest_of_code
from gate.evaluation.task_data import SHOTS, SPLIT, Items, digest_of, read_items
from gate.evaluation.task_document import Metric, SuiteName, TaskDocument
from gate.evaluation.task_form import (
    DEFAULT_METRICS,
    FUNCTIONS,
    OF_ALL,
    PER_ITEM,
    REFUSED,
    SCORED_BY,
    TaskForm,
)
from gate.evaluation.task_keys import task_error
from gate.policy.invalid import nearest, place_of
from gate.policy.model import Place
from gate.policy.yaml_file import Function


@dataclass(frozen=True, slots=True)
class TaskYaml:
    """What a YAML says, `include`s followed."""

    name: str
    """Of the file, as a person should see it."""
    path: Path
    values: Mapping[str, Any]
    places: Mapping[str, Place]

    def where(self, key: str) -> str:
        """Where a key was written, or the file."""
        return str(place_of(key, self.places) or self.name)


@dataclass(slots=True)
class TaskReader:
    """Makes tasks of the files of a suite's folder."""

    suite: SuiteName
    folder: Path
    code: Code

    def read(self, yaml: TaskYaml) -> Task:
        """A task, every item of it checked.

        Raises:
            PolicyError: with file and line.
        """
        values = {key: value for key, value in yaml.values.items() if value is not None}
        for key, remedy in REFUSED.items():
            if values.get(key) not in (None, False):
                raise PolicyError(f"{key}: not in a suite", where=yaml.where(key), remedy=remedy)
        called, files = self._functions(yaml, values)
        form = self._form(yaml, values)
        gate = form.metadata.gate
        if gate.hub:
            raise PolicyError(
                "metadata.gate.hub: a task of lm-eval's own stands in the group's list",
                where=yaml.where("metadata.gate.hub"), remedy="`task: [{task: NAME, metadata: {gate: {hub: true}}}]`",
            )  # fmt: skip
        split, shots = self._splits(yaml, form)
        items = self._items(yaml, form, split)
        pool = None if shots is None else self._items(yaml, form, shots)
        metrics, functions = self._metrics(yaml, form, bool(called.get("process_results")))
        primary = self._primary(yaml, form, metrics)
        rendered = self._rendered(yaml, form, items, called)
        if pool is not None:
            self._rendered(yaml, form, pool, called)
        self._checked(yaml, form, items, rendered, metrics)
        for key in ("cluster", "slice"):
            self._field(yaml, key, getattr(gate, key), items)
        config = self._config(values, form, shots)
        document = TaskDocument(
            task=form.task,
            suite=self.suite,
            about=gate.about or form.task_alias or form.task.replace("_", " "),
            source="suite",
            config=config | {key: f"!function {values[key]}" for key in called},
            data=digest_of(items.documents),
            shots_data=None if pool is None else digest_of(pool.documents),
            code=digest_of_code(files),
            metrics=metrics,
            primary=primary,
            chance=gate.chance if gate.chance is not None else _guessing(primary, rendered),
            shots=form.num_fewshot or 0,
        )
        return Task(
            document=document,
            config=config | called,
            documents=items.documents,
            shot_documents=() if pool is None else pool.documents,
            scorers=functions,
            cluster=gate.cluster,
            slice=gate.slice,
        )

    def _functions(self, yaml: TaskYaml, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Functions by key, and the files that they came from."""
        called: dict[str, Any] = {}
        files: dict[str, str] = {}
        for key, named in _walk(values):
            if not isinstance(named, Function):
                continue
            if key not in FUNCTIONS:
                raise PolicyError(
                    f"{key}: no function can stand here", where=yaml.where(key),
                    remedy=f"a function may be given for {', '.join(FUNCTIONS)}",
                )  # fmt: skip
            called[key], file, digest = self.code.function(named, yaml.where(key))
            files[file] = digest
        return called, files

    def _form(self, yaml: TaskYaml, values: Mapping[str, Any]) -> TaskForm:
        plain = {key: str(value) if isinstance(value, Function) else value for key, value in values.items()}
        path = plain.get("dataset_path")
        if path is not None and path != "json":
            raise PolicyError(
                f"dataset_path: {str(path)[:100]!r} would be downloaded", where=yaml.where("dataset_path"),
                remedy="`dataset_path: json` with a file beside the YAML; a task of lm-eval's own: hub: true",
            )  # fmt: skip
        try:
            return TaskForm.model_validate(plain)
        except ValidationError as error:
            raise task_error(error, yaml.places, yaml.name) from None

    def _splits(self, yaml: TaskYaml, form: TaskForm) -> tuple[str, str | None]:
        """The split that is scored, and that which examples are drawn from."""
        split = form.test_split or form.validation_split
        if split is None:
            raise PolicyError("test_split: missing", where=yaml.name, remedy="`test_split: test`, as in `data_files`")
        shots = form.fewshot_split
        for key, value in (("test_split", split), ("fewshot_split", shots)):
            if value is not None and value not in form.dataset_kwargs.data_files:
                raise PolicyError(
                    f"{key}: `data_files` has no {value!r}", where=yaml.where(key),
                    remedy=nearest(value, form.dataset_kwargs.data_files, "its splits are"),
                )  # fmt: skip
        if form.num_fewshot and shots is None:
            raise PolicyError(
                "num_fewshot: no split to draw examples from", where=yaml.where("num_fewshot"),
                remedy="name one with `fewshot_split`: lm-eval would take the items that are scored",
            )  # fmt: skip
        data = form.dataset_kwargs.data_files
        if shots is not None and (shots == split or data[shots] == data[split]):
            raise PolicyError(
                "fewshot_split: examples would be drawn from the items that are scored",
                where=yaml.where("fewshot_split"), remedy="put them into a file of their own",
            )  # fmt: skip
        return split, shots

    def _items(self, yaml: TaskYaml, form: TaskForm, split: str) -> Items:
        named = form.dataset_kwargs.data_files[split]
        where = yaml.where(f"dataset_kwargs.data_files.{split}")
        path = yaml.path.parent / named
        if not path.resolve().is_relative_to(self.folder.resolve()) or Path(named).is_absolute():
            raise PolicyError(f"{named[:200]!r} leads out of the suite's folder", where=where, remedy="put it there")
        if not path.is_file():
            raise PolicyError(f"there is no file {named[:200]!r}", where=where, remedy="it is relative to the YAML")
        parent = yaml.name.rpartition("/")[0]
        return read_items(path, f"{parent}/{named}" if parent else named)

    def _metrics(self, yaml: TaskYaml, form: TaskForm, own: bool) -> tuple[list[Metric], tuple[Any, ...]]:  # scorers
        gate = form.metadata.gate
        metrics: list[Metric] = []
        names = list(gate.scorers)
        listed = form.metric_list
        for at, name in enumerate([each.metric for each in listed] if listed else DEFAULT_METRICS[form.output_type]):
            higher = listed[at].higher_is_better if listed else None
            if own:
                metrics.append(
                    Metric(
                        name=name, binary=name in (gate.binary or ()), scorer="lm_eval",
                        higher_is_better=True if higher is None else higher,
                    )
                )  # fmt: skip
            elif name in PER_ITEM:
                metrics.append(PER_ITEM[name])
            elif name in SCORED_BY:
                names.append(SCORED_BY[name])
            elif name not in OF_ALL:
                raise PolicyError(
                    f"there is no metric {name[:100]!r}", where=yaml.where(f"metric_list.{at}.metric"),
                    remedy=nearest(name, [*PER_ITEM, *SCORED_BY, *OF_ALL], "lm-eval's metrics are"),
                )  # fmt: skip
        try:
            functions, scored = scorers(names)
            metrics += scored
            check_metrics(metrics)
        except UsageError as error:
            raise PolicyError(error.what, where=yaml.where("metadata.gate.scorers"), remedy=error.remedy) from None
        if not metrics:
            raise PolicyError(
                "none of its metrics is a number of each item", where=yaml.where("metric_list"),
                remedy="name a scorer: `metadata: {gate: {scorers: [exact_match]}}`",
            )  # fmt: skip
        return metrics, functions

    def _primary(self, yaml: TaskYaml, form: TaskForm, metrics: Sequence[Metric]) -> str:
        primary = form.metadata.gate.primary
        known = [metric.name for metric in metrics]
        if primary is not None and primary not in known:
            raise PolicyError(
                f"metadata.gate.primary: {primary[:100]!r} is none of its metrics",
                where=yaml.where("metadata.gate.primary"), remedy=nearest(primary, known, "they are"),
            )  # fmt: skip
        gate = form.metadata.gate
        if form.filter_list is not None and len(form.filter_list) > 1 and gate.filter is None:
            raise PolicyError(
                "several filters, and it is not said which one counts", where=yaml.where("filter_list"),
                remedy="`metadata: {gate: {filter: NAME}}`",
            )  # fmt: skip
        names = [each.name for each in form.filter_list or ()]
        if gate.filter is not None and gate.filter not in names:
            raise PolicyError(
                f"metadata.gate.filter: there is no filter {gate.filter[:100]!r}",
                where=yaml.where("metadata.gate.filter"), remedy=nearest(gate.filter, names, "its filters are"),
            )  # fmt: skip
        return primary or known[0]

    def _rendered(self, yaml: TaskYaml, form: TaskForm, items: Items, called: Mapping[str, Any]) -> list[Rendered]:
        rolling = form.output_type == "loglikelihood_rolling"
        templates = Templates(
            fields=frozenset(items.documents[0]),
            text=_given(form.doc_to_text, called.get("doc_to_text"), "" if rolling else None),
            target=_given(form.doc_to_target, called.get("doc_to_target")),
            choices=_given(form.doc_to_choice, called.get("doc_to_choice")),
            description=form.description,
            prefix=form.gen_prefix,
        )
        for key in ("doc_to_text", "doc_to_target"):
            if getattr(templates, key.removeprefix("doc_to_")) is None:
                raise PolicyError(f"{key}: missing", where=yaml.name, remedy=f"write `{key}:`")
        if form.output_type == "multiple_choice" and templates.choices is None:
            raise PolicyError("doc_to_choice: missing", where=yaml.name, remedy="a task of choices has some")
        return [templates.rendered(each, items.where(at)) for at, each in enumerate(items.documents)]

    def _checked(
        self, yaml: TaskYaml, form: TaskForm, items: Items, rendered: Sequence[Rendered], metrics: Sequence[Metric]
    ) -> None:
        """That every item can be scored."""
        _check_alike(items, rendered)
        likelihood = form.output_type != "generate_until"
        names = {metric.scorer for metric in metrics}
        needs = sorted(names & NEED_ANSWER)
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
            if FORMAT in names:
                try:
                    checks_of(items.documents[at])
                except ValueError as error:
                    raise PolicyError(str(error), where=where, remedy="docs/suites.md lists the checks") from None

    def _field(self, yaml: TaskYaml, key: str, field: str | None, items: Items) -> None:
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

    def _config(self, values: Mapping[str, Any], form: TaskForm, shots: str | None) -> dict[str, Any]:
        """What lm-eval runs, without paths: the data are named when they are placed."""
        left_out = {"dataset_name", "dataset_kwargs", "training_split", "validation_split", "tag", "task_alias"}
        config = {key: value for key, value in values.items() if key not in left_out and key not in FUNCTIONS}
        config |= {key: values[key] for key in FUNCTIONS if key in values and not isinstance(values[key], Function)}
        if form.output_type == "loglikelihood_rolling":
            config.setdefault("doc_to_text", "")
        config |= {"test_split": SPLIT} | ({"fewshot_split": SHOTS} if shots is not None else {})
        return config


def _given(written: Field, called: Any, otherwise: Field = None) -> Field:
    return called if called is not None else written if written is not None else otherwise


def _walk(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    left: list[tuple[str, object]] = [(f"{prefix}{key}", value) for key, value in values.items()]
    while left:
        key, value = left.pop()
        found.append((key, value))
        if isinstance(value, Mapping):
            left += [(f"{key}.{inner}", each) for inner, each in value.items()]
        elif isinstance(value, list):
            left += [(f"{key}.{at}", each) for at, each in enumerate(value)]
    return found


def _check_alike(items: Items, rendered: Sequence[Rendered]) -> None:
    """lm-eval reads what a template gives, a bare number as that of a choice and `[…]` as a list of answers, and decides
    by the first item whether that is what is meant."""
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


def _guessing(primary: str, rendered: Sequence[Rendered]) -> float | None:
    """What guessing scores where there are choices: one in k."""
    if primary not in ("acc", "acc_norm", "acc_bytes") or any(not each.choices for each in rendered):
        return None
    return sum(1 / len(cast("tuple[str, ...]", each.choices)) for each in rendered) / len(rendered)
