"""Private keys: Ed25519, in the user's configuration folder (mode 600, passphrase optional), or from the environment.

A key's file is PKCS #8 in PEM, with the name and the public key in plain lines before it (RFC 7468, section 5.2 lets
text stand there). `GATE_KEY` holds such a file's content for CI (and `GATE_KEY_NAME` the name, where it has no such
line), `GATE_KEY_PASSPHRASE` a passphrase, and `GATE_KEYS` names another folder.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import shlex
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import UsageError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

_NAME = re.compile(r"\w(?:[\w .@'-]{0,62}[\w])?")
_LINE = re.compile(r"^(name|public): (.+)$", re.MULTILINE)
_BEGIN = "-----BEGIN "
_ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----"
_LARGEST = 16 << 10
"""Bytes of a key file: a guard against the wrong file; ours have 300."""


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """A key that can sign (a `gate.provenance.envelope.Signer`)."""

    name: str
    keyid: str
    """SHA-256 (hex) of `public`."""
    public: bytes
    """32 bytes."""
    signer: CryptoSigner

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature (RFC 8032)."""
        return bytes.fromhex(self.signer.sign(message).signature)


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A private key on this machine, of which only the public half has been read."""

    name: str
    public: bytes
    """32 bytes, as the file's own line says: whoever signs compares it with the private half."""
    encrypted: bool
    path: Path | None
    """None: it comes from `GATE_KEY`."""

    @property
    def keyid(self) -> str:
        return keyid_of(self.public)


def keyid_of(public: bytes) -> str:
    """SHA-256 (hex) of the 32 bytes of a public key."""
    return hashlib.sha256(public).hexdigest()


def public_text(public: bytes) -> str:
    """A public key as people pass it on: base64, 44 characters."""
    return base64.b64encode(public).decode()


def person(name: str) -> str:
    """The name of a person or machine, in Unicode's composed form, so that it is the same name however it was typed.

    Raises:
        UsageError: not a name.
    """
    composed = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(composed):
        raise UsageError(
            f"{name[:80]!r} is no name for a key",
            remedy="use at most 64 letters and digits, with spaces, dots, dashes, @ and apostrophes between them",
        )
    return composed


def keys_folder() -> Path:
    """Where private keys lie: `GATE_KEYS`, else `gate/keys` in the user's configuration folder."""
    if named := os.environ.get("GATE_KEYS"):
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_config_path("gate", appauthor=False)) / "keys"


def new_key(name: str, *, passphrase: str | None = None) -> PrivateKey:
    """Make a key and keep it.

    Raises:
        UsageError: there is one of that name, or the folder cannot be written to.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    name = person(name)
    if passphrase == "":
        raise UsageError("the passphrase is empty", remedy="give one, or leave --passphrase away")
    secret = Ed25519PrivateKey.generate()
    key = _signing(name, secret)
    lock = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
    pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
    path = _path(name)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"name: {name}\npublic: {public_text(key.public)}\n".encode() + pem)
    except FileExistsError:
        raise UsageError(
            f"there is a key {name!r} already",
            where=os.fspath(path),
            remedy="give this one another name, or move that file away first (after `gate keys revoke`)",
        ) from None
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        raise UsageError(
            f"the key cannot be written ({reason})", where=os.fspath(path), remedy="name another folder in GATE_KEYS"
        ) from None
    return key


def kept_keys() -> list[KeptKey]:
    """The keys of this machine by name, the environment's first. Files that are no keys are passed over.

    Raises:
        UsageError: the folder cannot be listed, or `GATE_KEY` holds no key.
    """
    found = []
    if content := _environment():
        found.append(_described(content, None))
    try:
        paths = sorted(keys_folder().glob("*.pem"))
    except OSError as error:
        raise UsageError(f"the keys cannot be listed ({error.strerror})", where=os.fspath(keys_folder())) from None
    for path in paths:
        with contextlib.suppress(OSError, UsageError):  # somebody else's PEM: asked for by name, it says what is wrong
            found.append(_described(_text(path), path))
    return found


def find_key(name: str | None = None, *, ask: Callable[[str], str] | None = None) -> PrivateKey:
    """The key to sign with: of that name, else the environment's, else the only one there is.

    Args:
        ask: asks a person for a passphrase.

    Raises:
        UsageError: none, or several and no name; a passphrase that is missing or wrong; a file that others may read.
    """
    content = _environment()
    if name is not None:
        name = person(name)
        path = _path(name)
        if not os.path.lexists(path) and content and _described(content, None).name == name:
            return _opened(content, None, ask)
    elif content:
        return _opened(content, None, ask)
    else:
        path = _only()
    try:
        content = _text(path)
    except FileNotFoundError:
        names = ", ".join(each.name for each in kept_keys()) or "there are none yet"
        raise UsageError(
            f"there is no key {name!r}",
            where=os.fspath(path.parent),
            remedy=f"your keys: {names}; `gate keys new NAME` makes one",
        ) from None
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        raise UsageError(f"the key cannot be read ({reason})", where=os.fspath(path)) from None
    key = _opened(content, path, ask)
    if name is not None and key.name != name:
        raise _no_key(path, f"it is that of {key.name!r}", "give the file the name that its line `name: …` says")
    return key


def _only() -> Path:
    found = [each for each in kept_keys() if each.path is not None]
    if not found:
        raise UsageError(
            "there is no key to sign with",
            where=os.fspath(keys_folder()),
            remedy="make one with `gate keys new NAME`; in CI, put one into GATE_KEY",
        )
    if len(found) > 1:
        raise UsageError(
            "there are several keys, and it has to be said whose signature this is",
            remedy=" or ".join(f"--key {shlex.quote(each.name)}" for each in found),
        )
    assert found[0].path is not None
    return found[0].path


def _path(name: str) -> Path:
    return keys_folder() / f"{name}.pem"


def _environment() -> str | None:
    # CI systems that keep a secret on one line write its line ends as \n.
    return os.environ.get("GATE_KEY", "").replace("\\n", "\n").strip() or None


def _text(path: Path) -> str:
    """What a key file says, if nobody but its owner can read or replace it.

    Raises:
        UsageError: others can, or it is no text.
        OSError: it is not there, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if os.name != "nt":
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise UsageError(
                    f"others may read this key (mode {stat.S_IMODE(status.st_mode):03o})",
                    where=os.fspath(path),
                    remedy=f"chmod 600 {shlex.quote(str(path))}; and revoke the key if somebody may have read it",
                )
            if stat.S_IMODE(path.parent.stat().st_mode) & 0o022:
                raise UsageError(
                    "others may put another key in the place of yours",
                    where=os.fspath(path.parent),
                    remedy=f"chmod 700 {shlex.quote(str(path.parent))}",
                )
        content = file.read(_LARGEST + 1)
    try:
        if len(content) > _LARGEST:
            raise ValueError
        return content.decode()
    except ValueError:
        raise _no_key(path, "it is no text of a key") from None


