"""The chain behind a promotion: what evaluations and promotions name, each object held against its statement.

`gate.snapshots.verification` follows statements; what these name beside their parents is looked at here.
"""

from __future__ import annotations

from gate.errors import GateError
from gate.evaluation.results import open_evaluation
from gate.promotion.policy import policy_of
from gate.provenance.model_standing import model_standing
from gate.provenance.statements import Evaluation, ModelRef, Promotion, Release, Statement, Training
from gate.snapshots.chain import Link, broken
from gate.snapshots.reach import named
from gate.snapshots.verification import Verifier


def evaluation_links(verifier: Verifier, one: Statement) -> list[Link]:
    """What an evaluation names: settings, tasks, and every item, which give the means that it says."""
    about = one.about
    assert isinstance(about, Evaluation)
    try:
        opened = open_evaluation(verifier.ledger, one, verifier.objects.erasures)
    except GateError as error:
        return [broken("items", error)]
    _count(verifier, one)
    items = sum(task.items.height for task in opened.tasks.values())
    tasks = f"{len(opened.tasks):,} task{'s' if len(opened.tasks) > 1 else ''}"
    links = [Link("items", "", said=f"{items:,} items of {tasks} of {about.suite} give the scores of {about.name}")]
    if about.training is not None:
        links += _trained(verifier, about.training, about.model)
    if about.repeat is not None:
        repeated = verifier.statements.get(about.repeat)
        if repeated is not None and (not isinstance(repeated.about, Evaluation) or repeated.about.model != about.model):
            said = "it repeats something that is not an evaluation of the same model"
            links.append(Link("evaluation", f"statements/{about.repeat}.json", "broken", said))
    return links


def promotion_links(verifier: Verifier, one: Statement) -> list[Link]:
    """What a promotion names: the policy, the result and the report; and that its evaluations are of the models that it
    compares."""
    about = one.about
    assert isinstance(about, Promotion)
    links = []
    for what, digest, kind in (
        ("policy", about.policy, "json"),
        *((("criteria", about.criteria, "json"),) if about.criteria else ()),
        ("result", about.result, "json"),
        ("report", about.report, "html"),
    ):
        try:
            read = verifier.objects.read(digest, kind, cut=what in ("result", "report"))
            if what == "policy":
                policy_of(read.content, read.name)
        except GateError as error:
            links.append(broken(what, error))
            continue
        links.append(Link(what, read.name, said=read.told or f"{len(read.content):,} bytes"))
    links += _trained(verifier, about.training, about.model)
    links += _criteria(verifier, about)
    models = {about.model, about.base, *([about.champion] if about.champion else [])}
    scored = set()
    for digest in about.evaluations:
        found = verifier.statements.get(digest)
        if found is None:
            continue  # as a parent, it is said to be missing
        if not isinstance(found.about, Evaluation) or found.about.model not in models:
            said = "it is no evaluation of a model that the promotion compares"
            links.append(Link(found.kind, f"statements/{digest}.json", "broken", said))
        else:
            scored.add(found.about.model)
    if about.model not in scored:
        links.append(Link("evaluations", "", "broken", "none of them is of the candidate"))
    return [*links, *_champion(verifier, about)]


def _count(verifier: Verifier, one: Statement) -> None:
    """That its objects were hashed, as they were read."""
    store = verifier.ledger.store
    for each in named(one):
        path = store.path(each.digest, each.kind)
        if path.is_file():
            verifier.objects.count(each.digest, path.stat().st_size)


def _trained(verifier: Verifier, digest: str, model: str) -> list[Link]:
    """That a training statement is one, and of this model, or of one that was released in this form."""
    found = verifier.statements.get(digest)
    if found is None:
        return []
    name = f"statements/{digest}.json"
    if not isinstance(found.about, Training):
        return [Link(found.kind, name, "broken", "it is no training statement")]
    released = any(
        isinstance(each.about, Release) and each.about.model == model and digest in each.about.sources
        for each in verifier.statements.values()
    )
    if found.about.model != model and not released:
        return [Link("training", name, "broken", f"it is of another model than {model[:12]}")]
    return []


def _criteria(verifier: Verifier, about: Promotion) -> list[Link]:
    """That what was declared before training is what the training statement says."""
    training = verifier.statements.get(about.training)
    if training is None or not isinstance(training.about, Training) or training.about.criteria == about.criteria:
        return []
    return [Link("criteria", "", "broken", "they are not those that the training statement declared")]


def _champion(verifier: Verifier, about: Promotion) -> list[Link]:
    if about.champion_promotion is None:
        return []
    found = verifier.statements.get(about.champion_promotion)
    if found is None:
        return []
    if not isinstance(found.about, Promotion) or found.about.model != about.champion:
        said = "it is not the promotion of the champion that was compared with"
        return [Link(found.kind, f"statements/{about.champion_promotion}.json", "broken", said)]
    return []


def ref_links(verifier: Verifier, one: Statement) -> list[Link]:
    """That a name stood for a model that had passed and was approved at the time."""
    about = one.about
    assert isinstance(about, ModelRef)
    found = verifier.statements.get(about.statement)
    if found is None:
        return []
    name = f"statements/{about.statement}.json"
    if not isinstance(found.about, Promotion):
        return [Link(found.kind, name, "broken", "it is no promotion")]
    if found.about.model != about.model or found.about.champion_name != about.name:
        return [Link("promotion", name, "broken", f"it does not promote {about.model[:12]} to {about.name}")]
    if found.about.verdict != "pass":
        return [Link("promotion", name, "broken", f"it ended as {found.about.verdict}, and promotes nothing")]
    try:
        stood = model_standing(verifier.ledger, verifier.trust, found, at=one.made)
    except GateError as error:
        return [broken("promotion", error, name)]
    if stood.status != "approved":
        why = "; ".join(stood.reasons)
        return [Link("promotion", name, "broken", f"it was not approved when the name was moved: {why}")]
    return [Link("standing", "", said=f"{found.about.name}, approved when it became {about.name}")]
