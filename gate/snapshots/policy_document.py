"""What a snapshot was admitted by: every rule as it was applied, as one canonical JSON document.

Its digest is part of the snapshot's id. So it holds what decides over rows (parameters with their defaults, severity,
tolerance, remedy, the content of every file that a rule names) and nothing else: no path, no time, no host, no words
for people. The same demands give the same document, however many files they were written in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isfinite

from gate.admission.bind import BoundRule
from gate.admission.keys import content_digest
from gate.checks import BUILT_IN
from gate.data.frame import Kind
from gate.folders import Folders
from gate.provenance.envelope import canonical

FORMAT = 1


def policy_document(
    rules: Sequence[BoundRule], kinds: Collection[Kind], folders: Folders, splits: Mapping[str, object]
) -> bytes:
    """The document in RFC 8785 bytes.

    Args:
        rules: all that were applied.
        kinds: of the admitted examples: what is demanded of others is no part of it.
        folders: where the files lie that rules name.
        splits: how examples came to their splits: `{"given": true}`, or the digest of the rules and the seed.
    """
    own = [(bound, [kind for kind in kinds if kind in bound.kinds]) for bound in rules]
    about = [_rule(bound, of, folders) for bound, of in own if of]
    document = {
        "format": FORMAT,
        "rules": sorted(about, key=canonical),
        "splits": dict(splits),
    }
    return canonical(document)


def _rule(bound: BoundRule, kinds: Collection[Kind], folders: Folders) -> dict[str, object]:
    rule, check = bound.rule, bound.check
    return {
        "id": rule.id,
        "check": rule.check,
        # gate's own checks go by gate's major version, which is part of the id; those of a team by their code.
        "code": None if check.name in BUILT_IN else check.version,
        "kinds": sorted(kinds),
        "severity": rule.severity,
        "tolerate": _number(rule.tolerate),
        "remedy": rule.remedy,
        "with": _numbers(bound.params.model_dump(mode="json")),
        "files": [content_digest(path) for path in check.inputs(bound.params, folders)],
    }


def _number(value: int | float) -> int | float | str:
    """JSON of RFC 8785 has no integer of more than 53 bits, no infinity and no NaN."""
    return str(value) if not isfinite(value) or (isinstance(value, int) and abs(value) >= 1 << 53) else value


def _numbers(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(inner) for inner in value]
    return _number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