@dataclass(frozen=True, slots=True)
class _Lines:
    """What stands before the key itself, in plain text."""

    name: str
    public: str | None
    encrypted: bool


def _lines(content: str, path: Path | None) -> _Lines:
    said = dict(_LINE.findall(content.partition(_BEGIN)[0]))
    # A key from a file goes by the name in it: the environment's is for the environment's key.
    name = (os.environ.get("GATE_KEY_NAME") if path is None else None) or said.get("name")
    if not name:
        remedy = "set GATE_KEY_NAME" if path is None else "put a line `name: …` on top"
        raise _no_key(path, "it does not say whose it is", remedy)
    public = said.get("public")
    return _Lines(person(name.strip()), None if public is None else public.strip(), _ENCRYPTED in content)


def _described(content: str, path: Path | None) -> KeptKey:
    """What the plain lines say; the public key of one without a passphrase follows from it."""
    said = _lines(content, path)
    if not said.encrypted:
        return KeptKey(said.name, _opened(content, path, None).public, False, path)
    try:
        public = base64.b64decode(said.public or "", validate=True)
    except ValueError:
        public = b""
    if len(public) != 32:
        raise _no_key(path, "it does not say its public key", "put back the line `public: …` that it was made with")
    return KeptKey(said.name, public, True, path)


def _opened(content: str, path: Path | None, ask: Callable[[str], str] | None) -> PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    said = _lines(content, path)
    password = _passphrase(said, path, ask).encode() if said.encrypted else None
    try:
        secret = load_pem_private_key(content[content.find(_BEGIN) :].encode(), password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if said.encrypted:
            raise _no_key(path, "the passphrase is wrong, or the key is damaged", "try again") from None
        raise _no_key(path, "it is no private key in PEM") from None
    if not isinstance(secret, Ed25519PrivateKey):
        raise _no_key(path, "it is a key of another kind", "gate signs with Ed25519: `gate keys new NAME`")
    key = _signing(said.name, secret)
    if said.public is not None and said.public != public_text(key.public):
        raise _no_key(path, "its line `public: …` is that of another key", "take the line away")
    return key


def _passphrase(said: _Lines, path: Path | None, ask: Callable[[str], str] | None) -> str:
    if given := os.environ.get("GATE_KEY_PASSPHRASE"):
        return given
    if ask is None:
        raise _no_key(path, "it has a passphrase", "set GATE_KEY_PASSPHRASE, or sign on a terminal")
    return ask(f"Passphrase of {said.name}: ")


def _signing(name: str, secret: object) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import CryptoSigner, SSlibKey

    assert isinstance(secret, Ed25519PrivateKey)
    public = secret.public_key().public_bytes_raw()
    keyid = keyid_of(public)
    return PrivateKey(name, keyid, public, CryptoSigner(secret, SSlibKey.from_crypto(secret.public_key(), keyid)))


def _no_key(path: Path | None, what: str, remedy: str | None = None) -> UsageError:
    where = "GATE_KEY" if path is None else os.fspath(path)
    return UsageError(f"this key cannot be used: {what}", where=where, remedy=remedy)
