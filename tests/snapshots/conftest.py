"""People with keys, a trust file that says whose word counts, and small datasets that pass a small policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.provenance.keys import new_key, public_text
from gate.verbs.admit import Admitted, admit
from tests.snapshots.made import Admit, People

POLICY = """
version: 1
name: quick
description: Two rules that need no model
min_examples: 100
rules:
  - id: structure
    check: structure
    severity: error
    tolerate: 0.2
    remedy: fix
    why: Rows that cannot be read teach nothing.
  - id: exact_duplicates
    check: exact_duplicates
    severity: error
    tolerate: 0.2
    remedy: drop
    why: A row that comes twice counts double.
"""


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    folder = tmp_path_factory.mktemp("people")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATE_KEYS", str(folder / "keys"))
        ana, olga, ben, eve = (new_key(name) for name in ("ana", "olga", "ben", "eve"))
    trusted = [(ana, "owner"), (olga, "owner"), (ben, "reviewer")]
    lines = [f"  - {{name: {key.name}, public: {public_text(key.public)}, roles: [{role}]}}\n" for key, role in trusted]
    (folder / "trust.yaml").write_text("keys:\n" + "".join(lines), encoding="utf-8")
    return People(ana, olga, ben, eve, folder / "trust.yaml", folder / "keys")


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy of two quick rules, which both tolerate some rows."""
    path = tmp_path_factory.mktemp("policy") / "quick.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture
def admitted(people: People, policy: Path, tmp_path: Path) -> Admit:
    """Admits a dataset as `ana`, into the store `store` beside the test's files, by the quick policy."""

    def run(paths: object, **options: object) -> Admitted:
        settings: dict[str, object] = {
            "name": "harbour", "signer": people.ana, "trust": people.trust, "policy": policy, "report": False,
            "store": tmp_path / "store",
        }  # fmt: skip
        return admit(paths, **settings | options)  # type: ignore[arg-type]

    return run
