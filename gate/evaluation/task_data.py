"""A task's items: read from JSONL so that lm-eval sees exactly what stands there, and handed on under their digest.

`datasets`, which lm-eval reads JSON with, guesses: a column of ISO dates becomes timestamps, 1 beside 2.5 becomes 1.0.
So items are handed on as Parquet, which says its types, and a column of several types is an error before.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from gate.errors import PolicyError
from gate.evaluation.task import Task

LARGEST_FILE = 512 << 20
"""Bytes. A guard against the wrong file."""
SPLIT = "test"
SHOTS = "shots"
"""What the splits are called that lm-eval reads."""

Document = Mapping[str, Any]
"""An item: any JSON object."""


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a file, all with the same fields."""

    documents: tuple[Document, ...]
    lines: tuple[int, ...]
    """Of each item where it stands."""
    name: str
    """Of the file, as a person should see it."""

    def where(self, at: int) -> str:
        """File and line of an item."""
        return f"{self.name}:{self.lines[at]}"


def digest_of(documents: Sequence[Document]) -> str:
    """SHA-256 (hex) of items as JSONL."""
    return hashlib.sha256(jsonl(documents)).hexdigest()


def jsonl(documents: Sequence[Document]) -> bytes:
    """Items as JSONL: one a line, fields in their order."""
    return b"".join(orjson.dumps(each) + b"\n" for each in documents)


def read_items(path: Path, name: str) -> Items:
    """The items of a JSONL file, padded to the same fields.

    Raises:
        PolicyError: it cannot be read or holds no items; a line is no JSON object, or has a field twice; two items are
            the same or have one `id`; a field is text here and a number there.
    """
    documents: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, line in _lines(path, name):
        documents.append(_object(line, f"{name}:{number}"))
        lines.append(number)
    if not documents:
        raise PolicyError("the file has no items", where=name, remedy="write one JSON object a line")
    fields = list(dict.fromkeys(key for document in documents for key in document))
    items = Items(tuple({key: each.get(key) for key in fields} for each in documents), tuple(lines), name)
    _check_types(items, fields)
    _check_distinct(items)
    return items


def _lines(path: Path, name: str) -> Iterator[tuple[int, bytes]]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise PolicyError(f"more than {LARGEST_FILE >> 20} MB long", where=name, remedy="is this the right file?")
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise PolicyError(f"the items cannot be read ({reason})", where=name, remedy="name a JSONL file") from None
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            yield number, line


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        orjson.loads(line)  # stricter than Python's: no NaN, no half of a surrogate pair
        found = json.loads(line, object_pairs_hook=lambda pairs: _once(pairs, where))
    except (ValueError, RecursionError) as error:
        what = str(error).partition(":")[0].lower() if isinstance(error, orjson.JSONDecodeError) else "cannot be read"
        raise PolicyError(f"not JSON: {what}", where=where, remedy="write one JSON object a line") from None
    if not isinstance(found, dict):
        raise PolicyError("no JSON object", where=where, remedy='an item is {"question": …, "answer": …}')
    if not found:
        raise PolicyError("an item without fields", where=where, remedy="take the line away")
    return found


def _once(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise PolicyError(f"the field {key[:100]!r} stands there twice", where=where, remedy="keep one of the two")
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise PolicyError(f"{key[:100]}: a number of more than 64 bits", where=where, remedy="put it in quotes")
        if type(value) is float and not math.isfinite(value):
            raise PolicyError(f"{key[:100]}: a number that is too large", where=where, remedy="put it in quotes")
        found[key] = value
    return found


_KINDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a fraction",
    list: "a list",
    dict: "an object",
}


def _check_types(items: Items, fields: Sequence[str]) -> None:
    for field in fields:
        first: tuple[str, int] | None = None
        for at, document in enumerate(items.documents):
            if document[field] is None:
                continue
            kind = _KINDS[type(document[field])]
            if first is not None and kind != first[0]:
                raise PolicyError(
                    f"`{field}` is {kind} here and {first[0]} in line {items.lines[first[1]]}",
                    where=items.where(at),
                    remedy="write it the same way everywhere: lm-eval would change one of them",
                )
            first = first or (kind, at)
    table_of(items.documents, items.name)


def table_of(documents: Sequence[Document], name: str) -> Any:
    """Items as an Arrow table, from which they come back as they are (but for nulls inside objects).

    Raises:
        PolicyError: they would not.
    """
    import pyarrow as pa

    try:
        table = pa.Table.from_pylist([dict(each) for each in documents])
    except (pa.ArrowException, OverflowError) as error:
        what = " ".join(str(error).split())[:200]
        raise PolicyError(
            f"the items do not fit together ({what})", where=name, remedy="write each field the same way everywhere"
        ) from None
    for at, (before, after) in enumerate(zip(documents, table.to_pylist(), strict=True)):
        if not _same(before, after):
            raise PolicyError(
                f"item {at + 1} would not reach lm-eval as it stands there", where=name,
                remedy="write each field, also inside lists and objects, the same way everywhere",
            )  # fmt: skip
    return table


def _same(before: object, after: object) -> bool:
    """Whether a value came back; null fields of objects count as not there."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = before.keys() | after.keys()
        return all(_same(before.get(key), after.get(key)) for key in keys)
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same, before, after))
    return type(before) is type(after) and before == after


def _check_distinct(items: Items) -> None:
    seen_ids: dict[Any, int] = {}
    seen: dict[bytes, int] = {}
    for at, document in enumerate(items.documents):
        if (key := document.get("id")) is not None and not isinstance(key, list | dict):
            if key in seen_ids:
                what = f"the id {key!r} is that of line {items.lines[seen_ids[key]]} too"
                raise PolicyError(what, where=items.where(at), remedy="rename one")
            seen_ids[key] = at
        whole = orjson.dumps({name: value for name, value in document.items() if name != "id"})
        if whole in seen:
            what = f"the same item as line {items.lines[seen[whole]]}"
            raise PolicyError(what, where=items.where(at), remedy="take one away: it would count twice")
        seen[whole] = at


def placed(task: Task, folder: Path) -> Task:
    """A task whose items lie in a folder, in files that are named by their digest, for lm-eval to read.

    A hub's task is returned as it is. Files that are there already are written anew: nothing vouches for them.

    Raises:
        PolicyError: the items do not fit together.
        OSError: they cannot be written.
    """
    document = task.document
    if document.data is None:
        return task
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for split, digest, documents in (
        (SPLIT, document.data, task.documents),
        (SHOTS, document.shots_data, task.shot_documents),
    ):
        if digest is None:
            continue
        path = folder / f"{digest}.parquet"
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        pq.write_table(table_of(documents, document.task), unfinished)
        unfinished.replace(path)
        files[split] = os.fspath(path.resolve())
    return replace(task, config={**task.config, "dataset_path": "parquet", "dataset_kwargs": {"data_files": files}})
