"""`gate keys`: making keys, and saying in a trust file whose they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gate.errors import UsageError
from gate.policy.invalid import nearest
from gate.provenance.keys import KeptKey, PrivateKey, kept_keys, keyid_of, keys_folder, new_key, person, public_text
from gate.provenance.moments import moment
from gate.provenance.statements import now
from gate.provenance.trust import ROLES, Role, Trust, TrustedKey
from gate.provenance.trust_edit import revoke_key, trust_key
from gate.provenance.trust_file import at_path, public_bytes
from gate.verbs.surroundings import named_trust


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A private key of this machine."""

    name: str
    public: str
    """Base64."""
    keyid: str
    passphrase: bool
    place: str
    """Its file, or `GATE_KEY`."""
    trusted: str | None
    """What the trust file says of it; None where none was named."""


def new(name: str, *, passphrase: str | None = None) -> PrivateKey:
    """Make a key of that name.

    Raises:
        UsageError: there is one, or it cannot be kept.
    """
    return new_key(name, passphrase=passphrase)


def listed(trust: Path | None = None, trust_revision: str | None = None) -> list[ListedKey]:
    """The private keys of this machine, and what a trust file says of them, where one is named."""
    named = named_trust(trust, trust_revision)
    return [
        ListedKey(
            name=key.name,
            public=public_text(key.public),
            keyid=key.keyid,
            passphrase=key.encrypted,
            place="GATE_KEY" if key.path is None else os.fspath(key.path),
            trusted=None if named is None else _said(key, named),
        )
        for key in kept_keys()
    ]


def trusted(
    who: str, roles: Sequence[str], trust: Path, *, name: str | None = None, since: str | None = None
) -> TrustedKey:
    """Trust a key: its owner's word counts from now on (or since a date) for what the roles allow.

    Args:
        who: the name of a key on this machine, or a public key in base64.
        name: whose the public key is.

    Raises:
        UsageError: no such key or role; a public key without a name; it is somebody else's, or was revoked.
        PolicyError: the trust file does not say something gate can use.
    """
    for role in roles:
        if role not in ROLES:
            raise UsageError(f"there is no role {role!r}", remedy=nearest(role, ROLES, "the roles are"))
    if not roles:
        raise UsageError("a trusted key has a role", remedy=f"--role {' | '.join(ROLES)}")
    try:
        public = public_bytes(who)
    except ValueError as error:
        if len(who) >= 40 and " " not in who:  # nobody's name, but a key that lost a character on its way
            raise UsageError(str(error), where=who[:80]) from None
        kept = _kept(who)
        public, name = kept.public, name or kept.name
    if name is None:
        raise UsageError("it has to be said whose key this is", remedy="--name 'Ana Ruiz'")
    result = trust_key(trust, person(name), public, cast("tuple[Role, ...]", tuple(dict.fromkeys(roles))), since)
    return result.keys[keyid_of(public)]


def revoked(who: str, why: str, trust: Path, *, at: str | None = None) -> TrustedKey:
    """Trust a key no longer: nothing counts that it signs from now on (or from `at` on).

    Args:
        who: the name of a person in the trust file, or a public key in base64.

    Raises:
        UsageError: no such key, or revoked already.
        PolicyError: the trust file does not say something gate can use.
    """
    if not why.strip():
        raise UsageError("a revocation says why", remedy="--why 'laptop stolen'")
    try:
        moment_ = now() if at is None else moment(at)
    except ValueError as error:
        raise UsageError(f"--at {at}: {error}") from None
    key = _named(who, at_path(trust), trust)
    if key.since is not None and moment_ < key.since:
        raise UsageError(f"the key of {key.name!r} counts only from {key.since} on", remedy="--at a later time")
    return revoke_key(trust, key, moment_, why).keys[key.keyid]


def _kept(name: str) -> KeptKey:
    found = {key.name: key for key in kept_keys()}
    key = found.get(person(name))
    if key is None:
        raise UsageError(
            f"there is no key {name!r} on this machine",
            where=os.fspath(keys_folder()),
            remedy=f"{nearest(name, found, 'your keys:')}; or give a public key and --name",
        )
    return key


def _named(who: str, trust: Trust, path: Path) -> TrustedKey:
    try:
        found = [key for key in trust.keys.values() if key.keyid == keyid_of(public_bytes(who))]
    except ValueError:
        found = [key for key in trust.keys.values() if key.name == person(who)]
        found = [key for key in found if key.revoked is None] or found[:1]
    if not found:
        names = sorted({key.name for key in trust.keys.values()})
        raise UsageError(
            f"no key of {who!r} is trusted", where=os.fspath(path), remedy=nearest(who, names, "those that are:")
        )
    if len(found) > 1:
        raise UsageError(
            f"{who!r} has {len(found)} keys, and it has to be said which one",
            where=os.fspath(path),
            remedy="give the public key instead: " + " | ".join(public_text(key.public) for key in found),
        )
    return found[0]


def _said(key: KeptKey, trust: Trust) -> str:
    known = trust.keys.get(key.keyid)
    if known is None:
        return "not trusted"
    if known.revoked is not None and known.revoked <= now():
        return f"revoked: {known.why_revoked}"
    said = ", ".join(known.roles)
    if known.since is not None and known.since > now():
        said += f" from {known.since[:10]} on"
    return said if known.name == key.name else f"{said}, as {known.name}"
