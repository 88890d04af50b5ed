"""`gate rules`: what the policies demand here, where each value came from, and what any rule means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from gate.admission.bind import BoundRule, bind
from gate.admission.gate_files import CODES as GATE_FILE_CODES
from gate.admission.gate_files import RULE as GATE_FILES
from gate.data.frame import KINDS, Kind
from gate.errors import UsageError
from gate.folders import Folders
from gate.policy.model import Remedy, Rule, Severity
from gate.policy.select import policy_for
from gate.policy.settings import find_settings
from gate.verbs.parameters import Parameter, parameters

UNKNOWN_KIND = "base"
"""How the kind of a row is called that is not known; `base` is the policy that judges it."""

REMEDIES: Mapping[Remedy, str] = {
    "drop": "Take the row out.",
    "redact": "Replace the value by a placeholder, or take the row out.",
    "fix": "Mend the row in its source, or take it out.",
    "review": "Have a person look at it and decide.",
}
SEVERITIES: Mapping[Severity, str] = {
    "error": "The verdict is fail when more rows are flagged than the rule tolerates.",
    "warning": "It is shown; it fails only under `--fail-on warning`.",
    "info": "It is counted.",
}
RECORDS = 12
"""How many records are shown that fail or pass a rule: what it takes for a dataset as a whole may be a thousand."""
_KEYS = ("check", "severity", "tolerate", "remedy")


@dataclass(frozen=True, slots=True)
class Value:
    """One effective value of a rule."""

    key: str
    """Dotted: `severity`, `with.threshold`."""
    value: object
    """JSON-able."""
    origin: str | None
    """`file:line`, or null where nobody wrote it and the default holds."""


@dataclass(frozen=True, slots=True)
class ListedRule:
    """A rule as it applies to some kinds of example."""

    id: str
    kinds: tuple[str, ...]
    origin: str
    """Where the rule was first written."""
    why: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that a person may want to know of a rule."""

    id: str
    check: str
    measures: str
    why: str
    severity: Severity
    remedy: Remedy
    what_to_do: str
    applied: tuple[ListedRule, ...]
    """With its effective values; more than one where kinds of example differ."""
    parameters: tuple[Parameter, ...]
    codes: Mapping[str, str]
    fails: tuple[Mapping[str, object], ...]
    """At most `RECORDS`."""
    passes: tuple[Mapping[str, object], ...]
    """The same."""
    left_out: Mapping[str, int]
    """How many more records like these it takes, under `fails` and `passes`."""


def list_rules(policy: str | None = None, kind: str | None = None, *, start: Path | None = None) -> list[ListedRule]:
    """The rules that `gate check` would judge by.

    Args:
        policy: a policy's name or file, instead of the one for each kind.
        kind: one kind of example (`chat`, …, or `base`); all of them where it is left out.
        start: the folder from which `gate.yaml` is looked for; the current one where it is left out.

    Raises:
        PolicyError: a policy does not say something gate can do.
    """
    return [_listed(bound) for bound in bound_rules(policy, kind, start=start)]


def explain(rule: str, policy: str | None = None, kind: str | None = None, *, start: Path | None = None) -> Explanation:
    """What a rule measures and demands.

    Raises:
        UsageError: no policy has such a rule.
        PolicyError: a policy does not say something gate can do.
    """
    if rule == GATE_FILES.id:
        return _of_gate_files()
    found = bound_rules(policy, kind, start=start)
    same = [bound for bound in found if bound.rule.id == rule]
    if not same:
        ids = list(dict.fromkeys(bound.rule.id for bound in found))
        close = get_close_matches(rule, ids, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(f"no rule is called {rule!r}", remedy=f"{hint}the rules are {', '.join(ids)}")
    first = same[0]
    return Explanation(
        id=rule,
        check=first.check.name,
        measures=first.check.measures,
        why=first.rule.why,
        severity=first.rule.severity,
        remedy=first.rule.remedy,
        what_to_do=REMEDIES[first.rule.remedy],
        applied=tuple(_listed(bound) for bound in same),
        parameters=parameters(first.check.params),
        codes=first.check.codes,
        fails=first.check.fails[:RECORDS],
        passes=first.check.passes[:RECORDS],
        left_out={
            name: max(0, len(records) - RECORDS)
            for name, records in (("fails", first.check.fails), ("passes", first.check.passes))
        },
    )


def _of_gate_files() -> Explanation:
    """The one rule that no policy has, since a policy could take it away."""
    return Explanation(
        id=GATE_FILES.id,
        check=GATE_FILES.check,
        measures=(
            "Under `--base`: what judges the data (gate.yaml, rules, reports, keys, waivers, plug-ins, evaluation "
            "sets, the workflows that call gate, CODEOWNERS), and comes with the data otherwise than the base has it."
        ),
        why=GATE_FILES.why,
        severity=GATE_FILES.severity,
        remedy=GATE_FILES.remedy,
        what_to_do="Put the change into a pull request of its own, merged by those who may approve it.",
        applied=(),
        parameters=(),
        codes=GATE_FILE_CODES,
        fails=(),
        passes=(),
        left_out={},
    )


def bound_rules(
    policy: str | None = None, kind: str | None = None, *, start: Path | None = None
) -> tuple[BoundRule, ...]:
    """The rules with their checks and validated parameters, those that demand the same of several kinds once."""
    settings = find_settings(start or Path())
    folders = Folders(settings.folder)
    kinds: tuple[Kind | None, ...] = (*KINDS, None)
    wanted = [each for each in kinds if kind is None or (each or UNKNOWN_KIND) == kind]
    return bind({each: policy_for(each, policy, settings, folders) for each in wanted}, folders=folders)


def _listed(bound: BoundRule) -> ListedRule:
    rule = bound.rule
    keys = (*_KEYS, "min_examples") if rule.on_share else _KEYS
    values = [Value(key, getattr(rule, key), _origin(rule, key)) for key in keys]
    for name, value in bound.params.model_dump(mode="json").items():
        values += [Value(key, each, _origin(rule, key)) for key, each in _leaves(f"with.{name}", value)]
    kinds = tuple(kind or UNKNOWN_KIND for kind in bound.kinds)
    return ListedRule(rule.id, kinds, str(rule.places[""]), rule.why, tuple(values))


def _leaves(key: str, value: object) -> Iterator[tuple[str, object]]:
    """Entries of a mapping each have a place of their own; a list is one value."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(f"{key}.{name}", each)
    else:
        yield key, value


def _origin(rule: Rule, key: str) -> str | None:
    place = rule.places.get(key)
    return str(place) if place else None
