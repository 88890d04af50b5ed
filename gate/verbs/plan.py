"""`gate plan`: what training would come to, before anything is trained."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from gate.errors import InputError, UsageError
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.provenance.trust import Trust
from gate.store.objects import Store
from gate.training.hub import fetch, hub_id, is_offline
from gate.training.plan import Plan, planned
from gate.training.plan_memory import Device
from gate.training.plan_method import GB, Room
from gate.training.plan_recipe import Asked
from gate.training.plan_rules import PlanForm, load_plan_rules
from gate.verbs.snapshot import open_snapshot

Path_ = str | os.PathLike[str]
OnStage = Callable[[str, int, int], None]

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(|[kmgt]i?b?|b)\s*", re.IGNORECASE)
_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_LARGEST_TEMPLATE = 1 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """What a person says of the task; whatever is left out is asked for, and never assumed."""

    prompt_baseline: float | None = None
    """The share of the test set that prompts as they are get right."""
    optimised_prompts: float | None = None
    """The best such share of optimised prompts."""
    target: float | None = None
    expected: float | None = None
    """The share that fine-tuning is hoped to reach."""
    goal: str | None = None
    latency: float | None = None
    """Milliseconds that an answer may take."""
    consistency: str | None = None
    hours: float | None = None
    """Of preparing data."""
    prompt_hours: float | None = None
    rate: float | None = None
    """Of an hour of work."""
    compute: float = 0.0


def plan(
    snapshot: str,
    base: Path_,
    *,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    chat_template: Path_ | None = None,
    memory: str | int | None = None,
    device: str | None = None,
    tflops: float | None = None,
    tokens_per_second: float | None = None,
    task: Task | None = None,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Plan:
    """What training on a snapshot would come to.

    Args:
        snapshot: an approved snapshot, as for `gate.open_snapshot`.
        base: a model's folder, of which config.json, the tokenizer and the headers of its weights are read; or a model
            of the hub, of which the small files are fetched.
        recipe: a recipe's name or file; the nearest with gate's settings, where it is not given.
        overrides: `key=value` on top of it.
        memory: of the device, as `24GB` or in bytes.
        device: a name in rules/plan.yaml, or `cpu`.
        tflops: what the device does at most; else the named device's, else (for `cpu`) measured here.
        tokens_per_second: what an earlier run was seen to do, which is surer.

    Raises:
        UsageError: no such snapshot, base, device or goal; a number that is none.
        NotApproved, Untrusted, Damaged: as `gate.open_snapshot`.
        InputError: the base is none, or its tokenizer cannot be read.
        PolicyError: rules/plan.yaml or the recipe does not say something gate can do.
    """
    folders = Folders(find_settings(Path()).folder)
    rules = load_plan_rules(folders)
    said = task or Task()
    _check(said, rules)
    room, speed, source = _room(rules, memory, device)
    template = None if chat_template is None else _template(Path(chat_template))
    on_stage("verifying", 0, 1)
    opened = open_snapshot(
        snapshot,
        store=store,
        trust=trust,
        trust_revision=trust_revision,
        on_bytes=lambda done, total: on_stage("verifying", done, total),
    )
    folder = _folder(os.fspath(base))
    if tflops is None and room.device == "cpu" and tokens_per_second is None:
        speed, source = _measured(), "measured on this machine"
    asked = Asked(
        base=os.fspath(base),
        folder=folder,
        room=room,
        template=template,
        template_file=None if chat_template is None else os.fspath(chat_template),
        recipe=recipe,
        overrides=tuple(overrides),
        prompt_baseline=said.prompt_baseline,
        optimised_prompts=said.optimised_prompts,
        target=said.target,
        expected=said.expected,
        goal=said.goal,
        latency=said.latency,
        consistency=said.consistency,
        hours=said.hours,
        prompt_hours=said.prompt_hours,
        rate=said.rate,
        compute=said.compute,
        tflops=tflops if tflops is not None else speed,
        tflops_from="as you gave it" if tflops is not None else source,
        tokens_per_second=tokens_per_second,
    )
    return planned(opened, asked, rules, folders, lambda done, total: on_stage("reading the examples", done, total))


def _check(task: Task, rules: PlanForm) -> None:
    for flag, score in (
        ("--prompt-baseline", task.prompt_baseline),
        ("--optimised-prompts", task.optimised_prompts),
        ("--target", task.target),
        ("--expected", task.expected),
    ):
        if score is not None and not 0 <= score <= 1:
            raise UsageError(f"{score:g} is no share", where=flag, remedy="write 0.85 for 85 % of the test set")
    for flag, word, known in (
        ("--goal", task.goal, rules.decision.goals),
        ("--consistency", task.consistency, rules.decision.consistency),
    ):
        if word is not None and word not in known:
            raise _unknown(flag, word, list(known))


def _unknown(flag: str, word: str, known: Sequence[str]) -> UsageError:
    close = get_close_matches(word.lower(), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return UsageError(f"there is no {word[:100]!r}", where=flag, remedy=f"{hint}it is one of {', '.join(known)}")


def _room(rules: PlanForm, memory: str | int | None, device: str | None) -> tuple[Room, float | None, str]:
    """The device; what it does at most (10^12 operations a second), and who says so."""
    size = None if memory is None else memory if isinstance(memory, int) else bytes_of(memory)
    kind: Device = "gpu"
    speed, source = None, ""
    if device is not None:
        name = device.lower()
        if name == "cpu":
            kind, size = "cpu", size if size is not None else _physical()
        elif name in rules.devices:
            found = rules.devices[name]
            size = size if size is not None else int(found.memory * GB)
            speed, source = found.tflops, found.source
        else:
            raise _unknown("--device", device, ["cpu", *rules.devices])
    usable = None if size is None else int(size * (1 - rules.memory.headroom.value))
    has_bf16 = kind == "cpu" or device is None or rules.devices[device.lower()].bf16
    return Room(size, kind, device, usable, has_bf16), speed, source


def bytes_of(text: str) -> int:
    """A size as people write it: `24GB`, `24 GiB`, `500M`; GB where no unit is named.

    Raises:
        UsageError: it is none.
    """
    match = _SIZE.fullmatch(text)
    number = float(match[1]) if match else 0.0
    if match is None or number <= 0:
        raise UsageError(f"{text[:40]!r} is no size", where="--memory", remedy="write 24GB")
    unit = match[2].lower()
    return int(number * (1 if unit == "b" else _UNITS[unit.removesuffix("b") or "g"]))


def _physical() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _measured() -> float:
    """What this machine does at most, 10^12 operations a second: products of matrices in fp32."""
    import time

    import numpy as np

    size = 768
    one = np.ones((size, size), dtype=np.float32)
    best = float("inf")
    for _ in range(6):
        begun = time.perf_counter()
        one @ one
        best = min(best, time.perf_counter() - begun)
    return 2 * size**3 / best / 1e12


def _template(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_TEMPLATE:
            raise UsageError("it is too large for a chat template", where=str(path), remedy="is this the right file?")
        return path.read_text("utf-8")
    except OSError as error:
        raise UsageError(
            f"the chat template cannot be read ({error.strerror})", where=str(path), remedy="name a Jinja file"
        ) from None
    except UnicodeDecodeError:
        raise UsageError("not UTF-8", where=str(path), remedy="name a Jinja file") from None


def _folder(name: str) -> Path:
    """The folder of a base; of the hub's, where the name is no folder, its small files."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    wanted = None if name.startswith((".", "/", "~")) else hub_id(name)
    if path.exists() or wanted is None:
        raise InputError(
            "it is a file, and a base is a folder" if path.exists() else "there is no such folder",
            where=name,
            remedy="name a folder with config.json and tokenizer.json, or a model of the hub: owner/model",
        )
    return fetch(*wanted, offline=is_offline(), weights=False).folder
