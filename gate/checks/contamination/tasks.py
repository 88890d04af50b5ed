"""Reads the items of an lm-eval task YAML with local data: what it asks, answers and is about, document by document."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from gate.checks.contamination.documents import Document, documents
from gate.checks.contamination.items import PASSAGES, Item, text_of
from gate.checks.contamination.places import refused, within
from gate.checks.contamination.templates import TemplateRefused, names, template
from gate.data.ids import identify
from gate.errors import PolicyError

FORMATS = ("json", "csv", "parquet")
"""The `dataset_path`s whose data lies in files beside the task."""

LARGEST = 256 << 10
"""Bytes of a task file, and `DEEPEST` includes in a row: guards against the wrong file."""
DEEPEST = 10

_CHOICES = ("choices", "options", "endings")
"""Columns that hold what to choose from, where the task does not say itself."""

_CODE = ("process_docs", "custom_dataset", "class")
"""Keys under which a task names Python code that changes its documents."""

_DISTINCT = re.compile(r"\w")

# A task YAML holds values of any type, told apart where they are used.
Task = Mapping[str, object]


def task_files(path: Path, root: Path, name: str) -> tuple[Path, ...]:
    """The task file, what it includes, and its data files.

    Raises:
        PolicyError: see `task_items`.
    """
    task, files = _task(path, root, name)
    return (*files, *_data_files(task, files[0], root, name))


def task_items(path: Path, root: Path, name: str) -> list[Item]:
    """The items of a task.

    Args:
        root: the folder that nothing it names may lie outside of.
        name: the task file, as a person named it.

    Raises:
        PolicyError: it is no such task, needs code or data from elsewhere, or does not fit its documents.
    """
    task, files = _task(path, root, name)
    data = _data_files(task, files[0], root, name)
    reader = _Reader(task, name)
    return [
        reader.item(document, file.relative_to(root.resolve()).as_posix(), row)
        for file in data
        for row, document in enumerate(documents(file, str(task["dataset_path"]), _shown(file, root)), start=1)
    ]


def _task(path: Path, root: Path, name: str, depth: int = 0) -> tuple[Task, list[Path]]:
    """What a task file says, with what it includes, and the files it was read from."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if depth > DEEPEST:
        raise refused(name, f"more than {DEEPEST} files include one another", "does a file include itself?")
    if path.stat().st_size > LARGEST:
        raise refused(name, f"more than {LARGEST:,} bytes long", "is this a task file?")
    try:
        raw = path.read_bytes().decode("utf-8-sig")
        said = YAML(typ="safe", pure=True).load(raw)
    except (OSError, UnicodeDecodeError, YAMLError, ValueError, RecursionError) as error:
        code = "names code (`!…`)" if "could not determine a constructor for the tag" in str(error) else "is not YAML"
        raise refused(name, f"{code}; code in a task file is never run", "write it without code") from None
    if not isinstance(said, dict) or not all(isinstance(key, str) for key in said):
        raise refused(name, "is not an lm-eval task", "name a task file, or the data file itself")
    task, files = dict(said), [path]
    included = task.pop("include", None)
    for each in [] if included is None else included if isinstance(included, list) else [included]:
        if not isinstance(each, str):
            raise refused(name, "`include` is not a path", "name a file")
        other = within(path.parent / each, root, f"{name}: include {each}")
        parent, parents = _task(other, root, name, depth + 1)
        task, files = {**parent, **task}, [*files, *parents]
    return task, files


def _data_files(task: Task, path: Path, root: Path, name: str) -> list[Path]:
    """The files that hold the documents that the task evaluates on."""
    if task.get("dataset_path") not in FORMATS:
        remedy = "register a task with local data (`dataset_path: json`, `dataset_kwargs.data_files`)"
        raise refused(name, "its data does not lie in files beside it", remedy)
    code = next((key for key in _CODE if task.get(key) is not None), None)
    if code is not None:
        raise refused(name, f"`{code}` names code, which is never run", "register its data as it is after that")
    options = task.get("dataset_kwargs")
    named = options.get("data_files") if isinstance(options, dict) else None
    if isinstance(options, dict) and set(options) - {"data_files"}:
        other = sorted(map(str, set(options) - {"data_files"}))[0]
        raise refused(name, f"`dataset_kwargs.{other}` is not understood", "keep `data_files` only")
    if isinstance(named, dict):
        split = next((task[key] for key in ("test_split", "validation_split") if task.get(key)), None)
        if split is not None and split not in named:
            raise refused(name, "its `test_split` is none of its `data_files`", "name one that is")
        chosen = list(named.values()) if split is None else [named[split]]
    else:
        chosen = [named]
    flat = [each for one in chosen for each in (one if isinstance(one, list) else [one])]
    if not flat or not all(isinstance(each, str) for each in flat):
        raise refused(name, "`dataset_kwargs.data_files` names no file", "name the files of its documents")
    return [_data_file(str(each), path, root, name) for each in flat]


