"""The files that were judged, as an admission names them, and whether a folder still holds the same."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from gate.data.side_by_side import side_by_side
from gate.provenance.statements import Admission, SourceRecord
from gate.snapshots.chain import Link
from gate.store.objects import hash_file

_MANY = 20  # files that a tree lists one by one
_THREADS = 2


def listed(admission: Admission) -> Link:
    """The files by name and digest; whether they are still so is not looked at."""
    if odd := _odd(admission):
        return odd
    some = admission.sources[:_MANY]
    children = tuple(Link("source", one.path, said=f"{one.rows:,} rows, {one.sha256[:12]}…") for one in some)
    return Link("sources", "", said=f"{len(admission.sources):,} files as they were judged", children=children)


def compared(admission: Admission, data: Path) -> Link:
    """The files, each hashed again.

    Args:
        data: the folder that was judged, or the one file.
    """
    if odd := _odd(admission):
        return odd
    folder = data if data.is_dir() else data.parent

    def look(source: SourceRecord) -> Link:
        path = folder / source.path
        if not path.resolve().is_relative_to(folder.resolve()):
            return Link("source", source.path, "broken", "a link leads out of the dataset")
        try:
            digest, _ = hash_file(path.resolve())
        except OSError as error:
            said = "it is missing" if isinstance(error, FileNotFoundError) else f"it cannot be read ({error.strerror})"
            return Link("source", source.path, "broken", said, f"look for it below {folder}")
        if digest != source.sha256:
            remedy = "bring the version back that was admitted, or admit the data anew"
            return Link("source", source.path, "broken", "it is not the file that was admitted", remedy)
        return Link("source", source.path, said=f"{source.rows:,} rows, the same file")

    links = list(side_by_side(look, admission.sources, _THREADS))
    wrong = [link for link in links if link.state == "broken"]
    said = f"{len(links):,} files compared with {folder}"
    return Link("sources", "", said=said, children=tuple(wrong or links[:_MANY]))


def _odd(admission: Admission) -> Link | None:
    """A path that leads out of the dataset, which an honest admission never names."""
    for source in admission.sources:
        parts = PurePosixPath(source.path).parts
        windows = PureWindowsPath(source.path)
        if not parts or ".." in (*parts, *windows.parts) or source.path.startswith("/") or windows.drive:
            return Link("source", source.path[:200], "broken", "its path leads out of the dataset")
    paths = [source.path for source in admission.sources]
    if len(set(paths)) != len(paths):
        return Link("sources", "", "broken", "a file is named twice")
    return None
