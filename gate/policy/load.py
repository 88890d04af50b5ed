"""From a policy's name to its effective rules: files are read, `extends:` is followed, and every value keeps the
place that it came from."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import orjson
from pydantic import ValidationError

from gate.data.columns import ColumnMap
from gate.data.frame import Kind
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.form import EveryForm, Form, KindsForm, PolicyForm, RuleForm
from gate.policy.invalid import Location, nearest, policy_error
from gate.policy.merge import Draft, Layer, overlaid, with_every
from gate.policy.model import Place, Policy, Rule
from gate.policy.yaml_file import YamlFile, read_yaml

FOLDER = "rules/admission"
SAME_KIND = "@kind"
_MOST_FILES = 100  # a guard against parents that double at every level, not a demand on policies
_NEEDED = ("check", "severity", "remedy", "why")

F = TypeVar("F", bound=Form)


def load_policy(name_or_file: str, folders: Folders, *, kind: Kind | None = None, asked: Place | None = None) -> Policy:
    """Read a policy with everything that it extends.

    Args:
        name_or_file: a name (`rules/admission/NAME.yaml`, the user's first), or a path of a YAML file.
        folders: where names are looked up.
        kind: the kind of example it is for, which `extends: "@kind"` stands for; `None` is `base`.
        asked: where the policy was asked for, when that was in a file.

    Raises:
        PolicyError: there is no such policy, or it does not say something gate can do.
    """
    reading = _Reading(folders, kind)
    path = reading.locate(name_or_file, Path(), (), asked)
    layer = reading.layer(path, ())
    rules = _rules(layer)
    if not rules:
        raise PolicyError(
            "the policy has no rule that is enabled, and would pass anything",
            where=folders.origin(path),
            remedy="add a rule, or `extends: base`",
        )
    return Policy(
        name=layer.name,
        description=layer.description,
        rules=rules,
        digest=_digest(rules),
        files=layer.files,
        columns=layer.columns,
    )


def is_file_name(name: str) -> bool:
    """Whether a person means a file and not a policy's name."""
    return "/" in name or "\\" in name or name.endswith((".yaml", ".yml"))


def validated(form: type[F], content: YamlFile) -> F:
    """The content of a file as its form.

    Raises:
        PolicyError: a key or value that the form does not have.
    """
    try:
        # As JSON, because pydantic's strict mode takes a mapping for a dataclass only there.
        return form.model_validate_json(orjson.dumps(content.values))
    except ValidationError as error:
        places = {"": Place(content.file, 1), **content.places}

        def valid(location: Location) -> Collection[str]:
            return keys_at(form, location)

        raise policy_error(error, places=places, prefix="", valid=valid) from None


def keys_at(form: type[Form], location: Location) -> list[str]:
    """The keys that a file may have where pydantic found another one."""
    named = [part for part in location[:-1] if isinstance(part, str)]
    inner: dict[str, type[Form]] = {"rules": RuleForm, "every": EveryForm, "policy": KindsForm}
    if named and named[0] == "columns":
        return [field.name for field in fields(ColumnMap)]
    here = inner[named[0]] if named and named[0] in inner else form
    return [field.alias or name for name, field in here.model_fields.items()]


class _Reading:
    """One load: what has been read so far, and for which kind."""

    def __init__(self, folders: Folders, kind: Kind | None) -> None:
        self.folders = folders
        self.kind = kind
        self.files_read = 0

    def locate(self, name: str, beside: Path, stack: tuple[Path, ...], asked: Place | None) -> Path:
        """The file of a name or a relative path.

        A name goes on behind the files being read: in the user's `chat.yaml`, `chat` is the shipped one.
        """
        where = str(asked) if asked else None
        if is_file_name(name):
            path = (beside / name).resolve()
            # What a person names on the command line may lie anywhere; what a file of the repository names, may not.
            if stack and self.folders.holds(stack[-1]) and not self.folders.holds(path):
                raise self.outside(name, where)
            if not path.is_file():
                raise PolicyError(f"there is no policy file {name!r}", where=where, remedy=self.known(name))
            if path in stack:
                raise self.circle(path, stack, where)
            return path
        if not re.fullmatch(r"[\w.-]+", name):
            raise PolicyError(f"{name!r} is no name of a policy", where=where, remedy=self.known(name))
        relative = f"{FOLDER}/{name}.yaml"
        path_or_none = self.folders.find(relative)
        if path_or_none is None:
            raise PolicyError(f"there is no policy {name!r}", where=where, remedy=self.known(name))
        path = path_or_none
        while path.resolve() in stack:
            behind = self.folders.find(relative, after=path)
            if behind is None or behind == path:
                raise self.circle(path, stack, where)
            path = behind
        if not self.folders.holds(path):
            raise self.outside(relative, where)
        return path.resolve()

    def outside(self, name: str, where: str | None) -> PolicyError:
        return PolicyError(
            f"the policy file {name!r} leads out of the repository", where=where, remedy="put the file into it"
        )

    def known(self, name: str) -> str:
        names = self.folders.names(FOLDER, ".yaml")
        return nearest(name, names, "a file ends in .yaml, and the policies are")

    def circle(self, path: Path, stack: tuple[Path, ...], where: str | None) -> PolicyError:
        names = [self.folders.origin(each) for each in (*stack, path.resolve())]
        return PolicyError(f"the policy extends itself: {' → '.join(names)}", where=where, remedy="break the circle")

    def layer(self, path: Path, stack: tuple[Path, ...]) -> Layer:
        """A file on top of everything that it extends."""
        self.files_read += 1
        name = self.folders.origin(path)
        if self.files_read > _MOST_FILES:
            raise PolicyError(f"more than {_MOST_FILES} files are extended", where=name, remedy="extend fewer policies")
        content = read_yaml(path, name)
        form = validated(PolicyForm, content)
        below = Layer.empty()
        for index, parent in enumerate(form.extends or []):
            asked = content.places.get(f"extends.{index}") or content.places["extends"]
            wanted = (self.kind or "base") if parent == SAME_KIND else parent
            found = self.locate(wanted, path.parent, (*stack, path), asked)
            below = below.under(self.layer(found, (*stack, path)))
        if form.every is not None:
            below = with_every(below, form.every, content)
        return overlaid(below, form, content, path.stem)


def _rules(layer: Layer) -> tuple[Rule, ...]:
    rules = []
    for rule_id, draft in layer.rules.items():
        _complete(rule_id, draft, layer)
        if draft.enabled:
            rules.append(_with_least(draft.rule(rule_id), layer))
    return tuple(rules)


def _with_least(rule: Rule, layer: Layer) -> Rule:
    """A rule that tolerates a share also says from how many new rows on: its own, else the policy's."""
    if not rule.on_share:
        places = {key: place for key, place in rule.places.items() if key != "min_examples"}
        return replace(rule, min_examples=None, places=places)
    if rule.min_examples is not None:
        return rule
    if layer.min_examples is None:
        raise PolicyError(
            f"rule {rule.id!r} tolerates a share, and nothing says from how many new examples on it is judged",
            where=str(rule.places.get("tolerate", rule.places[""])),
            remedy="add `min_examples: 100` to the policy or to the rule, or `extends: base`; or tolerate a count",
        )
    least, place = layer.min_examples
    return replace(rule, min_examples=least, places={**rule.places, "min_examples": place})


def _complete(rule_id: str, draft: Draft, layer: Layer) -> None:
    """A rule that no parent has must say all that a rule says: most often its id is a misspelt one."""
    missing = [key for key in _NEEDED if key not in draft.values]
    if missing:
        others = [name for name, other in layer.rules.items() if other is not draft and "check" in other.values]
        raise PolicyError(
            f"rule {rule_id!r} is in no policy that this one extends, and does not say its {', '.join(missing)}",
            where=str(draft.places[""]),
            remedy=nearest(rule_id, others, f"a new rule says {', '.join(_NEEDED)}; the inherited rules are"),
        )


def _digest(rules: tuple[Rule, ...]) -> str:
    demands = [
        {
            "id": rule.id,
            "check": rule.check,
            "severity": rule.severity,
            "tolerate": rule.tolerate,
            "remedy": rule.remedy,
            "with": rule.params,
            **({"min_examples": rule.min_examples} if rule.on_share else {}),
        }
        for rule in sorted(rules, key=lambda rule: rule.id)
    ]
    return sha256(orjson.dumps(demands, option=orjson.OPT_SORT_KEYS)).hexdigest()
