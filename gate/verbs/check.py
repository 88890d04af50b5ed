"""`gate check`: read, measure, judge. The one function behind the command, the service and Python."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO, ParamSpec, TypeVar, get_args

import polars as pl

from gate.admission.against import compared, counted, mark_old
from gate.admission.bind import BoundRule, bind, placed
from gate.admission.gate_files import judged
from gate.admission.measure import is_known, profiled
from gate.admission.prepare import LITTLE, Demand, Reading, demands, known, prepare
from gate.admission.profile import Profile, completed
from gate.admission.result import FINDINGS, AdmissionResult, Comparison, FailOn
from gate.admission.run import Ran, applied, findings_of, ordered, run_rules
from gate.admission.sources import Sources, gather
from gate.admission.stored import StoredDataset
from gate.admission.verdict import judge
from gate.admission.waived import waived
from gate.checks.base import Context, Measurement, no_reviews
from gate.checks.presidio.process import LANE, begin
from gate.data.columns import ColumnMap
from gate.data.frame import KINDS, Kind
from gate.data.read import no_dataset
from gate.engines.local import LocalEngine, as_they_end
from gate.errors import PolicyError, UsageError
from gate.folders import Folders
from gate.policy.model import Policy
from gate.policy.select import policy_for
from gate.policy.settings import Settings, find_settings
from gate.provenance.moments import written
from gate.store.cache import Cache
from gate.store.places import open_cache, size_limit
from gate.verbs.base import Base, open_base, settled
from gate.version import __version__

if TYPE_CHECKING:
    from gate.provenance.statements import Statement

P = ParamSpec("P")
T = TypeVar("T")

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
    cache: bool = True,
    base: Path_ | None = None,
    home: Path_ | None = None,
    reviews: pl.DataFrame | None = None,
    waivers: Sequence[Statement] = (),
    keep_source: bool = False,
    stdin: BinaryIO | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> AdmissionResult:
    """Judge a dataset.

    Args:
        paths: files, folders, globs or `-` for JSONL on standard input; `gate.yaml`'s paths where empty.
        policy: a policy's name or file, instead of the one for each kind of example.
        select: ids of the only rules to run; ignore: ids of rules to leave out.
        fail_on: `error`; `warning` lets warnings fail too; `never` keeps `exit_code` at 0 on a fail.
        cache: keep what was worked out of each file for the next run, and use what an earlier one kept.
        base: a git revision or a folder to compare with: only what is new counts, and the base's rules judge.
        home: where `gate.yaml`, rules and the cache are looked for from, instead of the first path.
        reviews: what trusted people said of examples (schema gate.checks.base.REVIEWS), for `spot_check`.
        waivers: of trusted people; the findings that those that hold now cover do not count.
        keep_source: keep every record as it was read in the examples of the result's dataset.
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
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    start = Path(home) if home is not None else _start(given)
    override = None if policy is None else os.fspath(policy)
    store = open_cache(start, keep=cache)
    try:
        with LocalEngine() as engine, tempfile.TemporaryDirectory(prefix="gate-") as scratch:
            spool = Path(scratch)
            if base is None:
                settings, against = find_settings(start), None
                asked = settled(given, settings)
            else:
                against, asked = open_base(os.fspath(base), [Path(path) for path in given], start, spool)
                settings = against.settings
            piped = stdin or sys.stdin.buffer

            def gathered() -> list[Sources]:
                sides = [gather(asked, spool, stdin=piped, threads=engine.cores)]
                if against is not None:
                    sides.append(gather(against.paths, spool, stdin=piped, threads=engine.cores, root=against.root))
                if not _names(select):
                    with contextlib.suppress(Exception):  # a head start: what is wrong is said where it is needed
                        _expect_all(sides, settings, engine, store)
                return sides

            # What is wrong with a policy is said before anything is read, so what comes on a pipe waits.
            piped_in = any(os.fspath(path) == "-" for path in asked)
            gathering = None if piped_in else _meanwhile(gathered)
            demanded = _demanded(settings, against, override, _names(select), _names(ignore))
            context = Context(engine, demanded.folders, reviews=no_reviews() if reviews is None else reviews)
            reading = Reading(
                columns=_columns(demanded.policies.values()) or settings.columns,
                keep_source=keep_source or demanded.needs_source,
                folders=demanded.folders,
                cache=store,
            )
            sides = gathered() if gathering is None else _awaited(gathering)
            missing = _missing(demanded, sides, reading)
            _warm((bound for bound, demand in demanded.pairs if demand in missing), context)
            prepared = prepare(sides, missing, reading, engine, _told(on_stage))
            if not prepared[0].files:
                raise no_dataset(prepared[0].skipped, asked)
            dataset, *others = (StoredDataset(*side, reading) for side in zip(sides, prepared, strict=True))
            old = others[0] if others else None
            if old is not None:
                mark_old(dataset, old)
            pairs = applied(demanded.pairs, dataset)
            profiling = engine.beside(profiled, demanded.profile, dataset, store)
            # Thousands of files are looked at; what this run still adds is small, and too young to be thrown away.
            shrinking = engine.beside(store.shrink, size_limit())
            ran = run_rules(pairs, dataset, old, context, store, on_stage)
            figures, _ = _awaited(profiling), _awaited(shrinking)
            comparison, before, own = None, [], None
            if against is not None and old is not None:
                before = run_rules(applied(demanded.pairs, old), old, None, context, store)
                ran = [*compared(ran, before, dataset, old)]
                comparison = _comparison(against, dataset, old, ran, before, profiled(demanded.profile, old, store))
                found = against.changes(find_settings(start), demanded.files)
                own = judged(found, place=against.place(dataset.root))
            ran = waived(ran, waivers, written(started)) if waivers else ran
            dataset.root = _near(dataset.root)
    except BaseException:
        store.close()
        raise
    outcomes, findings = tuple(each.outcome for each in ran), findings_of(ran)
    if own is not None:
        findings, outcomes = ordered(pl.concat([own[0], findings])), (own[1], *outcomes)
    verdict, reason = judge(
        outcomes,
        rows=sum(file.rows for file in dataset.files),
        fail_on=fail_on,
        before=[each.outcome for each in before],
        compared=comparison is not None,
    )
    return AdmissionResult(
        verdict=verdict,
        reason=reason,
        outcomes=outcomes,
        findings=findings,
        dataset=dataset,
        policies=_applied(demanded.policies, dataset),
        profile=completed(figures, findings, [outcome.figures for outcome in outcomes]),
        version=__version__,
        started=started.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - begun,
        fail_on=fail_on,
        comparison=comparison,
        folders=demanded.folders,
        applied=tuple(pairs),
    )


