"""`gate runs`: what is known of the runs of a store, one by one, side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import orjson

from gate.errors import GateError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Training
from gate.store.objects import Store
from gate.training.history import read_history
from gate.training.run_file import Run
from gate.training.run_view import Comparison, RunView, compared
from gate.training.runs import RunFolder, every_run, find_run
from gate.verbs.surroundings import open_store

Path_ = str | os.PathLike[str]


def list_runs(store: Store | Path_ | None = None) -> list[RunView]:
    """The runs of a store, the latest first. One whose files cannot be read is left out.

    Raises:
        StoreError: there is no such store.
    """
    place = _store(store)
    views = []
    for each in every_run(place.root):
        try:
            views.append(_view(each, place))
        except GateError:
            continue
    return views


def show_run(name: str, store: Store | Path_ | None = None) -> RunView:
    """A run.

    Raises:
        UsageError: there is none of that name, or its files cannot be read.
    """
    place = _store(store)
    return _view(find_run(place.root, name), place)


def compare_runs(one: str, other: str, store: Store | Path_ | None = None) -> Comparison:
    """Two runs side by side.

    Raises:
        UsageError: as `show_run`.
    """
    first, second = show_run(one, store), show_run(other, store)
    return compared(first, second)


def _store(store: Store | Path_ | None) -> Store:
    return store if isinstance(store, Store) else open_store(None if store is None else Path(store))


def _view(found: RunFolder, store: Store) -> RunView:
    statement = None
    environment: Mapping[str, object] | None = None
    if found.state.statement is not None:
        statement = Ledger(store).statement(found.state.statement)
        if isinstance(statement.about, Training):
            environment = orjson.loads(store.read(statement.about.environment, "json"))
    run = Run.load(found.folder / "run.json")
    return RunView(
        found,
        run,
        read_history(found.folder),
        statement,
        _json(found.folder / "recipe.json") or run.recipe.model_dump(mode="json"),
        environment,
        _json(found.folder / "accounting.json"),
        _json(found.folder / "preview.json"),
    )


def _json(path: Path) -> Mapping[str, object] | None:
    """A document of the run's folder; None where there is none, or it is not whole yet."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
