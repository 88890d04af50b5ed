"""From a recipe's name to what it says: files are read, `extends:` is followed, `--set` comes last, and every value
knows where it was written.

A recipe is `trainers/recipes/NAME.yaml`, the user's own first. Its keys are those of `gate.training.recipe.Recipe`, and
`extends`: one recipe or several, whose values hold where this one says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import orjson
from pydantic import ValidationError

from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.invalid import Location, nearest, place_of, policy_error
from gate.policy.load import is_file_name
from gate.policy.model import Place
from gate.policy.yaml_file import YamlFile, read_yaml
from gate.training.recipe import Recipe
from gate.training.recipe_flags import EXTENDS, NESTED, PARTS, Flag, parsed_flag
from gate.training.recipe_keys import known, needed, problems

__all__ = [
    "FOLDER",
    "FOREIGN",
    "Flag",
    "Resolved",
    "is_file_name",
    "load_recipe",
    "meaning_of",
    "recipe_document",
    "recipe_names",
]

FOLDER = "trainers/recipes"
FOREIGN: Mapping[str, str] = {
    "learning_rate": "lr",
    "num_train_epochs": "epochs",
    "num_epochs": "epochs",
    "r": "rank",
    "lora_r": "rank",
    "lora_rank": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "target_modules": "targets",
    "lora_target_modules": "targets",
    "per_device_train_batch_size": "device_batch",
    "micro_batch_size": "device_batch",
    "batch_size": "batch",
    "gradient_accumulation_steps": "batch",
    "max_seq_length": "max_length",
    "sequence_len": "max_length",
    "cutoff_len": "max_length",
    "warmup_ratio": "warmup",
    "warmup_steps": "warmup",
    "lr_scheduler": "schedule",
    "lr_scheduler_type": "schedule",
    "optim": "optimiser",
    "optimizer": "optimiser",
    "max_grad_norm": "clip",
    "bf16": "precision",
    "fp16": "precision",
    "gradient_checkpointing": "checkpoint_activations",
    "activation_checkpointing": "checkpoint_activations",
    "eval_steps": "evaluate_every",
    "save_steps": "evaluate_every",
    "logging_steps": "log_every",
    "save_total_limit": "keep",
    "report_to": "loggers",
    "num_virtual_tokens": "virtual_tokens",
    "quantization": "quantisation",
    "load_in_4bit": "quantisation",
    "load_in_8bit": "quantisation",
    "num_generations": "generations",
    "max_completion_length": "max_new_tokens",
    "early_stopping_patience": "patience",
    "sample_packing": "packing",
    "kl_coef": "kl",
}
"""Names that other trainers give to our keys, for the error that a person gets who writes one of them."""

_MOST_FILES = 100  # a guard against parents that double at every level, as for policies
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe as it will be run."""

    name: str
    recipe: Recipe
    places: Mapping[str, Place] = field(compare=False)
    """Where each value was written, by dotted key; a default has none."""
    files: tuple[str, ...] = field(compare=False)
    """The files it was read from, the most specific first."""
    needs: tuple[str, ...] = ()
    """Keys that still have to be written before it can be run; only where an incomplete recipe was asked for."""

    def place(self, key: str) -> str | None:
        """Where a value was written, as an error says it; None for a default."""
        place = place_of(key, self.places)
        return str(place) if place else None

    def document(self) -> dict[str, object]:
        """Everything that it demands, as JSON: the keys that its method and objective know, without where they were
        written and without `about`."""
        return recipe_document(self.recipe)

    def digest(self) -> str:
        """SHA-256 (hex) of what it demands: the same demands have the same digest."""
        return sha256(orjson.dumps(self.document(), option=orjson.OPT_SORT_KEYS)).hexdigest()


def recipe_document(recipe: Recipe) -> dict[str, object]:
    """What a recipe demands, as JSON: see `Resolved.document`."""
    unsaid = {"about"} if recipe.quantisation == "nf4" else {"about", "double_quantisation"}
    said = recipe.model_dump(mode="json", exclude=unsaid)
    return {key: value for key, value in said.items() if known(key, recipe.method, recipe.objective)}


