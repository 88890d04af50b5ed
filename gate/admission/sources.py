"""Which files a run looks at, and what is known of them before any is read: their digests, and the dataset's cards."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from gate.data.find import STDIN, Source, find_sources
from gate.data.frame import SkippedFile
from gate.errors import InputError

_BLOCK = 1 << 20
CARD = "README.md"
_CARD_BYTES = 1 << 20
"""A card is read up to here; what a check looks at stands at its beginning."""


@dataclass(frozen=True, slots=True)
class HashedSource:
    """A file to read, and the digest of its bytes."""

    source: Source
    sha256: str
    """Empty where there is nothing to read (`Source.missing`, `Source.outside`)."""
    bytes: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything behind some paths."""

    root: str
    files: tuple[HashedSource, ...]
    skipped: tuple[SkippedFile, ...]
    cards: dict[str, str] = field(default_factory=dict)
    """The text of every README.md in the root or beside a file, by its path relative to the root."""


def gather(
    paths: Sequence[str | os.PathLike[str]],
    spool: Path,
    *,
    stdin: BinaryIO,
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
    threads: int = 2,
    root: Path | None = None,
) -> Sources:
    """Find and digest the files behind some paths.

    Args:
        spool: a folder for what can be read only once (standard input, pipes).
        on_bytes: told of bytes digested and bytes in all.
        root: as in `gate.data.find.find_sources`.

    Raises:
        InputError: a path that is not there or may not be read.
    """
    found = find_sources(paths, root)
    sources = [_kept(source, spool, stdin) for source in found.sources]
    sizes = [_size(source) for source in sources]
    total, done = sum(sizes), 0
    hashed = []
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for source, size, sha256 in zip(sources, sizes, pool.map(_digest, sources), strict=True):
            hashed.append(HashedSource(source, sha256, size))
            on_bytes(done := done + size, total)
    top = Path(found.root)
    return Sources(found.root, tuple(hashed), tuple(found.skipped), _cards(top, sources) if top.is_dir() else {})


def _kept(source: Source, spool: Path, stdin: BinaryIO) -> Source:
    """The source as something that can be read more than once."""
    if source.missing or source.outside:
        return source
    try:
        if source.path is not None and stat.S_ISREG(source.path.stat().st_mode):
            return source
        copy = spool / f"piped-{hashlib.sha256(source.file.encode()).hexdigest()[:16]}"
        with copy.open("wb") as kept:
            if source.path is None:
                _copy(stdin, kept)
            else:
                with source.path.open("rb") as pipe:
                    _copy(pipe, kept)
    except OSError as error:
        raise _unreadable(source, error) from None
    return replace(source, path=copy, piped=True)


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    while block := source.read(_BLOCK):
        target.write(block)


def _size(source: Source) -> int:
    if source.missing or source.outside or source.path is None:
        return 0
    try:
        return source.path.stat().st_size
    except OSError as error:
        raise _unreadable(source, error) from None


def _digest(source: Source) -> str:
    if source.missing or source.outside or source.path is None:
        return ""
    try:
        with source.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(source, error) from None


def _unreadable(source: Source, error: OSError) -> InputError:
    what = (error.strerror or str(error)).lower()
    return InputError(what, where=str(source.path or source.file), remedy="Check the file and its permissions.")


def _cards(root: Path, sources: Sequence[Source]) -> dict[str, str]:
    folders = {root, *(source.path.parent for source in sources if source.path and source.file != STDIN)}
    cards = {}
    for folder in sorted(folders):
        card = folder / CARD
        if folder.is_relative_to(root) and card.is_file() and card.resolve().is_relative_to(root.resolve()):
            try:
                with card.open("rb") as file:
                    text = file.read(_CARD_BYTES).decode("utf-8", "replace")
            except OSError as error:
                what = (error.strerror or str(error)).lower()
                raise InputError(what, where=str(card), remedy="Check the file and its permissions.") from None
            cards[card.relative_to(root).as_posix()] = text
    return cards
