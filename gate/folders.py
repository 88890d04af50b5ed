"""Where rules, recipes and report templates are found: the user's own folder first, then gate's.

In an installed package they lie under `gate/`; in a checkout beside it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
SHIPPED = _PACKAGE if (_PACKAGE / "rules").is_dir() else _PACKAGE.parent
"""The folder that holds the shipped `rules/`, `trainers/` and `reports/`."""


def repository_of(folder: Path) -> Path:
    """The root of the repository that holds a folder (`.git`); the folder itself where none does."""
    here = folder.resolve()
    return next((each for each in (here, *here.parents) if os.path.lexists(each / ".git")), here)


@dataclass(frozen=True, slots=True)
class Folders:
    """An ordered search path: the user's repository (where `gate.yaml` or `rules/` lies), then gate's own."""

    user: Path | None = None

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders searched, first wins."""
        return (SHIPPED,) if self.user in (None, SHIPPED) else (self.user, SHIPPED)

    def find(self, relative: str, *, after: Path | None = None) -> Path | None:
        """The first file of that relative path, e.g. `rules/admission/chat.yaml`.

        Args:
            after: a file already found: the search goes on behind it, so that a user's `chat.yaml`
                can extend the shipped one of the same name.
        """
        candidates = [root / relative for root in self.roots]
        if after is not None and after in candidates:
            candidates = candidates[candidates.index(after) + 1 :]
        return next((path for path in candidates if path.is_file()), None)

    def holds(self, path: Path) -> bool:
        """Whether a file, links followed, lies in the user's repository or among gate's own."""
        roots = [SHIPPED] if self.user is None else [SHIPPED, repository_of(self.user)]
        return any(path.resolve().is_relative_to(root.resolve()) for root in roots)

    def names(self, folder: str, suffix: str) -> list[str]:
        """The names (without suffix) that `find` would resolve in a folder, sorted."""
        found = {path.name.removesuffix(suffix) for root in self.roots for path in (root / folder).glob(f"*{suffix}")}
        return sorted(found)

    def origin(self, path: Path) -> str:
        """How to name a file to a person: relative to the root it was found under.

        Where the user has a folder of their own, gate's files say so: `gate:rules/admission/chat.yaml`.
        """
        for root in self.roots:
            if path.is_relative_to(root):
                mark = "gate:" if root != self.roots[0] else ""
                return mark + path.relative_to(root).as_posix()
        return path.as_posix()
