"""Whose word counts, for what, and since when: the trust file, which is always named explicitly.

keys:
  - name: Ana Ruiz
    public: 5wQ…=            # the 32 bytes of the Ed25519 public key, base64
    roles: [owner, reviewer] # of owner, reviewer, release
    since: 2026-11-01        # optional: nothing older counts
    revoked: {at: 2026-12-24T10:00:00Z, why: laptop stolen}   # optional: nothing from then on counts
approvals:
  snapshot: {count: 1, roles: [reviewer], by_author: false}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gate.errors import GateError
from gate.provenance.statements import Statement

Role = Literal["owner", "reviewer", "release"]
ROLES: tuple[Role, ...] = ("owner", "reviewer", "release")


class Untrusted(GateError):
    """A signature is wrong, or is by somebody whose word does not count here."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key, and what its owner may say."""

    name: str
    keyid: str
    """SHA-256 (hex) of `public`."""
    public: bytes
    """32 bytes."""
    roles: tuple[Role, ...]
    since: str | None = None
    """As statements write time; nothing older counts."""
    revoked: str | None = None
    """Nothing from then on counts."""
    why_revoked: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is demanded before a statement of a kind counts as approved."""

    count: int
    """Different people, by key."""
    roles: tuple[Role, ...]
    """Of which an approver has at least one."""
    by_author: bool
    """Whether the author may be one of them."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a trust file says."""

    origin: str
    """How to name it to a person: the file, or the revision it was read from."""
    digest: str
    """SHA-256 (hex) of its bytes."""
    keys: dict[str, TrustedKey]
    """By keyid."""
    approvals: dict[str, Demand] = field(default_factory=dict)
    """By what is approved: `snapshot`, `model`. What is not named takes `DEFAULT`."""

    def check(self, statement: Statement, role: Role | None = None) -> TrustedKey:
        """That a statement is by a trusted person, as of its own time.

        Raises:
            Untrusted: an unknown key, a wrong signature, a name that is not the key's, a time at which the key did not
                count, or a person without the role.
        """
        raise NotImplementedError

    def demand(self, what: str) -> Demand:
        """What is demanded before it counts as approved."""
        return self.approvals.get(what, DEFAULT)


DEFAULT = Demand(count=1, roles=("reviewer",), by_author=False)


def load_trust(path: Path | None = None, *, revision: str | None = None) -> Trust:
    """The trust file: `path`, else a pinned git revision (`REV:path`), else the file that `GATE_TRUST` names.

    Raises:
        UsageError: none is named: whom to trust has to be said.
        PolicyError: it does not say something gate can use (file, line, key).
    """
    raise NotImplementedError
