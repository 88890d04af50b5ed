"""A task of a suite's folder: its YAML checked key by key, its items rendered one by one, all under one digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gate.errors import PolicyError
from gate.evaluation.rendering import Field, Rendered, Templates
from gate.evaluation.task import Task
from gate.evaluation.task_checks import check_field, check_items, guessing
from gate.evaluation.task_code import Code, digest_of_code
from gate.evaluation.task_data import SHOTS, SPLIT, Items, digest_of, read_items
from gate.evaluation.task_document import SuiteName, TaskDocument
from gate.evaluation.task_form import FUNCTIONS, REFUSED, TaskForm
from gate.evaluation.task_keys import task_error
from gate.evaluation.task_metrics import metrics_of, primary_of
from gate.evaluation.task_yaml import TaskYaml
from gate.policy.invalid import nearest
from gate.policy.yaml_file import Function


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
        metrics, functions = metrics_of(yaml, form, bool(called.get("process_results")))
        primary = primary_of(yaml, form, metrics)
        rendered = self._rendered(yaml, form, items, called)
        if pool is not None:
            self._rendered(yaml, form, pool, called)
        check_items(form, items, rendered, metrics, functions)
        for key in ("cluster", "slice"):
            check_field(yaml, key, getattr(gate, key), items)
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
            chance=gate.chance if gate.chance is not None else guessing(primary, rendered),
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
