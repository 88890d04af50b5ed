"""Runs a suite under lm-eval, task by task, and keeps what comes out of each before the next one begins.

Everything that moves a score is pinned: batch size, precision, four seeds, shots, template. lm-eval's own cache stays
off (its key does not know the model), and its data files get names with their digest, in a folder that is thrown away.
"""

from __future__ import annotations

import copy
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from gate.errors import UsageError
from gate.evaluation.backends import Backend, NotScored, opened
from gate.evaluation.memorization_kept import kept_items
from gate.evaluation.prompts import shows_none
from gate.evaluation.quiet import quietly
from gate.evaluation.record import Ran, document_bytes
from gate.evaluation.results import key_of, means
from gate.evaluation.resume import Unfinished, read_items
from gate.evaluation.sampled import items_of
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject
from gate.evaluation.task import Suite, Task
from gate.evaluation.task_data import digest_of, placed
from gate.provenance.statements import TaskScores

OnTask = Callable[[str, int, int], None]
"""Told of a task's name, of its requests done, and of those in all."""


class Loaded:
    """A model that is loaded when it is first needed, and kept for every suite after that."""

    def __init__(self, subject: Subject, settings: Settings) -> None:
        self._subject, self._settings = subject, settings
        self._context: Any = None
        self._backend: Backend | None = None

    def backend(self) -> Backend:
        """It, ready.

        Raises:
            GateError: it cannot be loaded.
        """
        if self._backend is None:
            context = opened(self._subject, self._settings)
            self._backend, self._context = context.__enter__(), context
        return self._backend

    def close(self) -> None:
        """Let go of it."""
        context, self._context, self._backend = self._context, None, None
        if context is not None:
            context.__exit__(None, None, None)


def run_suite(
    subject: Subject,
    suite: Suite,
    settings: Settings,
    unfinished: Unfinished,
    *,
    loaded: Loaded | None = None,
    sealed: Mapping[str, TaskScores] | None = None,
    fresh: bool = False,
    on_task: OnTask = lambda task, done, total: None,
) -> list[Ran]:
    """Score a model on every task of a suite; what was scored before under the same key is not scored again.

    Args:
        unfinished: where finished tasks of unfinished suites are.
        loaded: the model, where several suites share it.
        sealed: tasks by their keys that trusted people scored it on (gate.evaluation.resume.sealed_before).
        fresh: score everything, whatever is there (a repeat).

    Raises:
        UsageError: the suite has no tasks, or two of one name that are not the same.
        NotScored: a task could not be scored, in whole.
        GateError: the model cannot be loaded.
    """
    own = loaded or Loaded(subject, settings)
    try:
        ran = []
        for task in distinct(suite):
            key = key_for(subject, task, settings)
            found = None if fresh else _kept(task, key, unfinished, sealed or {})
            on_task(task.name, 0, 0)
            if found is None:
                found = _scored(task, key, settings, own.backend(), unfinished, fresh, on_task)
            ran.append(found)
        return ran
    finally:
        if loaded is None:
            own.close()


def key_for(subject: Subject, task: Task, settings: Settings) -> str:
    """The key of a task's result."""
    document = hashlib.sha256(document_bytes(task.document)).hexdigest()
    return key_of(subject.model, document, settings, subject.beneath)


def distinct(suite: Suite) -> tuple[Task, ...]:
    """The tasks of a suite, each once: a task may stand alone and in a group.

    Raises:
        UsageError: there are none, or two different ones have one name.
    """
    found: dict[str, Task] = {}
    for task in suite.tasks:
        before = found.setdefault(task.name, task)
        if before.document != task.document:
            raise UsageError(
                f"two different tasks are called {task.name}",
                where=suite.name,
                remedy="rename one of them; `extends: true` adds to gate's suite, and cannot replace a task of it",
            )
    if not found:
        raise UsageError(f"the suite {suite.name} has no tasks", remedy="what is not measured cannot pass: add a task")
    return tuple(found.values())


