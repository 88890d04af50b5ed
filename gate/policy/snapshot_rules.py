"""How a snapshot divides its examples: `rules/snapshot.yaml`, the shipped one with a repository's own on top of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from gate.data.frame import SPLITS, Split
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.form import Form
from gate.policy.invalid import Location, place_of, policy_error
from gate.policy.layers import layers
from gate.policy.model import Place
from gate.policy.yaml_file import YamlFile

FILE = "rules/snapshot.yaml"

_COLUMN = r"^[\w -]+(\.[\w -]+)*$"  # as the rules name columns (gate.checks.meta_columns)
_EXACT = 1e-9  # sums of decimal fractions are not quite one in binary

Share = Annotated[float, Field(ge=0, le=1)]
Least = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Ratios:
    """What share of the examples each split has, in a dataset of some size."""

    examples: int
    shares: Mapping[Split, float]
    """Of every split; they add up to 1."""


@dataclass(frozen=True, slots=True)
class SplitRules:
    """How examples are divided."""

    seed: int
    ratios: tuple[Ratios, ...]
    """By size, the smallest first."""
    minimum: Mapping[Split, int]
    """The fewest examples of each split."""
    stratify: str | None
    """The column whose values are divided alike."""
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)
    """Where each value stands, by dotted key: `split.minimum.test`."""

    def wanted(self, examples: int) -> dict[Split, float]:
        """How many of some examples each split is to have, before minimums; not rounded, their sum is `examples`.

        Below the first size and above the last the share is that size's. Between two sizes the number held out goes
        straight from that at the one to that at the other: shares would have to fall faster than the dataset grows.
        """
        first, last = self.ratios[0], self.ratios[-1]
        if examples <= first.examples or len(self.ratios) == 1:
            held = {split: first.shares[split] * examples for split in SPLITS}
        elif examples >= last.examples:
            held = {split: last.shares[split] * examples for split in SPLITS}
        else:
            low, high = next(pair for pair in pairwise(self.ratios) if examples <= pair[1].examples)
            way = (examples - low.examples) / (high.examples - low.examples)
            held = {
                split: low.shares[split] * low.examples * (1 - way) + high.shares[split] * high.examples * way
                for split in SPLITS
            }
        return held | {"train": examples - held["validation"] - held["test"]}

    def place(self, key: str) -> str | None:
        """Where a value was written, as an error says it."""
        place = place_of(key, self.places)
        return str(place) if place else None


@dataclass(frozen=True, slots=True)
class SnapshotRules:
    """What `rules/snapshot.yaml` says."""

    split: SplitRules
    files: tuple[str, ...] = field(default=(), compare=False)
    """The files it was read from, the most specific first."""

    def document(self) -> dict[str, object]:
        """Everything that it demands, as JSON, without where it was written: a part of the policy document."""
        split = self.split
        return {
            "split": {
                "seed": split.seed,
                "ratios": [asdict(each) for each in split.ratios],
                "minimum": dict(split.minimum),
                "stratify": split.stratify,
            }
        }

    def digest(self) -> str:
        """SHA-256 (hex) of what it demands: the same demands have the same digest."""
        return sha256(orjson.dumps(self.document(), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _or_null(schema: JsonDict) -> None:
    schema.pop("anyOf", None)
    schema["type"], schema["pattern"] = ["string", "null"], _COLUMN


class RatiosForm(Form):
    """What share of the examples each split has in datasets of some size; the shares add up to 1."""

    examples: Annotated[int, Field(ge=1)]
    """The size of the dataset at which these ratios hold."""
    train: Share
    validation: Share
    test: Share

    @model_validator(mode="after")
    def _whole(self) -> RatiosForm:
        total = self.train + self.validation + self.test
        if abs(total - 1) > _EXACT:
            raise PydanticCustomError("whole", "the shares add up to {total}, not to 1", {"total": round(total, 6)})
        if self.train <= 0:
            raise PydanticCustomError("train", "nothing is left to train on")
        return self


class MinimumForm(Form):
    """The fewest examples of each split."""

    train: Least | None = None
    validation: Least | None = None
    test: Least | None = None


class SplitForm(BaseModel):
    """How examples are divided."""

    # Not a `Form`, which takes no key without a value: `stratify: null` takes a column away.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, title=None)
    seed: int | None = None
    """What is put to the content ids before they are put in order."""
    ratios: Annotated[list[RatiosForm], Field(min_length=1)] | None = None
    """The share of each split by the size of the dataset, the smallest first."""
    minimum: MinimumForm | None = None
    """The fewest examples of each split."""
    stratify: Annotated[str, Field(pattern=_COLUMN)] | None = Field(None, json_schema_extra=_or_null)
    """The column whose values are divided alike."""

    @field_validator("seed", "ratios", "minimum", mode="before")
    @classmethod
    def _says_something(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("nothing", "has no value: write one, or take the key away")
        return value

    @field_validator("ratios")
    @classmethod
    def _in_order(cls, ratios: list[RatiosForm]) -> list[RatiosForm]:
        for low, high in pairwise(ratios):
            if low.examples >= high.examples:
                raise PydanticCustomError("order", "the sizes go from the smallest to the largest, each once")
            for split in ("validation", "test"):
                if getattr(low, split) * low.examples > getattr(high, split) * high.examples:
                    raise PydanticCustomError(
                        "shrinks",
                        "{split} has fewer examples at {high} than at {low}: a dataset that grows would lose some",
                        {"split": split, "high": high.examples, "low": low.examples},
                    )
        return ratios


class SnapshotForm(Form):
    """`rules/snapshot.yaml`: only what differs from gate's own."""

    version: Literal[1]
    """The version of this form."""
    split: SplitForm | None = None
    """How examples are divided where the data does not say."""


