"""Which files a person means by the paths they give, and which of a folder's files are no data.

A file that is named is always read. In folders, hidden files, documentation, configuration and formats that are not
data are passed over, and every one of them is listed with the reason.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import orjson

from gate.data.frame import SkippedFile
from gate.errors import InputError

STDIN = "-"
TEXT_FORMATS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".jsonlines": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv",
}  # fmt: skip
COLUMN_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow"}
FORMATS = TEXT_FORMATS | COLUMN_FORMATS
COMPRESSIONS = (".gz", ".zst", ".gzip", ".zstd")
_DOCUMENTS = (
    "readme",
    "license",
    "licence",
    "changelog",
    "notice",
    "citation",
    "contributing",
    "data_card",
    "datasheet",
)
_CONFIGURATION = {
    "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "gate.yaml", "gate.yml",
    "config.json", "generation_config.json", "package.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "adapter_config.json", "croissant.json", "gate-fix.jsonl",
}  # fmt: skip
_PERMIT = "Give permission to read it, or leave it out."
_GATE_FOLDERS = {"rules", "trainers", "reports"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read."""

    path: Path | None
    """None: standard input."""
    file: str
    """Relative to the dataset root, "/" between parts."""
    named: bool
    """Given by name, so that it is read whatever it is."""
    missing: bool = False
    """Listed by a `save_to_disk` folder's own index, but not there."""
    outside: bool = False
    """A link that leads out of the folder that was named, or an index that lists files elsewhere: never followed."""
    piped: bool = False
    """`path` is a copy of what came through standard input or a pipe."""


@dataclass(slots=True)
class Found:
    """The root, the files to read in a fixed order, and what was passed over."""

    root: str
    sources: list[Source] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)


def format_of(name: str) -> str | None:
    """The format that a file's name promises, compression aside; None when it promises none."""
    suffixes = PurePath(name.lower()).suffixes
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def find_sources(paths: Sequence[str | os.PathLike[str]], root: Path | None = None) -> Found:
    """The files behind files, folders, globs and `-`.

    Args:
        root: a folder above them all to which files are relative; the nearest such folder where it is left out.

    Raises:
        InputError: a path that is not there or may not be read, a glob that matches nothing, no path at all.
    """
    if not paths:
        raise InputError("no path was given", remedy="Name a file, a folder, a glob, or `-` for JSON Lines on stdin.")
    given = [os.fspath(path) for path in paths]
    places = [place for path in dict.fromkeys(given) if path != STDIN for place in _expand(path)]
    roots = [str(own) for own, _ in places]
    if root is None:
        try:
            root = Path(os.path.commonpath(roots)) if roots else None
        except ValueError:  # different drives
            root = Path(Path(roots[0]).anchor)
    found = Found(STDIN if root is None else str(root))
    if STDIN in given:
        found.sources.append(Source(None, STDIN, named=True))
    seen: dict[Path, str] = {}
    assert root is not None or not places
    for _, place in sorted(places, key=lambda pair: str(pair[1])):
        if root is not None:
            _collect(place, root, found, seen, named=True)
    found.sources.sort(key=lambda source: source.file)
    found.skipped.sort(key=lambda skipped: skipped.path)
    return found


def _expand(given: str) -> list[tuple[Path, Path]]:
    """(root, path) for each path that one argument means, absolute."""
    path = Path(os.path.normpath(Path(given).expanduser().absolute()))  # links in it keep their names
    try:
        return [(path if stat.S_ISDIR(path.stat().st_mode) else path.parent, path)]
    except (OSError, ValueError) as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError) or not glob.has_magic(given):
            raise InputError(_why(error), where=given, remedy="Check the path and its permissions.") from None
    fixed = []
    for part in path.parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 - absolute
    tops = [match for match in matches if not any(other in match.parents for other in matches)]
    if not matches:
        raise InputError("the pattern matches no file", where=given, remedy="Check the pattern and the folder.")
    return [(Path(*fixed), match) for match in tops]


def _why(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


def _collect(path: Path, root: Path, found: Found, seen: dict[Path, str], *, named: bool) -> None:
    """Add one file, or a folder with everything below it; a file or folder reached twice is read once."""
    file = _shown(path, root)
    try:
        real = path.resolve(strict=True)
        folder = path.is_dir()
    except PermissionError as error:
        raise InputError(_why(error), where=str(path), remedy=_PERMIT) from None
    except (OSError, RuntimeError):
        if named and path.exists():  # a pipe, such as /dev/stdin or a shell's <(…)
            found.sources.append(Source(path, file, named))
            return
        found.skipped.append(SkippedFile(file, "a link that leads nowhere"))
        return
    if real in seen:
        if seen[real] != file:
            found.skipped.append(SkippedFile(file, f"the same as {seen[real]}"))
        return
    seen[real] = file
    if not named and not real.is_relative_to(root.resolve()):
        found.sources.append(Source(path, file, named=False, outside=True))
        return
    if not folder:
        if not named and not path.is_file():
            found.skipped.append(SkippedFile(file, "not a regular file"))
            return
        found.sources.append(Source(path, file, named))
        return
    try:
        names = sorted(inner.name for inner in path.iterdir())
    except OSError as error:
        raise InputError(_why(error), where=str(path), remedy=_PERMIT) from None
    listed = _saved_files(path / "state.json") if "state.json" in names else None
    for name in names:
        inner = path / name
        reason = _reason_to_skip(inner, names, listed)
        if reason is not None:
            found.skipped.append(SkippedFile(_shown(inner, root), reason))
        else:
            _collect(inner, root, found, seen, named=False)
    for name in sorted(set(listed or ()) - set(names)):
        if name in ("", ".", "..") or "/" in name or os.sep in name:
            index = path / "state.json"
            found.sources.append(Source(index, _shown(index, root), named=False, outside=True))
            break
        found.sources.append(Source(path / name, _shown(path / name, root), named=False, missing=True))


def _shown(path: Path, root: Path) -> str:
    """A path relative to the root; bytes of a name that are no UTF-8 are shown as replacement characters."""
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")


def _holds_rules(folder: Path) -> bool:
    # `os.path` says no where permission lacks; reading the folder then says so.
    return any(os.path.isdir(folder / name) for name in ("admission", "expectations"))  # noqa: PTH112


def _saved_files(state: Path) -> set[str] | None:
    """The data files of a `datasets.save_to_disk` folder; None when the folder is none."""
    try:
        value = orjson.loads(state.read_bytes())
        return {str(entry["filename"]) for entry in value["_data_files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _reason_to_skip(path: Path, siblings: Sequence[str], listed: set[str] | None) -> str | None:
    name, lower = path.name, path.name.lower()
    if name.startswith("."):
        return "hidden"
    if path.is_dir():
        if name == "__pycache__":
            return "not data"
        if name in _GATE_FOLDERS and ("gate.yaml" in siblings or _holds_rules(path)):
            return "configuration, not data"
        return None
    if lower.startswith(_DOCUMENTS) and format_of(name) is None:
        return "documentation"
    if lower in _CONFIGURATION or lower.endswith("gate-export.json"):
        return "configuration, not data"
    if listed is not None and name not in listed and lower.endswith(".arrow"):
        return "not among the data files that state.json lists (a cache of the datasets library)"
    if format_of(name) is None:
        return f"not a data format ({path.suffix})" if path.suffix else "no extension; name the file to read it"
    return None