def _kept(task: Task, key: str, unfinished: Unfinished, sealed: Mapping[str, TaskScores]) -> Ran | None:
    notes: tuple[str, ...] = ()
    if (before := sealed.get(key)) is not None:
        items = read_items(unfinished.store, before, task.document)
    elif (finished := unfinished.find(key, task.document)) is not None:
        items, notes = finished.items, finished.notes
    else:
        return None
    return Ran(task, key, items, means(items, task.document), kept=True, notes=notes)


def _scored(
    task: Task, key: str, settings: Settings, backend: Backend, unfinished: Unfinished, fresh: bool, on_task: OnTask
) -> Ran:
    began = time.monotonic()
    items, notes = score_task(task, settings, backend, lambda done, total: on_task(task.name, done, total))
    if not fresh:
        unfinished.keep(key, task.document, items, notes)
    seconds = time.monotonic() - began
    return Ran(task, key, items, means(items, task.document), notes=notes, seconds=seconds)


def score_task(
    task: Task, settings: Settings, backend: Backend, on_progress: Callable[[int, int], None]
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """A task's items for a model (schema gate.evaluation.items.ITEMS), and what a person should know of them.

    Raises:
        NotScored: it could not be scored, in whole; the message names task and item.
        UsageError: it has no shots to give, or its data changed since the suite was read.
    """
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    # A text that was trained on bare is put bare: a task made of training rows may say so.
    said = (task.document.config.get("metadata") or {}).get("gate") or {}
    chat = backend.chat and said.get("chat_template", True)
    with quietly(on_progress), _data(task) as config:
        _set_shots(task, config, settings)
        try:
            hub = task.document.source == "hub"
            # A task of lm-eval's own is found by its name in a group's list only; alone it would be a new, empty one.
            spec = {"group": "gate", "task": [config]} if hub else config
            manager = TaskManager(include_defaults=hub)
            if hub and task.name not in manager.task_index:
                remedy = "`lm_eval ls tasks` lists those there are"
                raise NotScored("lm-eval has no task of that name", where=task.name, remedy=remedy)
            loaded = manager.load([spec])["tasks"]
            if len(loaded) != 1:
                some = ", ".join([*loaded][:3])
                remedy = f"name its tasks one by one: {some} …"
                raise NotScored(f"it is a group of {len(loaded):,} tasks", where=task.name, remedy=remedy)
            (built,) = loaded.values()
            found = simple_evaluate(
                model=backend.lm,
                tasks=[built],
                task_manager=manager,
                num_fewshot=None,
                batch_size=settings.batch_size,
                bootstrap_iters=0,
                log_samples=True,
                limit=None,
                use_cache=None,
                cache_requests=False,
                apply_chat_template=chat,
                fewshot_as_multiturn=chat,
                system_instruction=settings.system,
                random_seed=settings.seed,
                numpy_random_seed=settings.seed,
                torch_random_seed=settings.seed,
                fewshot_random_seed=settings.seed,
                confirm_run_unsafe_code=task.document.code is not None,
            )
        except NotScored as error:
            raise NotScored(error.what, where=error.where or task.name, remedy=error.remedy) from None
        except Exception as error:
            raise not_scored(task, error) from error
        if found is None:
            raise NotScored("lm-eval gave nothing back", where=task.name, remedy="score on one process")
        (counts,) = found["n-samples"].values()
        if counts["effective"] != counts["original"]:
            raise NotScored(
                f"{counts['effective']:,} of {counts['original']:,} items were scored", where=task.name, remedy="again"
            )
        (samples,) = found["samples"].values()
        items = items_of(task, built, samples)
        if task.document.source == "training":
            items = kept_items(items)
        return items, tuple(_notes(task, built, backend, samples, items))


@contextmanager
def _data(task: Task) -> Iterator[dict[str, Any]]:
    """lm-eval's configuration of a task, with its items in files that are named by their digest, in a folder of their
    own with the copies that `datasets` makes: nothing of them stays.

    Raises:
        UsageError: there are no items, or they are not those that the task's digest binds.
    """
    data = task.document.data
    if data is None:
        yield copy.deepcopy(dict(task.config))
        return
    if not task.documents:
        raise UsageError("it has no items", where=task.name, remedy="an empty task measures nothing")
    if digest_of(task.documents) != data:
        raise UsageError("its items are not those of its digest", where=task.name, remedy="read the suite again")
    with tempfile.TemporaryDirectory(prefix="gate-eval-") as folder:
        config = copy.deepcopy(dict(placed(task, Path(folder)).config))
        config["dataset_kwargs"] = config["dataset_kwargs"] | {"cache_dir": str(Path(folder) / "cache")}
        yield config


_SHOTS_FROM = ("fewshot_split", "training_split", "validation_split")


def _set_shots(task: Task, config: dict[str, Any], settings: Settings) -> None:
    """Few-shot examples as the settings say. lm-eval's own option does not reach tasks that say 0, and takes the
    examples of a task that has none to take from its test items: their answers would stand in the prompt."""
    if settings.shots is not None and not shows_none(task):
        config["num_fewshot"] = settings.shots
    few = config.get("fewshot_config") or {}
    source = any(config.get(key) for key in _SHOTS_FROM) or few.get("samples") or few.get("split")
    if (config.get("num_fewshot") or 0) > 0 and not source and task.document.source != "hub":
        raise UsageError(
            f"it has no examples for {config['num_fewshot']} shots but its test items",
            where=task.name,
            remedy="give it a `fewshot_split` with data of its own, or --shots 0",
        )


def not_scored(task: Task, error: Exception) -> NotScored:
    """What a person is told of an exception from below."""
    said = (str(error).splitlines() or [""])[0][:300]
    kind = type(error).__name__
    if _is_network(error):
        return NotScored(
            f"its data or its server cannot be reached ({kind}: {said[:120]})",
            where=task.name,
            remedy="what is not measured blocks; go online once to fetch it (HF_HUB_OFFLINE off), or check --url",
        )
    if isinstance(error, NotImplementedError):
        return NotScored(
            f"this backend cannot do what the task asks for ({said or 'likelihoods'})",
            where=task.name,
            remedy="likelihoods need --backend local-completions with a server that echoes them, or --backend hf",
        )
    if "out of memory" in said.lower():
        return NotScored("the device has too little memory", where=task.name, remedy="a smaller --batch-size")
    return NotScored(f"lm-eval stopped: {kind}: {said}", where=task.name, remedy="correct the task, or report it")


_NETWORK = ("requests", "httpx", "httpcore", "aiohttp", "urllib3", "huggingface_hub", "tenacity")
_NETWORK_NAMES = (
    "ConnectionError",
    "OfflineModeIsEnabled",
    "LocalEntryNotFoundError",
    "DatasetNotFoundError",
    "Timeout",
)


def _is_network(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        module = type(seen).__module__.partition(".")[0]
        if module in _NETWORK or type(seen).__name__ in _NETWORK_NAMES or isinstance(seen, ConnectionError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _notes(task: Task, built: Any, backend: Backend, samples: Any, items: pl.DataFrame) -> Iterator[str]:
    if built.OUTPUT_TYPE == "generate_until" and items["output"].str.strip_chars().eq("").all():
        yield f"{task.name}: the model wrote nothing at all, on any of {items.height:,} items"
    room = None
    if built.OUTPUT_TYPE == "generate_until":
        said = (built.config.generation_kwargs or {}).get("max_gen_toks")
        room = int(said if said is not None else getattr(backend.lm, "max_gen_toks", 0))
    if backend.max_length is None or built.OUTPUT_TYPE == "loglikelihood_rolling":
        return
    long = 0
    for row in samples:
        ends = [""] if room is not None else [str(each[1]) for each in row["arguments"]]
        longest = max(ends, key=len)
        text = str(row["arguments"][0][0]) + longest
        if len(text) + (room or 0) > backend.max_length:  # a token has a character at least
            long += (backend.tokens(text) or 0) + (room or 0) > backend.max_length
    if long:
        yield f"{task.name}: {long:,} of {items.height:,} prompts are longer than the model's context, and were cut"
