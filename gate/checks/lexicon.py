"""Lists of words and phrases that a team can read, argue about and change: `rules/lexicons/NAME.txt`.

One entry per line; `#` starts a comment, and `[category]` a section. A user's file of the same name takes the place of
gate's; with a line `extends: NAME` it adds to that list, and `- entry` takes one out of it. A section named
`[category rot13]` holds its entries in ROT13, so that nobody has to read slurs who only opens the file.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path

from gate.errors import PolicyError
from gate.folders import Folders

_CODED = " rot13"

Lexicon = Mapping[str, tuple[str, ...]]
"""Entries in lower case, by category."""


def lexicon_files(name: str, folders: Folders) -> tuple[Path, ...]:
    """The files that make up a lexicon: the user's, and what it extends.

    Raises:
        PolicyError: there is no lexicon of that name.
    """
    found: list[Path] = []
    wanted: str | None = name
    while wanted is not None:
        relative = f"rules/lexicons/{wanted}.txt"
        same = next((path for path in reversed(found) if path.name == f"{wanted}.txt"), None)
        path = folders.find(relative, after=same)
        if path is None or path in found:
            known = ", ".join(folders.names("rules/lexicons", ".txt"))
            raise PolicyError(
                f"there is no lexicon `{wanted}`", remedy=f"write {relative}, or name one of those there are: {known}"
            )
        found.append(path)
        wanted = _extended(path)
    return tuple(found)


def _extended(path: Path) -> str | None:
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("extends:"):
            return line.removeprefix("extends:").strip()
    return None


def read_lexicon(name: str, folders: Folders) -> Lexicon:
    """The entries of a lexicon by category (``""`` where none was named), in the order written.

    Raises:
        PolicyError: the lexicon does not exist, holds nothing, or an entry has fewer than two characters.
    """
    entries: dict[str, dict[str, None]] = {}
    for path in reversed(lexicon_files(name, folders)):
        category, coded = "", False
        for number, written in enumerate(path.read_text("utf-8").splitlines(), start=1):
            line = written.split("#", 1)[0].strip()
            if not line or line.startswith("extends:"):
                continue
            if line.startswith("[") and line.endswith("]"):
                category = line[1:-1].strip()
                coded = category.endswith(_CODED)
                category = category.removesuffix(_CODED).strip()
            elif line.startswith("- "):
                for kept in entries.values():
                    kept.pop(line[2:].strip().lower(), None)
            elif len(line) < 2:
                raise PolicyError(
                    "an entry needs two characters or more",
                    where=f"{folders.origin(path)}:{number}",
                    remedy="write the whole word, or take the line out",
                )
            else:
                entry = codecs.decode(line, "rot13") if coded else line
                entries.setdefault(category, {})[entry.lower()] = None
    made = {category: tuple(words) for category, words in entries.items() if words}
    if not made:
        raise PolicyError(f"the lexicon `{name}` holds no entry", remedy="write one per line, or switch its rule off")
    return made
