"""Puts one policy on top of another, key by key, so that each effective value still knows its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from gate.data.columns import ColumnMap
from gate.errors import PolicyError
from gate.policy.form import EveryForm, PolicyForm, RuleForm
from gate.policy.invalid import nearest
from gate.policy.model import Place, Remedy, Rule, Severity
from gate.policy.yaml_file import YamlFile


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule so far: some of its values may still be missing."""

    values: Mapping[str, object]
    """By the key of the file's form; only what was written."""
    places: Mapping[str, Place]
    """As in `Rule.places`."""

    @property
    def enabled(self) -> bool:
        return self.values.get("enabled") is not False

    def rule(self, rule_id: str) -> Rule:
        """The rule; the form has validated every value, and the caller that none is missing."""
        return Rule(
            id=rule_id,
            check=cast(str, self.values["check"]),
            severity=cast(Severity, self.values["severity"]),
            tolerate=cast("int | float", self.values.get("tolerate", 0)),
            remedy=cast(Remedy, self.values["remedy"]),
            why=cast(str, self.values["why"]),
            params=dict(cast("Mapping[str, object]", self.values.get("with", {}))),
            min_examples=cast("int | None", self.values.get("min_examples")),
            places=dict(self.places),
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """A policy file with all that lies below it."""

    name: str
    description: str
    rules: Mapping[str, Draft]
    columns: ColumnMap | None
    files: tuple[str, ...]
    """The most specific first."""
    min_examples: tuple[int, Place] | None = None
    """Of the policy as a whole, and where it was written."""

    @staticmethod
    def empty() -> Layer:
        return Layer("", "", {}, None, ())

    def under(self, upper: Layer) -> Layer:
        """Another parent on top of this one."""
        rules = dict(self.rules)
        for rule_id, draft in upper.rules.items():
            rules[rule_id] = _over(rules[rule_id], draft) if rule_id in rules else draft
        return Layer(
            name=upper.name,
            description=upper.description,
            rules=rules,
            columns=upper.columns or self.columns,
            files=tuple(dict.fromkeys((*upper.files, *self.files))),
            min_examples=upper.min_examples or self.min_examples,
        )


def overlaid(below: Layer, form: PolicyForm, content: YamlFile, stem: str) -> Layer:
    """A file on top of its parents.

    Raises:
        PolicyError: a rule stands in the file twice, or takes away what no parent has.
    """
    own: dict[str, Draft] = {}
    for index, rule in enumerate(form.rules or []):
        draft = _draft(rule, f"rules.{index}", content.places)
        if rule.id in own:
            raise PolicyError(
                f"rule {rule.id!r} stands there twice",
                where=str(draft.places[""]),
                remedy=f"it already stands in line {own[rule.id].places[''].line}; keep one of the two",
            )
        own[rule.id] = draft
    name = form.name or stem
    least = None if form.min_examples is None else (form.min_examples, content.places["min_examples"])
    upper = Layer(name, form.description or below.description, own, form.columns, (content.file,), least)
    return below.under(upper)


def with_every(below: Layer, every: EveryForm, content: YamlFile) -> Layer:
    """The inherited rules with what `every:` changes in all of them.

    Raises:
        PolicyError: there are no inherited rules.
    """
    if not below.rules:
        place = content.places["every"]
        raise PolicyError("every: there are no inherited rules to change", where=str(place), remedy="add `extends:`")
    return replace(below, rules={rule_id: _changed(draft, every, content) for rule_id, draft in below.rules.items()})


def _changed(draft: Draft, every: EveryForm, content: YamlFile) -> Draft:
    changes: dict[str, object] = {}
    places: dict[str, Place] = {}
    if every.tolerate is not None:
        changes["tolerate"], places["tolerate"] = every.tolerate, content.places["every.tolerate"]
    before = cast("Severity | None", draft.values.get("severity"))
    if before is not None and every.severity is not None and before in every.severity:
        changes["severity"] = every.severity[before]
        places["severity"] = content.places[f"every.severity.{before}"]
    return Draft({**draft.values, **changes}, {**draft.places, **places})


def _draft(rule: RuleForm, at: str, places: Mapping[str, Place]) -> Draft:
    values = rule.model_dump(by_alias=True, exclude_unset=True, exclude={"id"})
    own = {key.removeprefix(f"{at}."): place for key, place in places.items() if key.startswith(f"{at}.")}
    return Draft(values, {"": places[at], **own})


def _over(parent: Draft, child: Draft) -> Draft:
    merge = _Merge(child.places)
    upper = dict(child.values)
    if "with" in upper and "with" in parent.values:
        lower_with = cast("Mapping[str, object]", parent.values["with"])
        upper["with"] = merge.mapping(lower_with, cast("Mapping[str, object]", upper["with"]), "with")
    # A value that was replaced takes the places inside it along.
    kept = {
        key: place
        for key, place in parent.places.items()
        if not any(key == gone or key.startswith(f"{gone}.") for gone in merge.replaced)
    }
    own = {key: place for key, place in child.places.items() if key not in merge.taken_away}
    # The rule itself stands where it was first written.
    return Draft({**parent.values, **upper}, {**kept, **own, "": parent.places[""]})


@dataclass(slots=True)
class _Merge:
    """Merges mappings key by key, and collects the dotted keys whose old values are gone."""

    places: Mapping[str, Place]
    replaced: set[str] = field(default_factory=set)
    taken_away: set[str] = field(default_factory=set)

    def mapping(self, lower: Mapping[str, object], upper: Mapping[str, object], at: str) -> dict[str, object]:
        merged = dict(lower)
        for key, value in upper.items():
            path, old = f"{at}.{key}", lower.get(key)
            if isinstance(old, Mapping) and isinstance(value, Mapping):
                merged[key] = self.mapping(old, value, path)
                continue
            self.replaced.add(path)
            if value is None and at != "with":
                self.take_away(merged, key, at)
            else:
                merged[key] = value
        return merged

    def take_away(self, merged: dict[str, object], key: str, at: str) -> None:
        """`null` inside a mapping takes an entry away; for a parameter itself it is a value like any other."""
        if key not in merged:
            place = self.places.get(f"{at}.{key}")
            raise PolicyError(
                f"{at}.{key}: null takes an entry away, and no parent has it",
                where=str(place) if place else None,
                remedy=nearest(key, merged, "the inherited entries are"),
            )
        del merged[key]
        self.taken_away.add(f"{at}.{key}")
