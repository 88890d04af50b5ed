"""Opens what a command works with and does not hold: the store, the trust file, the key to sign with.

Each is found the same way in every command: what was named, then the environment, then (for a store and a key, never
for trust) the one that there is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gate.provenance.keys import PrivateKey, find_key
from gate.provenance.trust import Trust, load_trust
from gate.store.objects import Store, find_store


def open_store(store: Path | None = None, *, start: Path | None = None, create: bool = False) -> Store:
    """The store: the one named, else `GATE_STORE`, else the nearest `.gate` upwards of `start` (here).

    Args:
        create: make it where there is none.

    Raises:
        StoreError: there is none, or it is of a format that this gate does not know.
    """
    root = store if store is not None else find_store(start or Path())
    return Store.create(root) if create else Store(root)


def open_trust(trust: Path | None = None, trust_revision: str | None = None) -> Trust:
    """The trust file: the one named, else that of a git revision, else what `GATE_TRUST` names.

    Raises:
        UsageError: none is named, or two are.
        PolicyError: it does not say something gate can use.
    """
    return load_trust(trust, revision=trust_revision)


def named_trust(trust: Path | None = None, trust_revision: str | None = None) -> Trust | None:
    """The same for a command that works without: None where nobody names one."""
    if trust is None and trust_revision is None and not os.environ.get("GATE_TRUST"):
        return None
    return load_trust(trust, revision=trust_revision)


def open_signer(key: str | None = None) -> PrivateKey:
    """The key to sign with: the one named, else the environment's, else the only one there is. A passphrase is asked
    for where a person sits at a terminal.

    Raises:
        UsageError: no key, or no way to open it.
    """
    return find_key(key, ask=ask_passphrase if sys.stdin is not None and sys.stdin.isatty() else None)


def ask_passphrase(prompt: str) -> str:
    """A passphrase typed on the terminal, which does not show it."""
    from getpass import getpass

    return getpass(prompt)