def load_recipe(
    name_or_path: str, folders: Folders, overrides: Sequence[str] = (), *, complete: bool = True
) -> Resolved:
    """Read a recipe with everything that it extends, and what flags say otherwise.

    Args:
        name_or_path: a name (`trainers/recipes/NAME.yaml`, the user's first), or a path of a YAML file.
        folders: where names are looked up.
        overrides: `key=value`, the last one wins; values are YAML, keys may lead into `replay`, `ewc`, `monitor` and
            `mixture` (`replay.share=0.2`), and `null` takes a value away.
        complete: False to read a recipe that its user has yet to complete (`label`, `reward_model`), for showing it.

    Raises:
        PolicyError: there is no such recipe, or it does not say something gate can do.
    """
    reading = _Reading(folders)
    path = reading.locate(name_or_path, Path(), (), None)
    layer = reading.layer(path, ())
    for text in overrides:
        layer.overlay(*parsed_flag(text))
    recipe = _validated(layer.values, layer.places)
    for problem in problems(recipe, layer.written()):
        places = [layer.places[key] for key in (problem.key, *problem.others) if key in layer.places]
        # What was typed last is what has to be changed.
        place = next((each for each in places if isinstance(each, Flag)), places[0] if places else None)
        raise PolicyError(f"{problem.key}: {problem.what}", where=str(place or layer.files[0]), remedy=problem.remedy)
    missing = needed(recipe)
    if missing and complete:
        raise PolicyError(
            f"{missing[0]}: missing, and `objective: {recipe.objective}` cannot do without",
            where=layer.files[0],
            remedy=f"give it: --set {missing[0]}=…  ({meaning_of(missing[0])})",
        )
    return Resolved(path.stem, recipe, layer.places, tuple(layer.files), tuple(missing))


def recipe_names(folders: Folders) -> list[str]:
    """The recipes that there are, sorted."""
    return folders.names(FOLDER, ".yaml")


@dataclass(slots=True)
class _Layer:
    """Values so far, each with its place; what is overlaid wins."""

    values: dict[str, object]
    places: dict[str, Place]
    files: list[str]

    def written(self) -> set[str]:
        return {key for key in self.places if key and key.partition(".")[0] in self.values}

    def overlay(self, values: Mapping[str, object], places: Mapping[str, Place]) -> None:
        """Put values on top: mappings key by key, all else as a whole; null takes away what is there."""
        for key, value in values.items():
            old = self.values.get(key)
            if key in NESTED and isinstance(value, dict) and isinstance(old, dict):
                for inner, each in value.items():
                    self._put(old, inner, each, f"{key}.{inner}", places)
                self.places[key] = places[key]
            else:
                self._put(self.values, key, value, key, places)

    def _put(self, into: dict[str, object], key: str, value: object, dotted: str, places: Mapping[str, Place]) -> None:
        for gone in [each for each in self.places if each == dotted or each.startswith(f"{dotted}.")]:
            del self.places[gone]
        if value is None and key in into:
            del into[key]
            return
        into[key] = dict(value) if isinstance(value, dict) else value
        self.places.update({each: at for each, at in places.items() if each == dotted or each.startswith(f"{dotted}.")})


