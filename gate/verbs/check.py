"""`gate check`: read, measure, judge. The one function behind the command, the service and Python."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, get_args

from gate.admission.bind import BoundRule, bind
from gate.admission.profile import profile
from gate.admission.result import AdmissionResult, FailOn
from gate.admission.run import run_rules
from gate.admission.verdict import judge
from gate.checks.base import Context
from gate.data.columns import ColumnMap
from gate.data.frame import KINDS, Dataset, Kind
from gate.data.read import read
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.errors import PolicyError, UsageError
from gate.folders import Folders
from gate.policy.model import Policy
from gate.policy.select import policy_for
from gate.policy.settings import find_settings
from gate.version import __version__

Path_ = str | os.PathLike[str]
OnStage = Callable[[str, int, int], None]
"""Called as the work goes on with (stage, done, total): bytes while reading, rules while judging."""


def check(
    paths: Path_ | Sequence[Path_] = (),
    *,
    policy: str | os.PathLike[str] | None = None,
    select: str | Collection[str] = (),
    ignore: str | Collection[str] = (),
    fail_on: FailOn = "error",
    stdin: BinaryIO | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> AdmissionResult:
    """Judge a dataset.

    Args:
        paths: files, folders, globs or `-` for JSONL on standard input; `gate.yaml`'s paths where empty.
        policy: a policy's name or file, instead of the one for each kind of example.
        select: ids of the only rules to run; ignore: ids of rules to leave out.
        fail_on: `error`; `warning` lets warnings fail too; `never` keeps `exit_code` at 0 on a fail.
        stdin: what `-` reads, standard input by default.
        on_stage: told how far the work is.

    Returns:
        verdict, outcomes, findings (a Polars frame) and profile.

    Raises:
        InputError: a path that cannot be judged at all.
        PolicyError: a policy that does not say something gate can do.
        UsageError: no paths, or a rule that no policy has.
    """
    started, begun = datetime.now(UTC), time.perf_counter()
    if fail_on not in get_args(FailOn):
        raise UsageError(f"fail_on is {fail_on!r}", remedy=f"it is one of {', '.join(get_args(FailOn))}")
    asked = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    settings = find_settings(_start(asked))
    asked = asked or [settings.root / path for path in settings.paths if settings.root]
    if not asked:
        raise UsageError("no data was named", remedy="name a file or a folder, or set `paths:` in gate.yaml")

    folders = Folders(settings.folder)
    kinds: tuple[Kind | None, ...] = (*KINDS, None)
    override = None if policy is None else os.fspath(policy)
    policies = {kind: policy_for(kind, override, settings, folders) for kind in kinds}
    rules = bind(policies, select=_names(select), ignore=_names(ignore))

    with LocalEngine() as engine:
        context = Context(engine, folders)
        for bound in rules:
            _warm(bound, context)
        dataset = read(
            asked,
            columns=_columns(policies.values()) or settings.columns,
            source=any(bound.check.needs_source(bound.params, folders) for bound in rules),
            stdin=stdin or sys.stdin.buffer,
            on_file=lambda path, done, total: on_stage(f"reading {path}", done, total),
        )
        dataset = replace(dataset, root=_near(dataset.root))
        frames = Frames(dataset.examples, dataset.malformed)
        outcomes, findings = run_rules(rules, frames, context, on_stage)

    rows = sum(file.rows for file in dataset.files)
    verdict, reason = judge(outcomes, rows=rows, fail_on=fail_on)
    return AdmissionResult(
        verdict=verdict,
        reason=reason,
        outcomes=outcomes,
        findings=findings,
        dataset=dataset,
        policies=_applied(policies, dataset, rules),
        profile=profile(dataset, frames, findings),
        version=__version__,
        started=started.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - begun,
        fail_on=fail_on,
        folders=folders,
    )


def _start(paths: Sequence[Path_]) -> Path:
    """Where to look for `gate.yaml` from: the first path, or here."""
    first = Path(paths[0]) if paths and os.fspath(paths[0]) != "-" else Path()
    return first if first.exists() else Path()


def _warm(bound: BoundRule, context: Context) -> None:
    """Start what a check is slow to start. What it cannot start is told with the place that asked for it, which a
    check does not know."""
    try:
        bound.check.warm(bound.params, context)
    except PolicyError as error:
        place = bound.rule.places.get("with", bound.rule.places.get(""))
        where = ": ".join(str(part) for part in (place, f"rule {bound.rule.id}", error.where) if part)
        raise PolicyError(error.what, where=where, remedy=error.remedy) from None


def _columns(policies: Iterable[Policy]) -> ColumnMap | None:
    """The columns that policies name: all the same, since a file's kind is known only once it has been read."""
    named: list[ColumnMap] = []
    for policy in policies:
        if policy.columns is not None and policy.columns not in named:
            named.append(policy.columns)
    if len(named) > 1:
        raise PolicyError(
            "the policies of several kinds name different columns",
            remedy="name them once: in rules/admission/base.yaml, in gate.yaml, or in a policy for --policy",
        )
    return named[0] if named else None


def _names(rules: str | Collection[str]) -> Collection[str]:
    return [rules] if isinstance(rules, str) else rules


def _near(root: str) -> str:
    """The root as a person here would write it: a report says nothing of where its author keeps things."""
    path = Path(root)
    if not path.is_relative_to(Path.cwd()):
        return root
    return path.relative_to(Path.cwd()).as_posix() if path != Path.cwd() else path.name


def _applied(policies: dict[Kind | None, Policy], dataset: Dataset, rules: Sequence[BoundRule]) -> dict[str, Policy]:
    """The policies that had rows to judge, by kind."""
    kinds: set[Kind | None] = {*dataset.examples["kind"].unique(), *dataset.malformed["kind"].unique()}
    return {kind or "base": policy for kind, policy in policies.items() if kind in kinds}
