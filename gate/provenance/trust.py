"""Whose word counts, for what, and since when: the trust file, which is always named explicitly.

keys:
  - name: Ana Ruiz
    public: 5wQ…=            # the 32 bytes of the Ed25519 public key, base64
    roles: [owner, reviewer] # of owner, reviewer, release
    since: 2026-11-01        # optional: nothing older counts
    revoked: {at: 2026-12-24T10:00:00Z, why: laptop stolen}   # optional: nothing from then on counts
approvals:
  snapshot: {count: 1, roles: [reviewer], by_author: false}

A person is a name: somebody may have several keys (a new laptop), and is still one person who approves once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gate.errors import GateError, UsageError
from gate.provenance.moments import minute_of
from gate.provenance.statements import Statement

Role = Literal["owner", "reviewer", "release"]
ROLES: tuple[Role, ...] = ("owner", "reviewer", "release")

SAYS: dict[str, tuple[Role, ...]] = {
    "admission": ("owner",),
    "erasure": ("owner",),
    "waiver": ("owner", "reviewer"),
    "rejection": ("reviewer",),
    "revocation": ("owner", "reviewer"),
    "ref": ("owner", "release"),
    "review": ROLES,
    "training": ROLES,
    "release": ROLES,
    "evaluation": ROLES,
    "promotion": ("owner", "release"),
    "model_ref": ("owner", "release"),
}
"""Who may say what: a kind of statement, and the roles of which its author needs one. Approvals need one of those that
are demanded of what they approve; who may approve may also reject and revoke."""


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
        key = self.keys.get(statement.keyid)
        if key is None:
            raise Untrusted(
                f"signed by {statement.author!r} with key {statement.keyid[:12]}, which {self.origin} does not trust",
                where=_place(statement),
                remedy="an owner adds a key with `gate keys trust`, once they know whose it is",
            )
        if not _signed(statement, key):
            raise Untrusted(f"its signature is not by the key of {key.name!r}", where=_place(statement))
        if statement.author != key.name:
            raise Untrusted(
                f"it says that it is by {statement.author!r}, and its key is that of {key.name!r}",
                where=_place(statement),
                remedy="sign under the name that the trust file gives the key (in CI: GATE_KEY_NAME)",
            )
        self._in_time(key, statement.made, _place(statement))
        if role is not None and role not in key.roles:
            raise _without_role(key, (role,), statement)
        return key

    def vouched(self, statement: Statement, what: str = "snapshot") -> TrustedKey:
        """That a statement is by somebody whose word counts for what it says (`SAYS`).

        Args:
            what: what an approval, a rejection or a revocation is about: `snapshot` or `model`.

        Raises:
            Untrusted: as `check`.
        """
        key = self.check(statement)
        roles = self.may(statement.kind, what)
        if not set(roles) & set(key.roles):
            raise _without_role(key, roles, statement)
        return key

    def may(self, kind: str, what: str = "snapshot") -> tuple[Role, ...]:
        """The roles of which the author of a kind of statement needs one."""
        demanded = self.demand(what).roles if kind in ("approval", "rejection", "revocation") else ()
        return tuple(dict.fromkeys((*demanded, *SAYS.get(kind, ()))))

    def signer(self, keyid: str, name: str, kind: str, at: str, what: str = "snapshot") -> TrustedKey:
        """That a statement of a kind would count if this key signed it now.

        Raises:
            Untrusted: it would not, and why.
        """
        key = self.keys.get(keyid)
        if key is None:
            raise Untrusted(
                f"{self.origin} does not trust the key of {name!r}, so that what it signs would not count",
                remedy=f"an owner adds it: gate keys trust '{name}' --role {self.may(kind, what)[0]} --trust FILE",
            )
        if key.name != name:
            raise Untrusted(
                f"your key calls you {name!r}, and {self.origin} calls you {key.name!r}",
                remedy="the names have to be the same (in CI: GATE_KEY_NAME)",
            )
        self._in_time(key, at, None)
        roles = self.may(kind, what)
        if not set(roles) & set(key.roles):
            raise Untrusted(
                f"{name!r} is {roles_text(key.roles, 'and')} in {self.origin}, and this takes {roles_text(roles)}",
                remedy="an owner gives the role: gate keys trust … --role",
            )
        return key

    def _in_time(self, key: TrustedKey, moment: str, where: str | None) -> None:
        if key.since is not None and moment < key.since:
            raise Untrusted(f"the key of {key.name!r} counts only from {minute_of(key.since)} on", where=where)
        if key.revoked is not None and moment >= key.revoked:
            raise Untrusted(
                f"the key of {key.name!r} was revoked as of {minute_of(key.revoked)} ({key.why_revoked})", where=where
            )

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
    from gate.provenance.trust_file import at_path, at_revision  # they build what stands here

    if path is not None and revision is not None:
        raise UsageError("both --trust and --trust-revision are given", remedy="name one of them")
    if revision is not None:
        return at_revision(revision)
    if path is None:
        if not (named := os.environ.get("GATE_TRUST")):
            raise UsageError(
                "no trust file is named, and gate never guesses whom to trust: a file that came with the data could "
                "trust the very person it should protect from",
                remedy="name one with --trust FILE, --trust-revision REV:PATH or GATE_TRUST; "
                "`gate keys trust` makes one",
            )
        path = Path(named).expanduser()
    return at_path(path)


def roles_text(roles: tuple[Role, ...], word: str = "or") -> str:
    """Roles in words: `an owner or a reviewer`."""
    said = {"owner": "an owner", "reviewer": "a reviewer", "release": "a release key"}
    return f" {word} ".join(said[role] for role in roles) or "nobody"


def _without_role(key: TrustedKey, roles: tuple[Role, ...], statement: Statement) -> Untrusted:
    kind = f"{'an' if statement.kind[0] in 'aeiou' else 'a'} {statement.kind}"
    return Untrusted(
        f"{key.name!r} is {roles_text(key.roles, 'and')}, and {kind} takes {roles_text(roles)}", where=_place(statement)
    )


def _place(statement: Statement) -> str:
    return f"{statement.kind} {statement.digest[:12]}"


def _signed(statement: Statement, key: TrustedKey) -> bool:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature, SSlibKey

    envelope = statement.envelope
    if envelope.keyid != key.keyid:
        return False
    public = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(key.public), key.keyid)
    try:
        public.verify_signature(Signature(key.keyid, envelope.signature.hex()), envelope.signed)
    except UnverifiedSignatureError:
        return False
    return True