class _Reading:
    """One load: where names are looked up, and what has been read so far."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.read = 0

    def locate(self, name: str, beside: Path, stack: tuple[Path, ...], asked: Place | None) -> Path:
        """The file of a name or a relative path. A name goes on behind the files being read: in the user's
        `lora.yaml`, `lora` is the shipped one."""
        where = str(asked) if asked else None
        if is_file_name(name):
            path = (beside / name).resolve()
            if stack and self.folders.holds(stack[-1]) and not self.folders.holds(path):
                raise self.outside(name, where)
            if not path.is_file():
                raise PolicyError(f"there is no recipe file {name!r}", where=where, remedy=self.known(name))
            if path in stack:
                raise self.circle(path, stack, where)
            return path
        found = self.folders.find(f"{FOLDER}/{name}.yaml") if _NAME.fullmatch(name) else None
        if found is None:
            raise PolicyError(f"there is no recipe {name!r}", where=where, remedy=self.known(name))
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
            raise PolicyError(f"more than {_MOST_FILES} files are extended", where=name, remedy="extend fewer recipes")
        try:
            content = read_yaml(path, name)
        except PolicyError as error:
            remedy = (error.remedy or "`gate recipes show lora` prints a whole one").replace(
                "gate rules", "gate recipes"
            )
            raise PolicyError(error.what, where=error.where, remedy=remedy) from None
        _says_something(content.values, content.places)
        below = _Layer({}, {}, [])
        for parent, asked in _parents(content):
            over = self.layer(self.locate(parent, path.parent, (*stack, path), asked), (*stack, path))
            below.overlay(over.values, over.places)
            below.files = over.files + below.files
        below.overlay({key: value for key, value in content.values.items() if key != EXTENDS}, content.places)
        below.files.insert(0, name)
        below.places[""] = Place(name, 1)
        return below

    def known(self, name: str) -> str:
        return nearest(name, recipe_names(self.folders), "a file ends in .yaml, and the recipes are")

    def outside(self, name: str, where: str | None) -> PolicyError:
        return PolicyError(f"the recipe {name!r} leads out of the repository", where=where, remedy="put it into it")

    def circle(self, path: Path, stack: tuple[Path, ...], where: str | None) -> PolicyError:
        names = [self.folders.origin(each) for each in (*stack, path.resolve())]
        return PolicyError(f"the recipe extends itself: {' → '.join(names)}", where=where, remedy="break the circle")


def _parents(content: YamlFile) -> list[tuple[str, Place]]:
    version = content.values.get("version")
    if version != 1 or isinstance(version, bool):
        place = content.places.get("version") or Place(content.file, 1)
        raise PolicyError("version: this gate reads version 1", where=str(place), remedy="write `version: 1`")
    said = content.values.get(EXTENDS, [])
    parents = said if isinstance(said, list) else [said]
    for index, parent in enumerate(parents):
        if not isinstance(parent, str) or not parent.strip():
            raise PolicyError(
                "extends: not a recipe's name", where=str(content.places[EXTENDS]), remedy="write `extends: lora`"
            )
        parents[index] = parent
    return [(each, content.places.get(f"{EXTENDS}.{at}") or content.places[EXTENDS]) for at, each in enumerate(parents)]


def _validated(values: Mapping[str, object], places: Mapping[str, Place]) -> Recipe:
    _says_something(values, places)
    try:
        return Recipe.model_validate_json(orjson.dumps(values))
    except ValidationError as error:
        said = policy_error(error, places=places, prefix="", valid=_valid_at)
        foreign = FOREIGN.get(said.what.partition(":")[0])
        if foreign is not None:
            said = PolicyError(
                said.what, where=said.where, remedy=f"it is called {foreign!r} here: {meaning_of(foreign)}"
            )
        elif said.remedy is None:
            said = PolicyError(said.what, where=said.where, remedy=meaning_of(said.what.partition(":")[0]))
        raise said from None


def _says_something(values: Mapping[str, object], places: Mapping[str, Place]) -> None:
    """No key stands without a value, unless none is one of its values."""
    for key, value in values.items():
        known_ = Recipe.model_fields.get(key)
        if value is None and known_ is not None and known_.default is not None:
            raise PolicyError(
                f"{key}: has no value", where=str(places.get(key)), remedy="write one, or take the key away"
            )


def _valid_at(location: Location) -> Collection[str]:
    around = str(location[0]) if len(location) > 1 else ""
    return list(PARTS[around].model_fields) if around in PARTS else [*Recipe.model_fields, EXTENDS]


def meaning_of(key: str) -> str | None:
    """What a key means, in a line; of a key inside a value that has no keys of its own, what the value means."""
    top, _, inner = key.partition(".")
    form = PARTS.get(top, Recipe) if inner else Recipe
    found = form.model_fields.get(inner.partition(".")[0]) or Recipe.model_fields.get(top)
    return " ".join(found.description.split()) if found is not None and found.description else None
