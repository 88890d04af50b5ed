"""Binds what a policy demands to the check that measures it, before anything is read.

An unknown check, a mistyped parameter or a rule that nobody has is a policy or usage error here, with its
file and line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

import orjson
from pydantic import ValidationError

from gate.checks import load, names
from gate.checks.base import Check, Params
from gate.data.frame import Kind
from gate.errors import PolicyError, UsageError
from gate.folders import Folders
from gate.policy.invalid import policy_error, unknown_check
from gate.policy.model import Policy, Rule


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule with its check and validated parameters, for the kinds of example it applies to."""

    rule: Rule
    check: Check
    params: Params
    kinds: tuple[Kind | None, ...]


def bind(
    policies: Mapping[Kind | None, Policy],
    *,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    folders: Folders | None = None,
) -> tuple[BoundRule, ...]:
    """Every rule of every policy, bound. Kinds whose policies demand the very same share one bound rule,
    so that duplicates, say, are looked for across kinds.

    Args:
        policies: by kind of example; `None` for rows whose kind is not known.
        select: ids of rules to run, all where empty.
        ignore: ids of rules to leave out.
        folders: where a team's own checks lie; without, there are gate's own only.

    Raises:
        PolicyError: a rule names a check that does not exist or cannot be loaded, or parameters that it does not take.
        UsageError: `select` or `ignore` names a rule that no policy has.
    """
    _known({rule.id for policy in policies.values() for rule in policy.rules}, [*select, *ignore])
    where = folders or Folders()
    known = names(where)
    bound: dict[bytes, BoundRule] = {}
    for kind, policy in policies.items():
        for rule in policy.rules:
            if (select and rule.id not in select) or rule.id in ignore:
                continue
            key = _demand(rule)
            if key in bound:
                bound[key] = replace(bound[key], kinds=(*bound[key].kinds, kind))
            else:
                check = _check(rule, known, where)
                bound[key] = BoundRule(rule, check, _params(rule, check), (kind,))
    return tuple(bound.values())


def placed(bound: BoundRule, error: PolicyError) -> PolicyError:
    """An error of a check's with the place in the policy that brought it about, which a check does not know."""
    place = bound.rule.places.get("with", bound.rule.places.get(""))
    where = ": ".join(str(part) for part in (place, f"rule {bound.rule.id}", error.where) if part)
    return PolicyError(error.what, where=where, remedy=error.remedy)


def _known(ids: Collection[str], asked: Collection[str]) -> None:
    for name in asked:
        if name not in ids:
            close = get_close_matches(name, ids, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise UsageError(
                f"no rule is called {name!r}", remedy=f"{hint}the rules are {', '.join(sorted(ids))} (gate rules)"
            )


def _demand(rule: Rule) -> bytes:
    """What a rule demands, without where it was written."""
    return orjson.dumps(
        [rule.id, rule.check, rule.severity, rule.tolerate, rule.remedy, rule.why, rule.params, rule.min_examples],
        option=orjson.OPT_SORT_KEYS,
    )


def _check(rule: Rule, known: Collection[str], folders: Folders) -> Check:
    if rule.check not in known:
        raise unknown_check(rule, known)
    return load(rule.check, folders)


def _params(rule: Rule, check: Check) -> Params:
    try:
        return check.params.model_validate(rule.params)
    except ValidationError as error:
        raise policy_error(error, places=rule.places, prefix="with", valid=tuple(check.params.model_fields)) from None