def _data_file(named: str, path: Path, root: Path, name: str) -> Path:
    """As lm-eval sees it: from the folder it runs in (the repository), else beside the task; or an absolute path."""
    places = (root / named, path.parent / named)
    there = next((place for place in places if place.exists()), places[0])
    shown = named if not Path(named).is_absolute() else Path(named).name
    return within(there, root, f"{name}: {shown}")


def _shown(file: Path, root: Path) -> str:
    return file.relative_to(root.resolve()).as_posix()


class _Reader:
    """Makes items of documents, as a task says."""

    def __init__(self, task: Task, name: str) -> None:
        self._name = name
        said = {key: task.get(key) for key in ("doc_to_text", "doc_to_target", "doc_to_choice")}
        if said["doc_to_text"] is None:
            raise refused(name, "has no `doc_to_text`", "say which column or template is the question")
        choice = said["doc_to_choice"]
        try:
            self._question = self._part("doc_to_text", said["doc_to_text"], words=False)
            self._answer = self._part("doc_to_target", said["doc_to_target"], words=True)
            self._choice = None if isinstance(choice, list) else self._part("doc_to_choice", choice, words=True)
            spoken = names(choice) if isinstance(choice, str) and "{" in choice else set()
        except TemplateRefused as error:
            raise self._refused(str(error)) from None
        self._listed = [str(each) for each in choice] if isinstance(choice, list) else None
        own = {choice} if isinstance(choice, str) and "{" not in choice else spoken
        self._asides = {*_CHOICES, *PASSAGES, *own}

    def item(self, document: Document, file: str, row: int) -> Item:
        """One document as an item."""
        try:
            # What to choose from, and the passage, are no part of the question, but where there is nothing else.
            bare = {key: _blank(value) if key in self._asides else value for key, value in document.items()}
            question = self._text(self._question, bare)
            if not _DISTINCT.search(question):
                question = self._text(self._question, document)
                passage = ""
            else:
                passage = next((text_of(document[key]) for key in PASSAGES if key in document), "")
            answer = self._answered(document)
        except TemplateRefused as error:
            raise refused(self._name, f"document {row} of {file}: {error}", "mend the template") from None
        messages = [(role, text, None, None, None) for role, text in (("user", question), ("assistant", answer))]
        return Item(self._name, file, row, identify("chat", messages)[0], question, answer, passage)

    def _answered(self, document: Document) -> str:
        if self._answer is None:
            return ""
        target = self._answer(document)
        choices = self._listed
        if choices is None and self._choice is not None:
            offered = self._choice(document)
            choices = [text_of(each) for each in offered] if isinstance(offered, list) else None
        text = text_of(target)
        if choices and text.strip().isdecimal() and int(text) < len(choices):
            return choices[int(text)]
        return text

    def _text(self, part: Callable[[Document], object] | None, document: Document) -> str:
        return "" if part is None else text_of(part(document))

    def _part(self, key: str, said: object, *, words: bool) -> Callable[[Document], object] | None:
        """A function from a document to what `said` (a column, a template or a fixed number) says of it."""
        if said is None:
            return None
        if isinstance(said, int):
            return lambda document: said
        if not isinstance(said, str):
            raise self._refused(f"`{key}` is neither a column nor a template")
        if "{" in said:
            return template(said, words=words)

        def column(document: Document) -> object:
            if said not in document:
                raise TemplateRefused(f"`{key}` names a column that it does not have")
            return document[said]

        return column

    def _refused(self, what: str) -> PolicyError:
        return refused(self._name, what, "write it as a column's name, or as a template without code")


def _blank(value: object) -> object:
    """A value of the same form that says nothing."""
    if isinstance(value, str):
        return ""
    if isinstance(value, list):
        return [_blank(each) for each in value]
    if isinstance(value, dict):
        return {key: _blank(each) for key, each in value.items()}
    return value
