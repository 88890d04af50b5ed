"""Reads the documents of an lm-eval task from its own data files, as plain records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import polars as pl

from gate.checks.contamination.places import refused

Document = Mapping[str, object]

LARGEST = 1 << 30
"""Bytes. A guard against the wrong file: an evaluation set has a few megabytes, and is held in memory."""


def documents(path: Path, kind: str, name: str) -> list[Document]:
    """Every document of a file, in order.

    Args:
        kind: `json` (also JSON Lines), `csv` or `parquet`, as `dataset_path` says.
        name: how to name the file to a person.

    Raises:
        PolicyError: it cannot be read as such, or holds no document.
    """
    if path.stat().st_size > LARGEST:
        raise refused(name, f"more than {LARGEST:,} bytes long", "is this the right file?")
    try:
        if path.open("rb").read(64).startswith(b"version https://git-lfs.github.com/spec/"):
            raise refused(name, "a Git LFS pointer instead of the data", "run `git lfs pull`")
        if kind == "csv":
            found: Sequence[object] = pl.read_csv(path, infer_schema=False).to_dicts()
        elif kind == "parquet":
            found = pl.read_parquet(path).to_dicts()
        else:
            found = _json(path.read_bytes())
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        # The library's own words may quote the data.
        raise refused(name, f"cannot be read as {kind} ({type(error).__name__})", "mend or fetch the file") from None
    wrong = next((at for at, each in enumerate(found, start=1) if not isinstance(each, dict)), None)
    if wrong is not None:
        raise refused(name, f"element {wrong} is not an object", "mend the file")
    if not found:
        raise refused(name, "holds no document", "fetch the file, or take the set out of the policy")
    return [each for each in found if isinstance(each, dict)]


def _json(raw: bytes) -> Sequence[object]:
    """A list of objects, or one object per line."""
    stripped = raw.removeprefix(b"\xef\xbb\xbf").strip()
    if stripped.startswith(b"["):
        found = orjson.loads(stripped)
        return found if isinstance(found, list) else [found]
    return [orjson.loads(line) for line in stripped.splitlines() if line.strip()]
