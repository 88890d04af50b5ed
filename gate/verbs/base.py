"""What a dataset is compared with under `--base`: found, written out, and gate's own files with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gate.admission.gate_files import Change, changes, changes_between, is_gates, place_from
from gate.data.find import find_sources
from gate.data.revision import Revision, checkout, find_base
from gate.errors import UsageError
from gate.policy.settings import Settings, find_settings


@dataclass(frozen=True, slots=True)
class Base:
    """The base, as plain files."""

    asked: str
    """As `--base` said it."""
    settings: Settings
    """By which the head is judged as well."""
    paths: tuple[Path, ...]
    """Its data."""
    root: Path | None
    """The folder to which its files are relative, where it has to be said."""
    revision: Revision | None
    """None: the base is a path."""

    @property
    def commit(self) -> str | None:
        """The commit that it stands for."""
        return None if self.revision is None else self.revision.commit

    def complete(self) -> None:
        """Write out the whole revision: rules may name any file of it."""
        if self.revision is not None:
            self.revision.write(name for name, entry in self.revision.tree.items() if entry.plain)

    def changes(self, head: Settings, named: Iterable[Path]) -> list[Change]:
        """gate's own files that the data under review comes with otherwise than the base.

        Args:
            head: the settings that lie around the data.
            named: other files of the base that its rules name.
        """
        if self.revision is not None:
            return changes(self.revision, named)
        if self.settings.folder is None and head.folder is None:
            return []
        nowhere = self.paths[0] / "there are no settings"
        return changes_between(self.settings.folder or nowhere, head.folder or nowhere)

    def place(self, root: str) -> Callable[[str], str]:
        """How findings of a dataset at `root` name a file of gate's."""
        return (lambda path: path) if self.revision is None else place_from(self.revision.repository.top, root)

    def policy(self, asked: str | None) -> str | None:
        """A policy that was named on the command line: the base's, where it is a file of the repository."""
        if asked is None or self.revision is None or not asked.endswith((".yaml", ".yml")):
            return asked
        path = Path(asked).expanduser().absolute()
        if not path.is_relative_to(self.revision.repository.top):
            return asked
        return str(self.revision.root / path.relative_to(self.revision.repository.top))


def settled(paths: Sequence[str | os.PathLike[str]], settings: Settings) -> list[str | os.PathLike[str]]:
    """The paths to judge: those asked for, else those of `gate.yaml`.

    Raises:
        UsageError: neither names any.
    """
    found = list(paths) or [settings.root / path for path in settings.paths if settings.root]
    if not found:
        raise UsageError("no data was named", remedy="name a file or a folder, or set `paths:` in gate.yaml")
    return found


def open_base(asked: str, paths: Sequence[Path], start: Path, into: Path) -> tuple[Base, list[str | os.PathLike[str]]]:
    """Find the base.

    Args:
        paths: the data under review as it was asked for; the base's `gate.yaml` says it where there is none.
        start: where `gate.yaml` is looked for from.
        into: an empty folder for the files of a revision.

    Returns:
        the base, and the paths to judge.

    Raises:
        InputError: it is not there; that is never "nothing new".
        UsageError: no data was named.
    """
    own = find_settings(start)
    found = find_base(asked, [*paths, start])
    if found.kind == "path":
        place = Path(found.text).expanduser()
        settings = find_settings(place)
        return Base(asked, settings, (place,), None, None), settled(paths, settings)
    if not paths:
        # What is judged is for the base to say, too: its gate.yaml is read before its data.
        if own.path is None or own.root is None:
            raise UsageError("no data was named", remedy="name a file or a folder, or set `paths:` in gate.yaml")
        first = checkout(found.text, [own.path.absolute()], _empty(into / "settings"))
        said = find_settings(_there(first, own.root))
        paths = [own.root / path for path in said.paths]
        if not paths:
            raise UsageError("the base's gate.yaml names no data", remedy="name a file or a folder to judge")
    revision = checkout(found.text, [path.absolute() for path in paths], _empty(into / "data"))
    revision.write(name for name, entry in revision.tree.items() if entry.plain and is_gates(name))
    settings = find_settings(_there(revision, start))
    places = tuple(place for place in revision.places.values() if place is not None)
    return Base(asked, settings, places, _there(revision, Path(find_sources(paths).root)), revision), list(paths)


def _empty(folder: Path) -> Path:
    """A folder in which nothing above it is taken for gate's settings."""
    (folder / ".git").mkdir(parents=True)
    return folder


def _there(revision: Revision, path: Path) -> Path:
    """Where a path of the working tree lies in the base, or would."""
    relative = revision.relative(path)
    place = revision.root / relative if relative else revision.root
    return place if place.exists() else next(each for each in place.parents if each.exists())
