"""The keys under which results are kept: digests of everything that they follow from.

gate's own code is part of every key, file by file, so that no change to a check or a reader can be forgotten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import orjson
import polars as pl

from gate.admission.sources import HashedSource
from gate.checks.base import Check, Params
from gate.data.columns import ColumnMap
from gate.folders import Folders

_PACKAGE = Path(__file__).resolve().parents[1]


def digest(*parts: object) -> str:
    """SHA-256 (hex) over the JSON of some parts: the same parts, the same key."""
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


@cache
def code() -> str:
    """The digest of all of gate's own code (some 5 ms, once)."""
    total = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        total.update(str(path.relative_to(_PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


@cache
def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"


def read_key(hashed: HashedSource, root: str, columns: ColumnMap | None, *, source: bool) -> str:
    """Of a file as it was read: its bytes, its path in the dataset (which says its split), and how it is read."""
    own = hashed.source
    return digest(
        "read", code(), _version("polars"), hashed.sha256, own.file, own.named, own.missing, own.outside, own.piped,
        Path(root).name, asdict(columns) if columns else None, source,
    )  # fmt: skip


def check_key_of(check: Check, given: Params, folders: Folders) -> str:
    """Of what a check does: its code, version, parameters, libraries and the files that its parameters name."""
    libraries = sorted({"polars", "numpy", *check.libraries})
    inputs = [(folders.origin(path), content_digest(path)) for path in check.inputs(given, folders)]
    params = given.model_dump(mode="json")
    return digest("check", code(), check.name, check.version, params, {n: _version(n) for n in libraries}, inputs)


def part_key(read: str, check: str) -> str:
    """Of what a check gave for one file."""
    return digest("part", read, check)


def measured_key(check: str, files: Sequence[str], base: Sequence[str] | None, cards: dict[str, str]) -> str:
    """Of what a check saw in a whole dataset.

    Args:
        files, base: the read keys of its files, and of those it is compared with.
    """
    return digest("measured", check, list(files), None if base is None else list(base), cards)


def reviewed_key(measured: str, reviews: pl.DataFrame) -> str:
    """Of what a check saw in a whole dataset beside what people said of its rows.

    Args:
        reviews: schema gate.checks.base.REVIEWS.
    """
    return digest("reviewed", measured, reviews.sort(pl.all()).rows())


def memo_key(check: str) -> str:
    """Of what a check keeps for its next run, whatever the dataset."""
    return digest("memo", check)


def content_digest(path: Path) -> str:
    """The digest of a file that a check reads. What is not there is said so, and never equal to anything there."""
    if path.is_dir():
        return digest(*[(str(inner.relative_to(path)), content_digest(inner)) for inner in sorted(path.rglob("*"))])
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "absent"
