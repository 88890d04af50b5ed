"""Private keys: Ed25519, in the user's configuration folder (mode 600, passphrase optional), or from the environment.

`GATE_KEY` holds a private key in PEM for CI, `GATE_KEY_PASSPHRASE` its passphrase, `GATE_KEYS` names another folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """A key that can sign (a `gate.provenance.envelope.Signer`)."""

    name: str
    keyid: str
    """SHA-256 (hex) of `public`."""
    public: bytes
    """32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature (RFC 8032)."""
        raise NotImplementedError


def keys_folder() -> Path:
    """Where private keys lie: `GATE_KEYS`, else `gate/keys` in the user's configuration folder."""
    raise NotImplementedError


def new_key(name: str, *, passphrase: str | None = None) -> PrivateKey:
    """Make a key and keep it.

    Raises:
        UsageError: there is one of that name.
    """
    raise NotImplementedError


def find_key(name: str | None = None, *, ask: Callable[[str], str] | None = None) -> PrivateKey:
    """The key to sign with: of that name, else the environment's, else the only one there is.

    Args:
        ask: asks a person for a passphrase.

    Raises:
        UsageError: none, or several and no name; a passphrase that is missing or wrong; a file that others may read.
    """
    raise NotImplementedError
