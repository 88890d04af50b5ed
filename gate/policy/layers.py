"""A rules file that stands on gate's own of the same name: the user's says only what differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.yaml_file import YamlFile, read_yaml


def layers(file: str, folders: Folders) -> list[YamlFile]:
    """Every file of a relative path that `folders` finds, gate's own first.

    Raises:
        PolicyError: one cannot be read, or leads out of the repository.
    """
    paths: list[Path] = []
    while (path := folders.find(file, after=paths[-1] if paths else None)) is not None and path not in paths:
        paths.append(path)
    if not paths:
        raise PolicyError("gate's own file is not there", where=file, remedy="install gate anew")
    found = []
    for path in reversed(paths):
        name = folders.origin(path)
        if not folders.holds(path):
            raise PolicyError("the file leads out of the repository", where=name, remedy="put the file into it")
        found.append(read_yaml(path, name))
    return found


def laid_over(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """What two layers say together: mappings key by key, anything else as the upper one says it."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = laid_over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
