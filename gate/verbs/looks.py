"""What `gate verify` looks at of each kind of statement about models, beside its parents."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gate.promotion.chain import evaluation_links, promotion_links, ref_links
from gate.provenance.statements import Statement
from gate.snapshots.chain import Link
from gate.snapshots.verification import Verifier
from gate.training.chain import release_links, training_links

LOOKS: Mapping[str, Callable[[Verifier, Statement], list[Link]]] = {
    "training": training_links,
    "release": release_links,
    "evaluation": evaluation_links,
    "promotion": promotion_links,
    "model_ref": ref_links,
}
"""By kind."""
