"""From a promotion policy's name to what it demands: files are read, `extends:` is followed, demands and limits are
merged by their `id`, and every value keeps the place that it came from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from pydantic import BaseModel, ValidationError

from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.invalid import Location, nearest, place_of, policy_error
from gate.policy.load import is_file_name
from gate.policy.model import Place
from gate.policy.yaml_file import YamlFile, read_yaml
from gate.promotion.policy_form import (
    BetterForm,
    DemandForm,
    LimitForm,
    NoWorseForm,
    PromotionForm,
    RepeatForm,
    TestUsesForm,
)
from gate.provenance.envelope import canonical

FOLDER = "rules/promotion"
DEFAULT = "default"
_MOST_FILES = 100  # a guard against parents that double at every level, as for policies
_LISTS = ("demands", "limits")
_EITHER = ({"no_worse", "better"}, {"most", "least"})
_INNER: Mapping[str, type[BaseModel]] = {
    "demands": DemandForm,
    "limits": LimitForm,
    "no_worse": NoWorseForm,
    "better": BetterForm,
    "test_uses": TestUsesForm,
    "repeat": RepeatForm,
}


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """What is demanded of a candidate."""

    name: str
    form: PromotionForm
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)
    """Where each value was written, by dotted key: `alpha`, `demands.task.no_worse.margin` (by the demand's id)."""
    files: tuple[str, ...] = field(default=(), compare=False)
    """The files it was read from, the most specific first."""

    @property
    def demands(self) -> tuple[DemandForm, ...]:
        """Those that are enabled."""
        return tuple(each for each in self.form.demands if each.enabled)

    @property
    def limits(self) -> tuple[LimitForm, ...]:
        """Those that are enabled."""
        return tuple(each for each in self.form.limits if each.enabled)

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that it says something of, in its order."""
        named = [*(each.suite for each in self.demands), *(each.suite for each in self.limits)]
        return tuple(dict.fromkeys(named))

    def document(self) -> dict[str, object]:
        """Everything that it demands, as JSON, without where it was written and what it is called."""
        said = self.form.model_dump(mode="json", by_alias=True, exclude={"description", "extends"})
        for key in _LISTS:
            said[key] = sorted((each for each in said[key] if each["enabled"]), key=lambda each: str(each["id"]))
        return said

    def content(self) -> bytes:
        """The document as the object that statements name."""
        return canonical(self.document())

    def digest(self) -> str:
        """SHA-256 (hex) of `content`: the same demands have the same digest."""
        return hashlib.sha256(self.content()).hexdigest()

    def place(self, key: str) -> str | None:
        """Where a value was written, as an error says it."""
        place = place_of(key, self.places)
        return str(place) if place else None


def policy_names(folders: Folders) -> list[str]:
    """The promotion policies that there are, sorted."""
    return folders.names(FOLDER, ".yaml")


def load_promotion_policy(name_or_file: str, folders: Folders) -> PromotionPolicy:
    """Read a promotion policy with everything that it extends.

    Args:
        name_or_file: a name (`rules/promotion/NAME.yaml`, the user's first), or a path of a YAML file.

    Raises:
        PolicyError: there is no such policy, or it does not say something gate can do.
    """
    reading = _Reading(folders)
    path = reading.locate(name_or_file, Path(), (), None)
    layer = reading.layer(path, ())
    return PromotionPolicy(path.stem, _validated(layer), dict(layer.places), tuple(layer.files))


def policy_of(content: bytes, where: str) -> PromotionPolicy:
    """A policy that was sealed as an object (`PromotionPolicy.content`).

    Raises:
        PolicyError: it is none.
    """
    try:
        form = PromotionForm.model_validate_json(orjson.dumps(without_nulls(orjson.loads(content))))
    except (ValidationError, ValueError):
        raise PolicyError("it is no promotion policy of this gate", where=where) from None
    return PromotionPolicy("sealed", form)


def without_nulls(value: object) -> object:
    """JSON without the keys that have no value: forms take none, documents have them."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


@dataclass(slots=True)
class _Layer:
    """Values so far, each with its place; what is overlaid wins. Demands and limits are mappings by id here."""

    values: dict[str, object]
    places: dict[str, Place]
    files: list[str]

    def overlay(self, values: Mapping[str, object], places: Mapping[str, Place]) -> None:
        """Put values on top: demands and limits by id and key by key, mappings key by key, all else as a whole."""
        self.values = _over(self.values, values)
        replaced = [key for key in places if not isinstance(_at(values, key), Mapping)]
        for key in [each for each in self.places if any(each == old or each.startswith(f"{old}.") for old in replaced)]:
            del self.places[key]
        self.places.update(places)


def _over(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    merged = dict(below)
    for either in _EITHER:
        if named := either & above.keys():
            merged = {key: value for key, value in merged.items() if key not in either - named}
    for key, value in above.items():
        old = merged.get(key)
        if value is None and key in merged:
            del merged[key]
        else:
            merged[key] = _over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _at(values: Mapping[str, object], key: str) -> object:
    found: object = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


class _Reading:
    """One load: where names are looked up, and how many files have been read."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.read = 0

    def locate(self, name: str, beside: Path, stack: tuple[Path, ...], asked: Place | None) -> Path:
        """The file of a name or a relative path. A name goes on behind the files being read: in the user's
        `default.yaml`, `default` is the shipped one."""
        where = str(asked) if asked else None
        if is_file_name(name):
            path = (beside / name).resolve()
            if stack and self.folders.holds(stack[-1]) and not self.folders.holds(path):
                raise self.outside(name, where)
            if not path.is_file():
                raise PolicyError(f"there is no policy file {name!r}", where=where, remedy=self.known(name))
            if path in stack:
                raise self.circle(path, stack, where)
            return path
        found = self.folders.find(f"{FOLDER}/{name}.yaml") if re.fullmatch(r"[\w.-]+", name) else None
        if found is None:
            raise PolicyError(f"there is no promotion policy {name!r}", where=where, remedy=self.known(name))
        while found.resolve() in stack:
            behind = self.folders.find(f"{FOLDER}/{name}.yaml", after=found)
            if behind is None or behind == found:
                raise self.circle(found, stack, where)
            found = behind
        if not self.folders.holds(found):
            raise self.outside(name, where)
        return found.resolve()

    def layer(self, path: Path, stack: tuple[Path, ...]) -> _Layer:
        """A file on top of everything that it extends."""
        self.read += 1
        name = self.folders.origin(path)
        if self.read > _MOST_FILES:
            raise PolicyError(f"more than {_MOST_FILES} files are extended", where=name, remedy="extend fewer policies")
        content = read_yaml(path, name)
        values, places = _by_id(content)
        parents = values.pop("extends", [])
        below = _Layer({}, {}, [])
        for index, parent in enumerate(parents if isinstance(parents, list) else [parents]):
            asked = places.get(f"extends.{index}") or places["extends"]
            if not isinstance(parent, str) or not parent.strip():
                raise PolicyError(
                    "extends: not a policy's name", where=str(asked), remedy=f"write `extends: {DEFAULT}`"
                )
            over = self.layer(self.locate(parent, path.parent, (*stack, path), asked), (*stack, path))
            below.overlay(over.values, over.places)
            below.files = over.files + below.files
        below.overlay(values, places)
        below.files.insert(0, name)
        below.places[""] = Place(name, 1)
        return below

    def known(self, name: str) -> str:
        return nearest(name, policy_names(self.folders), "a file ends in .yaml, and the promotion policies are")

    def outside(self, name: str, where: str | None) -> PolicyError:
        return PolicyError(f"the policy {name!r} leads out of the repository", where=where, remedy="put it into it")

    def circle(self, path: Path, stack: tuple[Path, ...], where: str | None) -> PolicyError:
        names = [self.folders.origin(each) for each in (*stack, path.resolve())]
        return PolicyError(f"the policy extends itself: {' → '.join(names)}", where=where, remedy="break the circle")


def _by_id(content: YamlFile) -> tuple[dict[str, object], dict[str, Place]]:
    """A file's values with its demands and limits by their ids, and the places under the same keys."""
    values, places = dict(content.values), dict(content.places)
    for key in _LISTS:
        entries = values.get(key)
        if not isinstance(entries, list):
            continue  # the form says what is wrong with it
        by_id: dict[str, object] = {}
        for at, entry in enumerate(entries):
            where = places.get(f"{key}.{at}")
            said = entry.get("id") if isinstance(entry, Mapping) else None
            if not isinstance(said, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", said):
                raise PolicyError(
                    f"{key}: an entry without a name", where=str(where), remedy="give it an `id:` (letters, digits, -)"
                )
            if said in by_id:
                raise PolicyError(f"{key}: {said!r} stands there twice", where=str(where), remedy="give it another id")
            by_id[said] = entry
            for old in [each for each in places if each == f"{key}.{at}" or each.startswith(f"{key}.{at}.")]:
                places[f"{key}.{said}{old.removeprefix(f'{key}.{at}')}"] = places.pop(old)
        values[key] = by_id
    return values, places


def _validated(layer: _Layer) -> PromotionForm:
    listed = dict(layer.values)
    places = dict(layer.places)
    for key in _LISTS:
        entries = listed.get(key)
        if isinstance(entries, Mapping):
            listed[key] = list(entries.values())
            for at, said in enumerate(entries):  # pydantic names an entry by its number
                for old in [each for each in places if each == f"{key}.{said}" or each.startswith(f"{key}.{said}.")]:
                    places[f"{key}.{at}{old.removeprefix(f'{key}.{said}')}"] = places[old]
    try:
        return PromotionForm.model_validate_json(orjson.dumps(listed))
    except ValidationError as error:
        raise policy_error(error, places=places, prefix="", valid=_valid_at) from None


def _valid_at(location: Location) -> Collection[str]:
    named = [part for part in location[:-1] if isinstance(part, str)]
    form = _INNER.get(named[-1], PromotionForm) if named else PromotionForm
    return [each.alias or name for name, each in form.model_fields.items()]
