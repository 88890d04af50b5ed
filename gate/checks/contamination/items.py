"""What evaluation sets ask: every item in its parts, read from the files that a policy names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import orjson
import polars as pl

from gate.checks.contamination.places import find, refused
from gate.data.frame import Dataset
from gate.data.read import read
from gate.data.views import Frames
from gate.errors import InputError
from gate.folders import Folders

PASSAGES = ("passage", "context", "article", "story", "document", "support", "background")
"""Columns that hold the text that a question is about."""

_CHOICES = ("choices", "options", "endings")


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an evaluation set."""

    evaluation: str
    """The set, as the policy names it."""
    file: str
    """The file that holds it."""
    row: int
    """Which element of the file it is, 1-based."""
    id: str
    """Its content id."""
    question: str
    answer: str
    passage: str
    """The text that the question is about. Parts that an item lacks are empty."""

    @property
    def parts(self) -> tuple[str, str, str]:
        """Question, answer and passage."""
        return self.question, self.answer, self.passage


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A registered evaluation set: its name in the policy and the files that it is made of."""

    name: str
    path: Path
    root: Path
    files: tuple[Path, ...]
    digests: tuple[str, ...]
    """SHA-256 of each file."""


def registered(names: tuple[str, ...], folders: Folders) -> tuple[Evaluation, ...]:
    """The evaluation sets of these names.

    Raises:
        PolicyError: one of them is absent, lies outside the repository, or is a task that cannot be read.
    """
    found = []
    for name in names:
        path, root = find(name, folders)
        files = _task_files(path, root, name) if _is_task(path) else (path,)
        try:
            digests = tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
        except OSError as error:
            raise refused(name, f"cannot be read ({error.strerror})", "mind its permissions") from None
        found.append(Evaluation(name, path, root, files, digests))
    return tuple(found)


@lru_cache(maxsize=4)
def items(evaluations: tuple[Evaluation, ...]) -> tuple[Item, ...]:
    """Every item of these evaluation sets.

    Raises:
        PolicyError: a set holds no item, or something that cannot be read as one.
    """
    found: list[Item] = []
    for each in evaluations:
        one = _task_items(each) if _is_task(each.path) else _file_items(each)
        empty = next((item for item in one if not any(_speaks(part) for part in item.parts)), None)
        if empty is not None:
            raise refused(each.name, f"item {empty.row} of {empty.file} holds no words", "take the item out")
        if not one:
            raise refused(each.name, "holds no item", "fetch the file, or take the set out of the policy")
        found += one
    return tuple(found)


def _speaks(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _is_task(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


def _task_files(path: Path, root: Path, name: str) -> tuple[Path, ...]:
    from gate.checks.contamination.tasks import task_files

    return task_files(path, root, name)


def _task_items(evaluation: Evaluation) -> list[Item]:
    from gate.checks.contamination.tasks import task_items

    return task_items(evaluation.path, evaluation.root, evaluation.name)


def _file_items(evaluation: Evaluation) -> list[Item]:
    try:
        dataset = read([evaluation.path], source=True)
    except InputError as error:
        raise refused(evaluation.name, error.what, "name a JSONL, JSON, CSV or Parquet file, or a task") from None
    if dataset.malformed.height:
        bad = dataset.malformed.row(0, named=True)
        where = "" if bad["row"] is None else f"row {bad['row']}: "
        remedy = "mend it; data in a form of its own is registered through an lm-eval task YAML"
        raise refused(evaluation.name, f"{where}{bad['message']}", remedy)
    return _of_examples(dataset, evaluation.name)


def _of_examples(dataset: Dataset, name: str) -> list[Item]:
    """Items of canonical examples; a Python loop, since where passages and choices lie differs from row to row
    (10 µs each)."""
    # A system prompt is not what is asked: it is the same for all items, and a training row seldom has it.
    asked = pl.col("messages").list.filter(pl.element().struct.field("role") != "system")
    frames = Frames(dataset.examples.with_columns(messages=asked), dataset.malformed)
    columns = dataset.examples.select("row", "id", "source", "text").with_columns(
        question=frames.prompt, answer=frames.response
    )
    found = []
    for row in columns.iter_rows(named=True):
        source = orjson.loads(row["source"]) if row["source"] else {}
        record = source if isinstance(source, dict) else {}
        question, answer, passage = row["question"] or row["text"] or "", row["answer"] or "", _passage(record)
        if passage and passage in question and question != passage:
            question = question.replace(passage, "\n", 1)
        found.append(Item(name, name, row["row"], row["id"], question, _chosen(record, answer), passage))
    return found


def _passage(record: Mapping[str, object]) -> str:
    return next((value for key in PASSAGES if isinstance(value := record.get(key), str)), "")


def _chosen(record: Mapping[str, object], answer: str) -> str:
    """The answer, or what it stands for where it is the number of a choice."""
    choices = next((value for key in _CHOICES if isinstance(value := record.get(key), list)), None)
    if choices and answer.strip().isdecimal() and int(answer) < len(choices):
        return text_of(choices[int(answer)])
    return answer


def text_of(value: object) -> str:
    """A value of a document as text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(text_of(each) for each in value)
    return str(value) if isinstance(value, (int, float)) else orjson.dumps(value, default=str).decode()
