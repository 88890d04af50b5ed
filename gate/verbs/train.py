"""`gate train`: from approved snapshots, a base and a recipe to a candidate and its signed training statement.

Order: the recipe, whom to trust, the lock on every snapshot, the base; then the run's folder, the trainer, and the
record. Nothing is written before everything has been checked, and no model is loaded before the lock.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import orjson

from gate.errors import GateError, UsageError
from gate.evaluation.gating import gating_of
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.promotion.policy import DEFAULT, load_promotion_policy
from gate.provenance.envelope import Signer, canonical
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Training, now
from gate.provenance.trust import Trust
from gate.store.files import hash_file, refused
from gate.store.objects import Store
from gate.training.accelerate_files import launch_configuration
from gate.training.arguments import check_loggers
from gate.training.base_files import check_base
from gate.training.checkpoints import Found, clear_after, last_whole
from gate.training.events import Events
from gate.training.history import History, read_history
from gate.training.launch import LOG, Script, environment_of, launch_of, script_for, start
from gate.training.lock import OnStage, Wanted, check_trainable, mixed, open_all, wanted_by
from gate.training.mishaps import Ended, TrainingFailed, why
from gate.training.outcome import Interrupted, Prepared, Trained, Watching
from gate.training.preference_models import reward_folder
from gate.training.recipe_files import Resolved, load_recipe, recipe_document
from gate.training.record import CRITERIA, Facts, record
from gate.training.retention import bring_suite, check_disjoint, find_suite, read_suite
from gate.training.room import check_room
from gate.training.run_file import Run
from gate.training.runs import RunState, State, begun, ended, find_run, holding, new_run, runs_folder
from gate.training.watch import end_of_events, follow, listening
from gate.verbs.surroundings import open_signer, open_store, open_trust

__all__ = ["Interrupted", "Prepared", "Trained", "TrainingFailed", "Watching", "prepare", "resume", "train"]

Path_ = str | os.PathLike[str]

RECIPE = "recipe.json"
SAVED = "saved"
"""The stage that `gate.training.finish` tells last."""


def train(
    snapshots: str | Sequence[str],
    *,
    base: Path_,
    recipe: Path_,
    overrides: Sequence[str] = (),
    name: str | None = None,
    script: Path_ | None = None,
    launch: str = "one",
    criteria: Path_ = DEFAULT,
    template: str | None = None,
    allow_code: Sequence[str] = (),
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    signer: Signer | None = None,
    watching: Watching | None = None,
) -> Trained:
    """Train a candidate on approved snapshots, and sign what it was made of.

    Args:
        snapshots: names or ids, each `NAME` or `NAME=WEIGHT`.
        base: a folder with a model, or a hub's id.
        recipe: a recipe's name or file.
        overrides: `key=value`, over the recipe's.
        name: of the run; else DATASET-RECIPE-N.
        script: a trainer's script in place of the one for the recipe's objective.
        launch: a shipped configuration of accelerate (`cpu`, `one`, `ddp`, `fsdp`, `zero2`, `zero3`), or a file.
        criteria: the promotion policy (a name or a file) that the candidate will be judged by, bound before training.
        template: a chat template (its text), for a base that brings none.
        allow_code: `NAME@DIGEST` of bases whose own Python may run.
        store, trust, trust_revision: as for `gate.open_snapshot`.
        signer: who signs the statement; else the key of the environment.

    Raises:
        UsageError, PolicyError, MissingDependency: something is named wrongly; nothing was started.
        StoreError: there is less room than the run will certainly need.
        NotApproved, Untrusted, Damaged: a snapshot may not be used, and why.
        TrainingFailed: the trainer ended without a candidate, and what to do about it.
        Interrupted: it was told to end by a signal.
        NotRecorded: the run cannot be vouched for.
    """
    seen = watching or Watching()
    by = signer or open_signer()
    prepared = prepare(
        snapshots, base=base, recipe=recipe, overrides=overrides, name=name, script=script, launch=launch,
        criteria=criteria, template=template, allow_code=allow_code, store=store, trust=trust,
        trust_revision=trust_revision, signer=by, on_stage=seen.on_stage,
    )  # fmt: skip
    run = prepared.run
    folder = new_run(prepared.ledger.store.root, name, run.of_role("train")[0].name, prepared.resolved.name)
    run = run.model_copy(update={"name": folder.name, "folder": os.fspath(folder)})
    try:
        with holding(folder) as lock:
            return _go(prepared, run, _written(prepared, run), None, by, lock, seen)
    finally:
        if not (folder / "state.json").exists():  # nothing was started
            shutil.rmtree(folder, ignore_errors=True)


def _written(prepared: Prepared, run: Run) -> RunState:
    """Write what the run is told, and how it stands.

    Raises:
        StoreError: no room, or no permission.
    """
    document = canonical(prepared.resolved.document())
    state = RunState(
        recipe=prepared.resolved.name,
        recipe_digest=_sha256(document),
        script=prepared.script.digest,
        script_name=prepared.script.name,
        script_path=os.fspath(prepared.script.path),
        launch=prepared.configuration,
        launch_path=os.fspath(prepared.configuration_path),
    )
    try:
        (run.place / RECIPE).write_bytes(document)
        if prepared.criteria is not None:
            (run.place / CRITERIA).write_bytes(prepared.criteria)
        run.write()
        if run.recipe.monitor is not None:
            bring_suite(run.recipe.monitor, Folders(find_settings(Path()).folder), run.place, prepared.gating)
    except OSError as error:
        raise refused(error, run.place / RECIPE) from None
    state.write(run.place)
    return state


def prepare(
    snapshots: str | Sequence[str],
    *,
    base: Path_,
    recipe: Path_,
    overrides: Sequence[str] = (),
    name: str | None = None,
    script: Path_ | None = None,
    launch: str = "one",
    criteria: Path_ = DEFAULT,
    template: str | None = None,
    allow_code: Sequence[str] = (),
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    signer: Signer | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Prepared:
    """Everything that `train` does before it makes the run's folder: a dry run.

    Raises:
        as `train`.
    """
    folders = Folders(find_settings(Path()).folder)
    resolved = load_recipe(os.fspath(recipe), folders, overrides)
    chosen = script_for(resolved.recipe.objective, folders, None if script is None else os.fspath(script))
    check_loggers(resolved.recipe)
    if resolved.recipe.objective in ("rloo", "grpo"):
        reward_folder(resolved.recipe)
    configuration = launch_configuration(launch, folders)
    declared = load_promotion_policy(os.fspath(criteria), folders).content()
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    place = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    if signer is not None:
        believed.signer(signer.keyid, signer.name, "training", now())
    ledger = Ledger(place)
    wanted = wanted_by([snapshots] if isinstance(snapshots, str) else snapshots, resolved.recipe)
    uses = mixed(open_all(wanted, ledger, believed, on_stage), resolved.recipe)
    check_trainable(resolved.recipe, uses)
    on_stage("checking the base", 0, 1)
    used = check_base(os.fspath(base), allow_code=allow_code, template=template)
    on_stage("checking the base", 1, 1)
    called = name or f"{uses[0][0].name}-{resolved.name}-N"
    run = Run(
        name=called,
        folder=os.fspath(runs_folder(place.root) / called),
        store=os.fspath(place.root.resolve()),
        trust=_trust_path(trust, believed, trust_revision),
        trust_revision=trust_revision,
        snapshots=[use for use, _ in uses],
        base=used,
        recipe=resolved.recipe,
        criteria=_sha256(declared),
    )
    gating: frozenset[str] = frozenset()
    if resolved.recipe.monitor is not None:
        gating = gating_of(folders, [snapshot for use, snapshot in uses if use.role == "train"], allow_code=allow_code)
        check_disjoint(read_suite(*find_suite(resolved.recipe.monitor.suite, folders)), gating)
    check_room(run)
    return Prepared(run, uses, resolved, chosen, launch, configuration, ledger, believed, declared, gating)


def resume(
    name: str,
    *,
    allow_code: Sequence[str] = (),
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    signer: Signer | None = None,
    watching: Watching | None = None,
) -> Trained:
    """Go on with a run from its last whole checkpoint: the same recipe, base and snapshots, each checked again.

    A run whose trainer ended while nobody watched is recorded without training once more.

    Raises:
        UsageError: there is no such run, it is finished, or is going on; or its recipe, base or script is another than
            it was.
        as `train`.
    """
    seen = watching or Watching()
    by = signer or open_signer()
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    place = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    believed.signer(by.keyid, by.name, "training", now())
    folder = find_run(place.root, name).folder
    with holding(folder) as lock:
        state = find_run(place.root, name).state
        if state.statement is not None:
            raise UsageError(
                f"the run {name} is finished", where=os.fspath(folder), remedy=f"gate runs show {name} tells of it"
            )
        run = _same(Run.load(folder / "run.json"), folder, state)
        ledger = Ledger(place)
        wanted = [Wanted(each.snapshot, each.role, each.weight) for each in run.snapshots]
        uses = open_all(wanted, ledger, believed, seen.on_stage)
        script = Script(Path(state.script_path), state.script_name, state.script)
        if not script.path.is_file() or hash_file(script.path)[0] != script.digest:
            raise UsageError(
                "the script is another than the run began with", where=script.name, remedy="put it back, or train anew"
            )
        seen.on_stage("checking the base", 0, 1)
        # By its folder: a name may be relative to another working directory, or mean a later revision by now.
        allowed = [each.replace(f"{run.base.name}@", f"{run.base.path}@", 1) for each in allow_code]
        found = check_base(run.base.path, allow_code=allowed, template=run.base.template)
        if (found.digest, found.remote_code) != (run.base.digest, run.base.remote_code):
            raise UsageError(
                "the base is another than the run began with", where=run.base.name, remedy="put it back, or train anew"
            )
        seen.on_stage("checking the base", 1, 1)
        resolved = Resolved(state.recipe, run.recipe, {}, ())
        run = run.model_copy(
            update={
                "snapshots": [use for use, _ in uses],
                "store": os.fspath(place.root.resolve()),
                "trust": _trust_path(trust, believed, trust_revision),
                "trust_revision": trust_revision,
            }
        )
        prepared = Prepared(run, uses, resolved, script, state.launch, Path(state.launch_path), ledger, believed)
        return _go(prepared, run, state, last_whole(run.checkpoints), by, lock, seen)


def _same(run: Run, folder: Path, state: RunState) -> Run:
    """A run as it was written, if its folder and its recipe are still the same.

    Raises:
        UsageError: they are not.
    """
    document = canonical(recipe_document(run.recipe))
    if _sha256(document) != state.recipe_digest:
        raise UsageError(
            "its recipe is another than the run began with",
            where=os.fspath(folder / "run.json"),
            remedy="a run goes on as it began; start a new one with the changed recipe",
        )
    if run.place != folder:
        raise UsageError(
            "the run's folder was moved, and its checkpoints name the old one",
            where=os.fspath(folder),
            remedy=f"move it back to {run.folder}, or train anew",
        )
    return run


def _go(
    prepared: Prepared, run: Run, state: RunState, found: Found | None, signer: Signer, lock: int, seen: Watching
) -> Trained:
    """Start the trainer, watch it, and record what came of it."""
    folder = run.place
    before = read_history(folder)
    if found is not None:
        for note in found.passed_over:
            seen.on_note(note)
        clear_after(run.checkpoints, found)
    if found is None or not _ended_alone(run, before):
        state, history = _trained(prepared, run, state, found, lock, seen)
    else:
        seen.on_note("the trainer had ended already, and is only recorded")
        history = before
    facts = Facts(prepared.resolved.document(), state.script, environment_of(run, os.environ))
    try:
        statement = record(run, prepared.opened, history, facts, prepared.ledger, prepared.trust, signer, seen.on_stage)
    except GateError as error:
        ended(state, "failed", error.exit_code, str(error)).write(folder)
        raise
    assert isinstance(statement.about, Training)
    done = ended(state, "finished", 0).model_copy(
        update={"statement": statement.digest, "model": statement.about.model}
    )
    done.write(folder)
    return Trained(run, statement, history, () if found is None else found.passed_over)


def _ended_alone(run: Run, history: History) -> bool:
    """Whether the trainer wrote all that it had to, and nobody was there to record it."""
    reason = None if history.end is None else history.end.fields.get("reason")
    return reason in ("finished", "early_stop", "forgetting") and history.stage == SAVED and run.candidate.is_dir()


def _trained(
    prepared: Prepared, run: Run, state: RunState, found: Found | None, lock: int, seen: Watching
) -> tuple[RunState, History]:
    """Let the trainer run to its end.

    Raises:
        Interrupted, TrainingFailed: it has left no candidate.
    """
    folder = run.place
    checkpoint = found.checkpoint if found else None
    step = found.step if found else 0
    shutil.rmtree(run.candidate, ignore_errors=True)  # of an attempt that is not over
    run = run.model_copy(update={"resume": None if checkpoint is None else os.fspath(checkpoint)})
    run.write()
    launch = launch_of(run, prepared.script, prepared.configuration_path)
    start_of_log = (folder / LOG).stat().st_size if (folder / LOG).exists() else 0
    position = end_of_events(folder)
    if found is not None:
        Events(folder).say("stage", name="resumed", step=step)
    with listening() as told:
        state = begun(state, step if found else None)
        state.write(folder)
        seen.on_prepared(run, step)
        process = start(launch, folder, lock)
        code = follow(
            process, folder, position, told, seen.on_event,
            lambda: seen.on_note("told to end: the trainer finishes its step and writes a checkpoint"),
        )  # fmt: skip
    history = read_history(folder)
    reason = None if history.end is None else history.end.fields.get("reason")
    if told.first is not None and not (code == 0 and reason in ("finished", "early_stop", "forgetting")):
        last = last_whole(run.checkpoints)
        at = f"at step {last.step:,}" if last.checkpoint else "before its first checkpoint"
        stopped = Interrupted(
            f"training was told to end ({signal.Signals(told.first).name}), and ended {at}",
            number=told.first,
            where=run.name,
            remedy=f"gate train --resume {run.name} goes on from there",
        )
        ended(state, "interrupted", stopped.exit_code, str(stopped)).write(folder)
        raise stopped
    if code != 0 or history.error is not None or reason not in ("finished", "early_stop", "forgetting"):
        failed = why(Ended(code, history, folder, run.recipe, _context(run), start_of_log))
        how: State = "interrupted" if failed.code in ("killed", "disk_full") or reason == "interrupted" else "failed"
        ended(state, how, failed.exit_code, str(failed)).write(folder)
        raise failed
    return state, history


def _context(run: Run) -> int | None:
    """The base's context length, where its configuration says it."""
    try:
        config = orjson.loads((Path(run.base.path) / "config.json").read_bytes())
        found = config.get("max_position_embeddings")
        return found if isinstance(found, int) and not isinstance(found, bool) else None
    except (OSError, ValueError, AttributeError):
        return None


def _trust_path(given: Trust | Path_ | None, trust: Trust, revision: str | None) -> str | None:
    """The trust file for the trainer, which opens the snapshots once more.

    Raises:
        UsageError: it is no file.
    """
    if revision is not None:
        return None
    named = given if isinstance(given, str | os.PathLike) else os.environ.get("GATE_TRUST") if given is None else None
    path = Path(trust.origin if named is None else named).expanduser().absolute()
    if not path.is_file() or hash_file(path)[0] != trust.digest:
        raise UsageError(
            "the trust file is not there, or changed in this moment", where=os.fspath(path), remedy="name it once more"
        )
    return os.fspath(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
