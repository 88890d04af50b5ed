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
_MOST_BYTES = 200_000
"""Bytes of one file: some 15,000 entries, beyond which the pattern made of them takes seconds to compile."""

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
        if not folders.holds(path):
            raise PolicyError("the lexicon leads out of the repository", where=relative, remedy="put the file into it")
        found.append(path)
        wanted = _extended(path, relative)
    return tuple(found)


def _extended(path: Path, name: str) -> str | None:
    for line in _lines(path, name):
        if line.startswith("extends:"):
            return line.removeprefix("extends:").strip()
    return None


def _lines(path: Path, name: str) -> list[str]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PolicyError(
                f"the lexicon is larger than {_MOST_BYTES:,} bytes", where=name, remedy="leave out what never occurs"
            )
        return path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise PolicyError("the lexicon is not UTF-8 text", where=name, remedy="save it as UTF-8") from None
    except OSError as error:
        raise PolicyError(f"the lexicon cannot be read ({error.strerror})", where=name) from None


def read_lexicon(name: str, folders: Folders) -> Lexicon:
    """The entries of a lexicon by category (``""`` where none was named), in the order written.

    Raises:
        PolicyError: the lexicon does not exist, holds nothing, or an entry has fewer than two characters.
    """
    entries: dict[str, dict[str, None]] = {}
    for path in reversed(lexicon_files(name, folders)):
        category, coded = "", False
        for number, written in enumerate(_lines(path, folders.origin(path)), start=1):
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
