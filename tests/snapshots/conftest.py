"""People with keys, a trust file that says whose word counts, and small datasets that pass a small policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.verbs.admit import Admitted, admit
from tests.snapshots.made import POLICY, Admit, People, make_people


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return make_people(tmp_path_factory.mktemp("people"))


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
