"""`gate eval`: models on suites, each item scored, each suite sealed in a signed statement.

Order: whom to trust and who signs; the models, every file hashed; the suites and their data; then model by model, suite
by suite, task by task. What was scored before under the same key is not scored again, and a killed evaluation goes on
with the first task that is not finished.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from gate.errors import UsageError
from gate.evaluation.backends import NotScored
from gate.evaluation.harness import Loaded, distinct, key_for, run_suite
from gate.evaluation.outcome import Evaluations, Failure, Scored
from gate.evaluation.prompts import Prompts, baselines, check_shots
from gate.evaluation.quiet import go_offline
from gate.evaluation.record import Ran, seal_evaluation
from gate.evaluation.results import find_evaluations, open_evaluation
from gate.evaluation.resume import Unfinished, sealed_before
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject
from gate.evaluation.task import Suite
from gate.evaluation.task_document import SUITES, SuiteName
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation, Statement, now
from gate.provenance.trust import Trust
from gate.store.objects import Store
from gate.training.environment import environment_document
from gate.training.hub import hub_id
from gate.verbs.evaluate_models import Here, Watching, Work, planned
from gate.verbs.surroundings import open_signer, open_store, open_trust

__all__ = ["Evaluations", "Watching", "evaluate"]

Path_ = str | os.PathLike[str]
Precision = Literal["fp32", "bf16", "fp16"]


def evaluate(
    models: Path_ | Sequence[Path_] = (),
    *,
    suites: Sequence[str] | None = None,
    base: Path_ | None = None,
    with_base: bool = True,
    with_champion: bool = True,
    for_run: str | None = None,
    snapshots: Sequence[str] = (),
    shots: Sequence[int] = (),
    systems: Sequence[Path_] = (),
    repeat: bool = False,
    precision: Precision | None = None,
    batch_size: int = 16,
    device: str | None = None,
    seed: int = 0,
    max_length: int | None = None,
    chat_template: bool = True,
    backend: str | None = None,
    backend_args: Mapping[str, str] | None = None,
    url: str | None = None,
    allow_code: Sequence[str] = (),
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    signer: Signer | None = None,
    watching: Watching | None = None,
) -> Evaluations:
    """Score models on suites, and sign what came out: an `Evaluation` for each model and suite.

    Args:
        models: runs by name, folders of candidates, of released merged models or of bases, digests, hub ids, or
            `champion`. Without one, the base of `for_run`.
        suites: names of suites; None: all that apply.
        base: where the base of an adapter lies; None: where it lay while the candidate was trained.
        with_base, with_champion: whether a candidate's base, and the champion, are scored on the same items where they
            have not been yet.
        for_run: the run whose suites are meant, where a base or the champion is scored without it.
        snapshots: names of snapshots whose test splits are meant, where no run says it.
        shots, systems: prompt baselines: the base under each number of few-shot examples with each system prompt (a
            file with its text).
        repeat: score the base once more, afresh, to see what noise there is.
        precision: None: fp32 on a CPU, bf16 on a GPU.
        device: `cpu` or `cuda`; None: a GPU where PyTorch sees one.
        max_length: tokens; None: the model's own context.
        chat_template: whether prompts go through the model's chat template, where it has one.
        backend: lm-eval's name of one; None: `hf`, or `local-completions` with a `url`.
        backend_args: handed to it.
        url: of a server that speaks the OpenAI protocol and serves the one model that is named.
        allow_code: `NAME@DIGEST` of bases, and `SUITE/FILE.py@DIGEST` of tasks, whose Python may run.
        store, trust, trust_revision: as for `gate.open_snapshot`.
        signer: who signs the statements; else the key of the environment.

    Returns:
        What was scored. What could not be is in `failures`: nothing is sealed of it, so that nothing can rest on it.

    Raises:
        UsageError, InputError, PolicyError, MissingDependency: something is named wrongly.
        Unrecorded, Damaged, NotApproved, Untrusted: a model, or what it was trained on, may not be used.
    """
    named = [models] if isinstance(models, str | os.PathLike) else list(models)
    given = [os.fspath(each) for each in named]
    asked = baselines(shots, [Path(each) for each in systems])
    wanted = _names(suites, prompts=bool(asked))
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    place = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    by = signer or open_signer()
    believed.signer(by.keyid, by.name, "evaluation", now())
    here = Here(
        Ledger(place), believed, by, Folders(find_settings(Path()).folder), tuple(allow_code),
        None if base is None else Path(base), url, watching or Watching(), wanted,
    )  # fmt: skip
    if not given and for_run is None:
        raise UsageError("no model is named", remedy="name a run, a folder, or --for RUN to score its base")
    if url is not None and len(given) != 1:
        raise UsageError("a server serves one model, and --url goes with one", remedy="name that one")
    work, together, notes = planned(given, here, for_run, snapshots, with_base, with_champion, bool(asked))
    for each in asked:
        check_shots((suite for one in work for suite in one.suites), each.shots)
    for note in notes:
        here.watching.on_note(note)
    hub = any(task.document.source == "hub" for each in work for suite in each.suites for task in suite.tasks)
    if not hub and not any(_is_hub(each) for each in (*given, "" if base is None else os.fspath(base))):
        go_offline()
    settings = _settings(
        precision=precision, batch_size=batch_size, device=device, seed=seed, max_length=max_length,
        chat_template=chat_template, backend=backend, backend_args=backend_args, url=url,
    )  # fmt: skip
    scored, failures = _all_scored(work, settings, asked, repeat, here)
    return Evaluations(tuple(scored), tuple(failures), tuple(together), tuple(notes))


def _is_hub(name: str) -> bool:
    return bool(name) and not Path(name).expanduser().exists() and hub_id(name) is not None


def _names(suites: Sequence[str] | None, *, prompts: bool) -> tuple[SuiteName, ...] | None:
    if not suites:
        return ("regression",) if prompts else None
    for name in suites:
        if name not in SUITES:
            raise UsageError(f"there is no suite {name[:100]!r}", remedy=f"suites: {', '.join(SUITES)}")
    return tuple(each for each in SUITES if each in suites)


def _settings(
    *,
    precision: Precision | None,
    batch_size: int,
    device: str | None,
    seed: int,
    max_length: int | None,
    chat_template: bool,
    backend: str | None,
    backend_args: Mapping[str, str] | None,
    url: str | None,
) -> Settings:
    chosen = backend or ("hf" if url is None else "local-completions")
    if device is None:
        device = "cpu" if url is not None or not _has_gpu() else "cuda"
    return Settings(
        backend=chosen,
        backend_args=dict(backend_args or {}),
        url=url,
        precision=precision or ("bf16" if device == "cuda" else "fp32"),
        batch_size=1 if chosen == "local-chat-completions" else batch_size,
        device=device,
        seed=seed,
        chat_template=chat_template,
        max_length=max_length,
    )


def _has_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


def _all_scored(
    work: Sequence[Work], settings: Settings, asked: Sequence[Prompts], repeat: bool, here: Here
) -> tuple[list[Scored], list[Failure]]:
    scored: list[Scored] = []
    failures: list[Failure] = []
    environment = environment_document(device=settings.device)
    ways: Sequence[Prompts | None] = asked or [None]
    for each in work:
        loaded = Loaded(each.subject, settings)  # how it is asked changes nothing of how it is loaded
        try:
            for prompts, suite in ((prompts, suite) for prompts in ways for suite in each.suites):
                own = settings if prompts is None else prompts.settings(settings)
                try:
                    one = _scored(each.subject, suite, own, prompts, environment, loaded, here)
                    scored.append(one)
                    if repeat and each.subject.training is None:
                        scored.append(_repeated(each.subject, suite, own, prompts, environment, loaded, one, here))
                except NotScored as error:
                    failures.append(Failure(each.subject, suite.name, error))
                    here.watching.on_note(f"{each.subject.name} could not be scored on {suite.name}: {error}")
        finally:
            loaded.close()
    return scored, failures


def _scored(
    subject: Subject,
    suite: Suite,
    settings: Settings,
    prompts: Prompts | None,
    environment: Mapping[str, object],
    loaded: Loaded,
    here: Here,
) -> Scored:
    here.watching.on_suite(subject, suite, settings)
    before = _sealed(subject, suite, settings, here)
    if before is not None:
        count = len(suite.tasks)
        done = Scored(subject, suite.name, open_evaluation(here.ledger, before), True, count, (), _file(prompts))
        here.watching.on_scored(done)
        return done
    unfinished = Unfinished.of(here.ledger.store)
    began = time.monotonic()
    ran = run_suite(
        subject, suite, settings, unfinished, loaded=loaded,
        sealed=sealed_before(here.ledger, here.trust, subject.model), on_task=here.watching.on_task,
    )  # fmt: skip
    statement = seal_evaluation(
        subject, suite.name, ran, settings, environment, here.ledger, here.signer, prompts=_document(prompts),
        seconds=time.monotonic() - began,
    )  # fmt: skip
    for each in ran:
        unfinished.forget(each.key)
    return _told(subject, suite, ran, statement, prompts, here)


def _repeated(
    subject: Subject,
    suite: Suite,
    settings: Settings,
    prompts: Prompts | None,
    environment: Mapping[str, object],
    loaded: Loaded,
    first: Scored,
    here: Here,
) -> Scored:
    """The same once more, whatever is kept."""
    here.watching.on_suite(subject, suite, settings)
    began = time.monotonic()
    ran = run_suite(
        subject, suite, settings, Unfinished.of(here.ledger.store), loaded=loaded, fresh=True,
        on_task=here.watching.on_task,
    )  # fmt: skip
    statement = seal_evaluation(
        subject, suite.name, ran, settings, environment, here.ledger, here.signer, prompts=_document(prompts),
        repeat=first.statement.digest, seconds=time.monotonic() - began,
    )  # fmt: skip
    return _told(subject, suite, ran, statement, prompts, here)


def _told(
    subject: Subject, suite: Suite, ran: Sequence[Ran], statement: Statement, prompts: Prompts | None, here: Here
) -> Scored:
    done = Scored(
        subject, suite.name, open_evaluation(here.ledger, statement), False, sum(each.kept for each in ran),
        tuple(note for each in ran for note in each.notes), _file(prompts),
    )  # fmt: skip
    for note in done.notes:
        here.watching.on_note(note)
    here.watching.on_scored(done)
    return done


def _sealed(subject: Subject, suite: Suite, settings: Settings, here: Here) -> Statement | None:
    """A trusted evaluation of exactly these tasks, under these settings."""
    wanted = {task.name: key_for(subject, task, settings) for task in distinct(suite)}
    for each in reversed(find_evaluations(here.ledger, here.trust, subject.model, suite=suite.name)):
        about = each.about
        assert isinstance(about, Evaluation)
        if about.repeat is None and {one.task: one.key for one in about.tasks} == wanted and about.form == subject.form:
            return each
    return None


def _document(prompts: Prompts | None) -> dict[str, object] | None:
    return None if prompts is None else prompts.model_dump(mode="json")


def _file(prompts: Prompts | None) -> str | None:
    return None if prompts is None else prompts.file