_KEYS: Mapping[str, type[BaseModel]] = {
    "split": SplitForm,
    "split.ratios": RatiosForm,
    "split.minimum": MinimumForm,
}


def load_snapshot_rules(folders: Folders) -> SnapshotRules:
    """The rules of snapshots: gate's own, and what the user's file says otherwise.

    Raises:
        PolicyError: a file does not say something gate can do.
    """
    values: dict[str, object] = {}
    places: dict[str, Place] = {}
    files = layers(FILE, folders)
    for content in files:
        _overlay(values, places, _validated(content), content)
    split = _split(values, places)
    _possible(split)
    return SnapshotRules(split, tuple(each.file for each in reversed(files)))


def _validated(content: YamlFile) -> SnapshotForm:
    try:
        return SnapshotForm.model_validate_json(orjson.dumps(content.values))
    except ValidationError as error:
        places = {"": Place(content.file, 1), **content.places}
        raise policy_error(error, places=places, prefix="", valid=_valid_at) from None


def _valid_at(location: Location) -> Collection[str]:
    around = ".".join(part for part in location[:-1] if isinstance(part, str))
    return list(_KEYS.get(around, SnapshotForm).model_fields)


def _overlay(values: dict[str, object], places: dict[str, Place], form: SnapshotForm, content: YamlFile) -> None:
    """Put what a file says on top of what is there; the ratios as a whole, minimums one by one."""
    said = form.split.model_dump(exclude_unset=True) if form.split else {}
    for key, value in said.items():
        old = values.get(key)
        values[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        for dotted in [each for each in places if each.startswith(f"split.{key}.")]:
            if key == "ratios" or dotted in content.places:
                del places[dotted]
    places.update({key: place for key, place in content.places.items() if key.startswith("split")})


def _split(values: Mapping[str, object], places: Mapping[str, Place]) -> SplitRules:
    ratios, minimum = values["ratios"], values["minimum"]
    seed, stratify = values["seed"], values.get("stratify")
    assert isinstance(ratios, list)
    assert isinstance(minimum, dict)
    assert isinstance(seed, int)
    assert stratify is None or isinstance(stratify, str)
    return SplitRules(
        seed=seed,
        ratios=tuple(Ratios(each["examples"], {split: each[split] for split in SPLITS}) for each in ratios),
        minimum={split: minimum[split] for split in SPLITS},
        stratify=stratify,
        places=dict(places),
    )


def _possible(rules: SplitRules) -> None:
    """A split that nothing is given to cannot have a minimum."""
    for split in ("validation", "test"):
        if rules.minimum[split] and any(each.shares[split] == 0 for each in rules.ratios):
            raise PolicyError(
                f"split: the share of {split} is 0, and its minimum is {rules.minimum[split]:,}",
                where=rules.place(f"split.minimum.{split}"),
                remedy=f"set `minimum: {{{split}: 0}}` where no {split} split is wanted, or give it a share",
            )