def _meanwhile(function: Callable[[], T]) -> Future[T]:
    """Do it in a thread that nobody waits for who has given up."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - handed on by the future
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _awaited(future: Future[T]) -> T:
    """What comes of it; Ctrl-C is heard meanwhile."""
    (done,) = as_they_end([future])
    return done.result()


def _expect_all(sides: Sequence[Sources], settings: Settings, engine: LocalEngine, store: Cache) -> None:
    """Begin importing what takes long (Presidio in its worker, SciPy here) where a little is new, while the policies
    are still being read: most of such a run would be spent waiting for it. Which columns policies name is not known
    yet; where they do, it may have been begun for nothing."""
    folders = Folders(settings.folder)
    usual = Reading(columns=settings.columns, keep_source=False, folders=folders, cache=store)
    new = [file.bytes for side in sides for file in side.files if not store.has(usual.key(file, side))]
    if 0 < sum(new) <= LITTLE:
        engine.submit(LANE, begin)
        import_module("scipy.sparse.csgraph")


@dataclass(frozen=True, slots=True)
class _Demanded:
    """What is demanded of the data."""

    folders: Folders
    policies: dict[Kind | None, Policy]
    pairs: tuple[tuple[BoundRule, Demand], ...]
    profile: Demand

    @property
    def files(self) -> list[Path]:
        """The files that the rules name: policies, and what their checks read."""
        found = [self.folders.find(file) for policy in self.policies.values() for file in policy.files]
        inputs = [path for bound, _ in self.pairs for path in bound.check.inputs(bound.params, self.folders)]
        return [*(path for path in found if path is not None), *inputs]

    @property
    def needs_source(self) -> bool:
        return any(bound.check.needs_source(bound.params, self.folders) for bound, _ in self.pairs)


def _demanded(
    settings: Settings, against: Base | None, policy: str | None, select: Collection[str], ignore: Collection[str]
) -> _Demanded:
    """Policies and rules, bound to their checks; of the base, where there is one."""
    folders = Folders(settings.folder)
    kinds: tuple[Kind | None, ...] = (*KINDS, None)
    override = policy if against is None else against.policy(policy)

    def bound() -> _Demanded:
        policies = {kind: policy_for(kind, override, settings, folders) for kind in kinds}
        rules = bind(policies, select=select, ignore=ignore, folders=folders)
        *wanted, profile = demands(rules, folders)
        return _Demanded(folders, policies, tuple(zip(rules, wanted, strict=True)), profile)

    try:
        return bound()
    except PolicyError:
        if against is None:
            raise
    against.complete()  # a rule may name any file of the base
    return bound()


def _comparison(
    against: Base,
    dataset: StoredDataset,
    old: StoredDataset,
    ran: Sequence[Ran],
    before: Sequence[Ran],
    profile: Profile,
) -> Comparison:
    figures = [each.measured.seen.figures for each in before if isinstance(each.measured.seen, Measurement)]
    counts = counted(dataset, old)
    gone = [each.fixed for each in ran if each.fixed is not None]
    return Comparison(
        base=against.asked,
        revision=against.commit,
        rows=counts.rows,
        new=counts.new,
        unchanged=counts.unchanged,
        removed=counts.removed,
        fixed=ordered(pl.concat([pl.DataFrame(schema=FINDINGS), *gone])),
        profile=completed(profile, findings_of(before), figures),
    )


def _start(paths: Sequence[Path_]) -> Path:
    """Where to look for `gate.yaml` from: the first path, or here."""
    first = Path(paths[0]) if paths and os.fspath(paths[0]) != "-" else Path()
    return first if first.exists() else Path()


def _missing(demanded: _Demanded, sides: Sequence[Sources], reading: Reading) -> list[Demand]:
    """What is still to be worked out of the files: nothing for a check that has seen the very same before."""
    wanted = [*(demand for _, demand in demanded.pairs), demanded.profile]
    seen = [known(side, reading) for side in sides]
    if any(each is None for each in seen):
        return wanted
    dataset, *others = (
        StoredDataset(side, each, reading) for side, each in zip(sides, seen, strict=True) if each is not None
    )
    old = others[0] if others else None
    return [
        demand
        for demand in wanted
        if not is_known(demand, dataset, None if demand is demanded.profile else old, reading.cache)
        or (old is not None and not is_known(demand, old, None, reading.cache))
    ]


def _warm(rules: Iterable[BoundRule], context: Context) -> None:
    """Start what checks are slow to start. What cannot be started is told with the place that asked for it, which a
    check does not know."""
    for bound in rules:
        # A check of rows runs in processes that start it themselves; here only what it lacks is found out.
        own = context if bound.check.features is not None else Context(_Nobody(), context.folders)
        try:
            bound.check.warm(bound.params, own)
        except PolicyError as error:
            raise placed(bound, error) from None


class _Nobody:
    """Workers that never begin."""

    cores = 1

    def submit(self, lane: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return Future()


def _told(on_stage: OnStage) -> OnStage:
    return lambda file, done, total: on_stage(f"reading {file}", done, total)


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


def _applied(policies: dict[Kind | None, Policy], dataset: StoredDataset) -> dict[str, Policy]:
    """The policies that had rows to judge, by kind."""
    kinds = {kind for file in dataset.prepared.files for kind in file.kinds}
    return {kind or "base": policy for kind, policy in policies.items() if kind in kinds}
