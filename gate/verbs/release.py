"""`gate export`: a candidate in the form that it is released in, proven to be the same model, and signed.

Order: whom to trust and who signs; the candidates and their base, every file hashed; the form, in a process of its
own and beside the place where it will lie; the comparison, in a fresh process; its place; the statement. Whatever goes
wrong before the end leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

from gate.errors import InputError, UsageError
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.statements import OutputFile, Release, now
from gate.provenance.trust import Trust
from gate.store.files import REFUSALS, StoreError, refused
from gate.store.objects import Store
from gate.training.model_files import hashed_files, model_digest
from gate.training.release import (
    COMBINATIONS,
    FORMS,
    Combination,
    Compared,
    Form,
    Ingredient,
    Job,
    Made,
    NotTheSame,
    check_packages,
    check_request,
    lost,
    quantisation_of,
)
from gate.training.release_card import README, RELEASE, Card, notes_of, readme, release_json
from gate.training.release_process import COMPARED, MADE, run_step
from gate.training.release_prompts import PROMPTS
from gate.training.release_released import Released
from gate.training.release_sources import Source, find_base, find_source, linked, size_of
from gate.training.run_file import BaseModelUse
from gate.verbs.surroundings import open_signer, open_store, open_trust

__all__ = ["Released", "export"]

Path_ = str | os.PathLike[str]
OnStage = Callable[[str, int, int], None]


def export(
    candidate: Path_,
    form: Form,
    *,
    others: Sequence[Path_] = (),
    out: Path_ | None = None,
    quantise: str | None = None,
    combine: Combination = "cat",
    base: Path_ | None = None,
    tolerance: float | None = None,
    allow_code: Sequence[str] = (),
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    signer: Signer | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Released:
    """Release a candidate in a form, once its logits were compared with the candidate's in a fresh process.

    Args:
        candidate: a run's name, a candidate's folder, or eight or more digits of a model's digest; with `=WEIGHT`
            behind it its update is scaled.
        form: `adapter`, `merged`, `gguf` or `onnx`.
        others: more LoRAs of the same base, as `candidate`, whose weighted updates are added.
        out: the folder to make; else NAME-FORM in the working directory.
        quantise: as `gate.training.release.QUANTISATIONS` has it for the form.
        combine: how several LoRAs become one: `gate.training.release.COMBINATIONS`.
        base: where the base lies, if not where it lay while the candidate was trained.
        tolerance: the largest difference of logits; else by form and quantisation.
        allow_code: `NAME@DIGEST` of bases whose own Python may run.
        store, trust, trust_revision: as for `gate.open_snapshot`.
        signer: who signs the statement; else the key of the environment.

    Raises:
        UsageError: no such candidate or form; something lies at `out`.
        Unmergeable: the candidate cannot be had in this form.
        Unrecorded, Untrusted, Damaged, NotApproved: the candidate is not what was trained, or may not be released.
        InputError: the base is not there, or is another.
        MissingDependency: a package that the form takes is not installed.
        NotTheSame: the form's logits are further from the candidate's than the tolerance.
        ExportFailed: a process crashed.
        StoreError: there is no room.
    """
    wanted = [weighted(candidate), *map(weighted, others)]
    _known(form, combine, tolerance)
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    place = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    by = signer or open_signer()
    believed.signer(by.keyid, by.name, "release", now())
    ledger = Ledger(place)
    on_stage("verifying", 0, len(wanted) + 1)
    sources = []
    for what, weight in wanted:
        sources.append(find_source(what, weight, ledger, believed))
        on_stage("verifying", len(sources), len(wanted) + 1)
    first = sources[0]
    target = Path(out) if out is not None else Path(_called(sources, form, quantise))
    _free(target)
    _together(sources, form, quantise)
    check_packages(form)
    used = find_base(first, None if base is None else Path(base), allow_code)
    on_stage("verifying", len(wanted) + 1, len(wanted) + 1)
    with _beside(target, used, sources) as work:
        job = _job(sources, used, form, quantise, combine, tolerance, work)
        on_stage("exporting", 0, 2)
        run_step(job, "make")
        on_stage("exporting", 1, 2)
        run_step(job, "compare")
        on_stage("exporting", 2, 2)
        made = Made.model_validate_json((work / MADE).read_bytes())
        compared = Compared.model_validate_json((work / COMPARED).read_bytes())
        _same(form, compared, made)
        card = Card(job, sources, used, made, compared)
        (work / "form" / RELEASE).write_text(release_json(card), "utf-8")
        (work / "form" / README).write_text(readme(card), "utf-8")
        outputs = _outputs(work / "form")
        release = Release(
            form=form,
            model=model_digest({path: each.sha256 for path, each in outputs.items()}),
            outputs=outputs,
            sources=[each.statement.digest for each in sources],
            weights=[each.weight for each in sources],
            quantisation=quantisation_of(form, quantise),
            tolerance=compared.tolerance,
            difference=compared.difference,
        )
        _free(target)
        (work / "form").rename(target)
        try:
            statement = ledger.say(release, by)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)  # nobody vouches for it
            raise
    return Released(target, statement, release, tuple(sources), made, compared, tuple(notes_of(job, made)))


def weighted(what: Path_) -> tuple[str, float]:
    """A candidate and its weight: `NAME=0.3`; without a weight it is 1.

    Raises:
        UsageError: the weight is none.
    """
    text = os.fspath(what)
    name, equals, weight = text.rpartition("=")
    if not equals or Path(text).exists():
        return text, 1.0
    try:
        figure = float(weight)
    except ValueError:
        figure = math.nan
    if not math.isfinite(figure) or figure == 0 or not name:
        raise UsageError(f"{weight!r} is no weight", where=text, remedy="write NAME=0.3; a negative one takes away")
    return name, figure


def _known(form: Form, combine: Combination, tolerance: float | None) -> None:
    if form not in FORMS:
        raise UsageError(f"there is no form {form!r}", remedy=f"it is one of {', '.join(FORMS)}")
    if combine not in COMBINATIONS:
        raise UsageError(f"adapters cannot be combined by {combine!r}", remedy=f"use one of {', '.join(COMBINATIONS)}")
    if tolerance is not None and not (math.isfinite(tolerance) and tolerance > 0):
        raise UsageError("the tolerance is no positive number", where="--tolerance")


def _called(sources: Sequence[Source], form: Form, quantise: str | None) -> str:
    names = "+".join(each.name for each in sources)
    return f"{names[:100]}-{form}{f'-{quantise}' if quantise else ''}"


def _free(target: Path) -> None:
    if os.path.lexists(target):
        raise UsageError(
            "there is something there already", where=os.fspath(target), remedy="name another place with --out"
        )


def _together(sources: Sequence[Source], form: Form, quantise: str | None) -> None:
    """That these candidates can be had in this form, and together."""
    first = sources[0]
    combined = len(sources) > 1 or first.weight != 1.0
    check_request(form, quantise, [each.method for each in sources], first.said.kind, combined)
    seen: dict[str, str] = {}
    for each in sources:
        if each.training.base != first.training.base:
            raise UsageError(
                f"{first.name} and {each.name} were trained from different bases "
                f"({first.training.base[:12]} and {each.training.base[:12]})",
                remedy="only LoRAs of one base can be merged with weights",
            )
        if each.said.kind != first.said.kind or (each.said.kind != "causal" and combined):
            raise UsageError(
                f"{each.name} cannot be merged with weights: a head that classifies is no LoRA",
                remedy="merge candidates that continue text, or export this one alone",
            )
        if each.training.model in seen:
            raise UsageError(f"{each.name} is named twice", remedy="say its weight once")
        seen[each.training.model] = each.name


@contextlib.contextmanager
def _beside(target: Path, base: BaseModelUse, sources: Sequence[Source]) -> Iterator[Path]:
    """A folder beside the place where the form will lie, gone at the end however that comes about."""
    work = target.absolute().parent / f".{target.name}-{uuid.uuid4().hex[:12]}"
    made = [each for each in (work.parent, *work.parent.parents) if not each.exists()]
    try:
        try:
            work.mkdir(parents=True)
            _room(work, base, sources)
            yield work
        except OSError as error:
            if error.errno not in (*REFUSALS, errno.ENOTEMPTY, errno.EEXIST):
                raise
            full = refused(error, work)
            raise StoreError(
                full.what, where=os.fspath(target), remedy="make room, or name another place with --out"
            ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
        for folder in made:  # those that were made for it, where nothing came to lie in them
            with contextlib.suppress(OSError):
                folder.rmdir()


def _room(work: Path, base: BaseModelUse, sources: Sequence[Source]) -> None:
    """That there is room for the form before hours are spent on it: for a model as large as the base, and its logits.

    Raises:
        StoreError: there is not.
    """
    needed = size_of(Path(base.path), list(base.files)) + sum(
        size_of(each.folder, list(each.training.outputs)) for each in sources
    )
    if (free := shutil.disk_usage(work).free) < needed:
        raise StoreError(
            f"there is no room: {free / 1e9:.1f} GB are free, and about {needed / 1e9:.1f} GB are needed",
            where=os.fspath(work.parent),
            remedy="make room, or name another place with --out",
        )


def _job(
    sources: Sequence[Source],
    base: BaseModelUse,
    form: Form,
    quantise: str | None,
    combine: Combination,
    tolerance: float | None,
    work: Path,
) -> Job:
    """What the processes are told; they see links to verified files, and nothing else."""
    linked(list(base.files), Path(base.path), work / "base")
    ingredients = []
    for at, each in enumerate(sources):
        folder = work / f"candidate-{at}"
        linked(list(each.training.outputs), each.folder, folder)
        ingredients.append(Ingredient(name=each.name, folder=os.fspath(folder), method=each.method, weight=each.weight))
    first = sources[0]
    alike = len({each.said.quantisation for each in sources}) == 1
    return Job.model_validate(
        {
            "form": form,
            "quantise": quantise,
            "combine": combine,
            "kind": first.said.kind,
            "labels": first.said.labels or [],
            "ingredients": ingredients,
            "base": os.fspath(work / "base"),
            "precision": first.said.precision,
            "quantisation": first.said.quantisation if alike else None,
            "remote_code": base.remote_code,
            "tolerance": tolerance,
            "prompts": list(PROMPTS),
            "work": os.fspath(work),
        }
    )


def _same(form: Form, compared: Compared, made: Made) -> None:
    if compared.positions == 0:
        raise InputError("nothing was compared: no prompt has a token")
    allowed = compared.merge_tolerance or 0.0
    if compared.merge is not None and not compared.merge <= allowed:
        raise NotTheSame(
            f"the {form} form is not the candidate on its base in full precision: its logits differ by up to "
            f"{compared.merge:.3g}, and {allowed:.3g} is allowed; nothing was released",
            remedy="a finer --quantise",
        )
    if not compared.difference <= compared.tolerance:
        raise NotTheSame(
            f"the {form} form is not the candidate: its logits differ by up to {compared.difference:.3g}, and "
            f"{compared.tolerance:.3g} is allowed (both find the same token likeliest at {compared.agreement:.1%} of "
            f"{compared.positions} positions); nothing was released",
            remedy="a finer --quantise; or --tolerance, where you know why it has to be larger",
        )
    if lost(compared, made):
        raise NotTheSame(
            f"the {form} form is nearer to the untouched base than to the candidate (root mean square of logits "
            f"{compared.from_base:.3g} and {compared.distance:.3g}): what was trained is not in it; nothing was "
            f"released",
            remedy="a finer --quantise",
        )


def _outputs(folder: Path) -> dict[str, OutputFile]:
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)  # safetensors writes files that only their owner may read
    files = hashed_files(folder)
    return {name: OutputFile(sha256=digest, bytes=(folder / name).stat().st_size) for name, digest in files.items()}


assert set(get_args(Form)) == set(FORMS)
