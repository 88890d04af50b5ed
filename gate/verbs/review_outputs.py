"""`gate review --outputs`: the outputs of a candidate that a person is to read, as a sample like any other.

An output becomes an example of kind `chat` whose id is gate.reporting.promotion_items.output_id: what is said of it is
kept, signed and counted as of examples, and the next report of the candidate shows it. Nothing of a test item goes into
the statement but that id.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from gate.data.frame import EXAMPLES
from gate.errors import UsageError
from gate.evaluation.results import EvaluatedTask
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.promotion.gather import find_judged, gather
from gate.promotion.policy import DEFAULT, load_promotion_policy
from gate.provenance.ledger import Ledger
from gate.reporting.promotion_reading import BY, SIZE, drawn
from gate.snapshots.sample import Drawn
from gate.verbs.review import Sample
from gate.verbs.surroundings import open_store, open_trust

OnStage = Callable[[str, int, int], None]


def sample_outputs(
    what: str,
    *,
    size: int | None = None,
    seed: int = 0,
    store: Path | None = None,
    trust: Path | None = None,
    trust_revision: str | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Sample:
    """Draw outputs of a candidate, of every task and of what changed against the base and what did not: the same ones
    as its report shows, for the same size and seed.

    Args:
        what: a run, a folder with a candidate, or eight or more digits of its digest.
        size: how many; 40 where nobody says.

    Raises:
        UsageError: there is no such candidate, or none of its tasks makes it say anything.
        NotJudged: it was not scored.
        Untrusted, Damaged: its evaluations are not by trusted people, or not what was signed.
    """
    place = open_store(store)
    ledger, believed = Ledger(place), open_trust(trust, trust_revision)
    on_stage("reading evaluations", 0, 1)
    judged = find_judged(what, ledger, believed)
    policy = load_promotion_policy(DEFAULT, Folders(find_settings(Path()).folder))
    sides = gather(judged, None, policy, ledger, believed)
    on_stage("reading evaluations", 1, 1)
    candidate = sides.candidate.evaluations
    chosen = drawn(candidate, sides.base.evaluations, judged.model, size=size or SIZE, seed=seed)
    if chosen.is_empty():
        raise UsageError(
            "there is no output to read: none of its tasks makes it say anything",
            where=judged.name,
            remedy=f"score it on one that does: gate eval {judged.name} --suite regression",
        )
    rows = [_example(each, candidate[each["suite"]].tasks[each["task"]]) for each in chosen.iter_rows(named=True)]
    examples = pl.DataFrame(rows, schema=EXAMPLES)
    strata = chosen.group_by(BY, maintain_order=True).agg(pl.len().alias("drawn"))
    found = Drawn(seed, BY, chosen.select("id", *BY), strata, chosen.height)
    return Sample(found, examples, None, place.root)


def _example(row: dict[str, object], task: EvaluatedTask) -> dict[str, object]:
    """An output as a row of EXAMPLES: the prompt, the right answer where there is one, what the candidate said."""
    item = task.items.row(int(str(row["index"])), named=True)
    said: list[tuple[str, str | None, str]] = [("user", "prompt", item["prompt"])]
    if item["target"]:
        said.append(("right answer", None, item["target"]))
    said.append(("assistant", "candidate", item["output"]))
    turns = [
        {"role": role, "content": content, "name": name, "tool_calls": None, "tool_call_id": None}
        for role, name, content in said
    ]
    known = {"id": row["id"], "record_id": row["id"], "file": row["task"], "row": int(item["index"]) + 1}
    return dict.fromkeys(EXAMPLES) | known | {"shape": "messages", "kind": "chat", "split": "test", "messages": turns}
