"""What a model is, as files: its digest binds every one of them, whatever folder they lie in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from gate.store.files import hash_file


def model_digest(files: Mapping[str, str]) -> str:
    """SHA-256 (hex) of a model: of the canonical JSON of {relative path: SHA-256 of the file}.

    The same files have the same digest anywhere; one byte, one name more or less, and it is another.
    """
    content = json.dumps(dict(files), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def hashed_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder by its relative path, `/` between parts, sorted. Files whose name begins
    with a dot, and what lies in such folders, are not part of a model."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    inside = [path.relative_to(folder) for path in paths]
    return {
        each.as_posix(): hash_file(folder / each)[0]
        for each in inside
        if not any(part.startswith(".") for part in each.parts)
    }
