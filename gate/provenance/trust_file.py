"""Reads a trust file: strictly, with the line of whatever is wrong, from a path or from a git revision."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import orjson
from pydantic import BeforeValidator, Field, ValidationError

from gate.data.git import Repository
from gate.errors import GateError, PolicyError, UsageError
from gate.policy.form import Form
from gate.policy.invalid import Location, policy_error
from gate.policy.model import Place
from gate.policy.yaml_file import LARGEST_FILE, YamlFile, parse_yaml
from gate.provenance.keys import keyid_of, person, public_text
from gate.provenance.moments import moment
from gate.provenance.trust import DEFAULT, Demand, Role, Trust, TrustedKey


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Roles = Annotated[list[Role], BeforeValidator(_listed), Field(min_length=1)]
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]


class RevokedForm(Form):
    """From when on a key does not count, and why."""

    at: Text
    why: Text


class KeyForm(Form):
    """A person's key."""

    name: Text
    public: Text
    roles: Roles
    since: Text | None = None
    revoked: RevokedForm | None = None


class DemandForm(Form):
    """What is demanded before something counts as approved."""

    count: Annotated[int, Field(ge=0)] = DEFAULT.count
    roles: Roles = Field(default_factory=lambda: list(DEFAULT.roles))
    by_author: bool = DEFAULT.by_author


class TrustForm(Form):
    """A trust file."""

    version: Literal[1] = 1
    keys: Annotated[list[KeyForm], Field(min_length=1)]
    approvals: dict[Literal["snapshot", "model"], DemandForm] | None = None


def parse_trust(content: bytes, origin: str) -> Trust:
    """What the bytes of a trust file say.

    Args:
        origin: how to name it to a person.

    Raises:
        PolicyError: it does not say something gate can use (file, line, key).
    """
    file = parse_yaml(content, origin, dates=True)
    form = _form(file)
    keys: dict[str, TrustedKey] = {}
    for number, each in enumerate(form.keys):
        key = _key(each, file, f"keys.{number}")
        if other := keys.get(key.keyid):
            raise _wrong(
                file,
                f"keys.{number}.public",
                f"{key.name!r} has the key that {other.name!r} has",
                "a key belongs to one person and stands there once; put all roles into one entry",
            )
        keys[key.keyid] = key
    approvals: dict[str, Demand] = {
        what: Demand(each.count, tuple(dict.fromkeys(each.roles)), each.by_author)
        for what, each in (form.approvals or {}).items()
    }
    return Trust(origin, hashlib.sha256(content).hexdigest(), keys, approvals)


def at_path(path: Path) -> Trust:
    """The trust file that lies there."""
    origin = os.fspath(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise PolicyError(f"more than {LARGEST_FILE:,} bytes long", where=origin, remedy="is this the right file?")
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise PolicyError(
            f"the trust file cannot be read ({reason})", where=origin, remedy="`gate keys trust` makes one"
        ) from None
    return parse_trust(content, origin)


def at_revision(asked: str) -> Trust:
    """The trust file of a git revision, `REV:path`; the path is relative to the root of the repository around the
    current folder, or to that folder where it begins with `./`, as git has it.

    Raises:
        UsageError: there is no such revision or no such file in it.
        PolicyError: it does not say something gate can use.
    """
    revision, colon, path = asked.partition(":")
    where = f"--trust-revision {asked}"
    if not revision or not colon or not path:
        raise UsageError(
            "this names no file of a revision", where=where, remedy="write REV:PATH, such as v1.2:trust.yaml"
        )
    repository = Repository.around(Path())
    if repository is None:
        raise UsageError(
            "there is no git repository here", where=where, remedy="go into the one that has the file, or use --trust"
        )
    commit = repository.commit(revision)
    if commit is None:
        raise UsageError(f"the repository has no revision {revision!r}", where=where, remedy="fetch it: `git fetch`")
    if path.startswith("./"):
        path = (Path().resolve().relative_to(repository.top) / path).as_posix()
    entry = repository.tree(commit).get(path)
    if entry is None or not entry.plain:
        raise UsageError(
            f"commit {commit[:12]} has no file {path!r}", where=where, remedy="paths start at the repository's root"
        )
    origin = f"{path} at {revision}" + (f" ({commit[:12]})" if not commit.startswith(revision) else "")
    if entry.size > LARGEST_FILE:
        raise PolicyError(f"more than {LARGEST_FILE:,} bytes long", where=origin, remedy="is this the right file?")
    with tempfile.TemporaryDirectory(prefix="gate-trust-") as folder:
        written = Path(folder) / "trust.yaml"
        repository.write([(path, entry, written)])
        return parse_trust(written.read_bytes(), origin)


def public_bytes(text: str) -> bytes:
    """The 32 bytes of a public key in base64.

    Raises:
        ValueError: it is none.
    """
    try:
        public = base64.b64decode(text.strip(), validate=True)
        if public_text(public) != text.strip():  # bits that no byte has: the same key would have two texts
            raise ValueError
    except (ValueError, binascii.Error):
        raise ValueError("a public key is base64, as `gate keys ls` prints it") from None
    if len(public) != 32:
        raise ValueError(f"a public key has 32 bytes, and this has {len(public)}")
    return public


def _form(file: YamlFile) -> TrustForm:
    try:
        return TrustForm.model_validate_json(orjson.dumps(file.values))
    except ValidationError as error:
        raise policy_error(error, places={"": Place(file.file, 1), **file.places}, prefix="", valid=_keys_at) from None


def _keys_at(location: Location) -> list[str]:
    """The keys that the file may have where another one stands."""
    forms: dict[str, type[Form]] = {"revoked": RevokedForm, "keys": KeyForm, "approvals": DemandForm}
    inner = next((form for name, form in forms.items() if name in location[:-1]), TrustForm)
    return list(inner.model_fields)


def _key(form: KeyForm, file: YamlFile, key: str) -> TrustedKey:
    try:
        name = person(form.name)
    except GateError as error:
        raise _wrong(file, f"{key}.name", error.what, error.remedy) from None
    try:
        public = public_bytes(form.public)
    except ValueError as error:
        raise _wrong(file, f"{key}.public", str(error)) from None
    since = None if form.since is None else _moment(form.since, file, f"{key}.since")
    revoked = None if form.revoked is None else _moment(form.revoked.at, file, f"{key}.revoked.at")
    if since is not None and revoked is not None and revoked < since:
        raise _wrong(file, f"{key}.revoked.at", "the key is revoked before it begins to count")
    return TrustedKey(
        name=name,
        keyid=keyid_of(public),
        public=public,
        roles=tuple(dict.fromkeys(form.roles)),
        since=since,
        revoked=revoked,
        why_revoked=form.revoked.why if form.revoked is not None else "",
    )


def _moment(text: str, file: YamlFile, key: str) -> str:
    try:
        return moment(text)
    except ValueError as error:
        raise _wrong(file, key, str(error)) from None


def _wrong(file: YamlFile, key: str, what: str, remedy: str | None = None) -> PolicyError:
    place = file.places.get(key)
    return PolicyError(f"{key}: {what}", where=str(place) if place else file.file, remedy=remedy)
