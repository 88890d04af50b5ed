"""Which split a file or a row belongs to, by the words people use in names."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from gate.data.frame import Split

_WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
}


def split_word(word: str) -> Split | None:
    """The split that a word names, in any case; None for any other word."""
    return _WORDS.get(word.strip().lower())


def split_of_path(path: str, root: str = "") -> Split | None:
    """The split of a file, by whole parts of names: its own name first, then its folders from the nearest up.

    Two different splits in one name (`train-test.jsonl`) say nothing.

    Args:
        path: relative to the dataset root.
        root: the root folder's own name, which must be the word alone.
    """
    parts = PurePosixPath(path).parts
    for part in reversed(parts):
        named = {split for word in re.split(r"[^a-z0-9]+", part.lower()) if (split := split_word(word)) is not None}
        if named:
            return named.pop() if len(named) == 1 else None
    return split_word(root)
