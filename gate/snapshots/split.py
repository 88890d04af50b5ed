"""Which split each admitted example is in.

The order of the examples is that of a hash of their content ids, and the first of them are the test split, the next
the validation split, the rest is trained on; what belongs together (gate.snapshots.clusters) moves as one. So the same
examples are divided in the same way wherever they lie, and a dataset that grows keeps its splits but for a few
examples at the two cuts: none that was trained on comes into the test split, as validation lies in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.admission.bind import BoundRule
from gate.admission.keys import check_key_of
from gate.admission.prepare import Demand
from gate.checks.base import Context
from gate.checks.leakage import LeakageParams, UnsplitParams, leakage
from gate.data.corpus import ROWS, Corpus
from gate.data.frame import SPLITS, Split
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.load import load_policy
from gate.policy.snapshot_rules import FILE, SnapshotRules, SplitRules
from gate.snapshots.clusters import Likeness, Rows, clusters, joined, likeness, ranked
from gate.snapshots.draw import CODES, DRAWN, NO_SPLIT, REASONS, Drawn, Examples, TooFew, draw
from gate.snapshots.split_notes import Note, notes_of_drawn, notes_of_given, of, small_strata, table_of


@dataclass(frozen=True, slots=True)
class Assigned:
    """Every admitted example with its split, in the order of the corpus."""

    splits: pl.Series
    """Enum of `SPLITS`, one per admitted example, none null."""
    reasons: pl.Series
    """Enum of `REASONS`, the same."""
    clusters: pl.Series
    """u32, the number of each example's cluster; examples alone have one too. All of them where splits were given."""
    counts: Mapping[Split, int]
    """Examples of each split; they add up to the admitted ones."""
    table: pl.DataFrame
    """Schema `TABLE`: how each stratum is divided; all examples in one where there are no strata."""
    notes: tuple[Note, ...]


def splitting_demands(rules: Sequence[BoundRule], folders: Folders) -> tuple[Demand, ...]:
    """What `assign` has to know of every file, to be prepared with the demands of the rules: one for each different
    leakage rule (its search, for rows of every kind); that of the shipped policy where no rule looks for leakage."""
    wanted = [bound.params for bound in rules if bound.check.name == leakage.name]
    if not wanted:
        shipped = load_policy("base", Folders()).rules
        wanted = [LeakageParams.model_validate(rule.params) for rule in shipped if rule.check == leakage.name]
    demands: dict[str, Demand] = {}
    for params in wanted:
        own = UnsplitParams.model_validate(params.model_dump() | {"unsplit": True, "prompts": "warning"})
        key = check_key_of(leakage, own, folders)
        demands[key] = Demand(leakage.name, own, key, None, of_rows=False)
    return tuple(demands.values())


def assign(
    corpus: Corpus,
    admitted: pl.Series | NDArray[np.bool_],
    rules: SnapshotRules,
    leaks: LeakageParams,
    context: Context,
    strata: pl.Series | None = None,
    *,
    also: Sequence[tuple[pl.LazyFrame, LeakageParams]] = (),
) -> Assigned:
    """Give every admitted example a split.

    Examples keep the splits that the data brings. Those without are divided in the ratios of the rules, of all
    admitted examples; where some have a split and others have none, these fill up what is short, and one whose cluster
    has a split goes there (where it has several, to what a model is judged by).

    Args:
        corpus: every row of the dataset, with the features of `splitting_demands` (of each row, in its order).
        admitted: whether each row of the corpus is sealed.
        rules: `gate.policy.snapshot_rules.load_snapshot_rules`.
        leaks: what the leakage rule calls the same.
        context: for the search of near-duplicates.
        strata: the value of the column to stratify by, of each row of the corpus (`gate.snapshots.strata.strata_of`).
        also: features and parameters of further leakage rules.

    Raises:
        PolicyError: nothing brought a split, and there are too few examples for the minimums.
    """
    chosen = np.asarray(admitted, dtype=bool)
    rows = corpus.rows.filter(pl.Series(chosen)).with_columns(old=pl.lit(False))
    given = rows["split"].cast(pl.String).replace_strict(CODES, default=NO_SPLIT, return_dtype=pl.Int64).to_numpy()
    own = None if strata is None else strata.filter(pl.Series(chosen))
    examples = Examples(rows, given, *_numbered(own, rows.height))
    if examples.all_given:
        return _assigned(examples, given, np.zeros_like(given), np.arange(rows.height), rules.split)
    alike = [
        likeness(replace(corpus, features=features), chosen, params, context)
        for features, params in [(corpus.features, leaks), *also]
    ]
    cluster = clusters(alike)
    while True:
        try:
            drawn = draw(examples, cluster, rules.split)
        except TooFew:
            raise _too_few(examples, cluster, rules.split) from None
        pairs = _leaks(alike, examples, drawn, cluster)
        if not pairs.size:
            return _assigned(examples, drawn.code, drawn.reason, cluster, rules.split, drawn)
        cluster = joined(cluster, pairs[0], pairs[1], ranked(rows))


def _numbered(values: pl.Series | None, height: int) -> tuple[Rows, list[str | None]]:
    """The number of each example's stratum, and the values of all strata in order."""
    if values is None:
        return np.zeros(height, dtype=np.int64), [None]
    texts = values.cast(pl.String)
    every = texts.unique().sort(nulls_last=False)
    numbers = every.to_frame("value").with_row_index("number")
    own = texts.to_frame("value").join(numbers, on="value", how="left", nulls_equal=True, maintain_order="left")
    return own["number"].cast(pl.Int64).to_numpy(), every.to_list()


def _leaks(alike: Sequence[Likeness], examples: Examples, drawn: Drawn, cluster: Rows) -> Rows:
    """What the leakage check itself still finds, as pairs of examples (shape (2, pairs)) that are then kept together.

    Two examples that the data itself put into different splits are left to the leakage rule.
    """
    splits = pl.Series("split", drawn.code).replace_strict(dict(enumerate(DRAWN)), return_dtype=ROWS["split"])
    found: list[Rows] = [np.empty((2, 0), dtype=np.int64)]
    for each in alike:
        every = pl.Series("split", [None], ROWS["split"]).new_from_index(0, each.corpus.rows.height)
        corpus = replace(each.corpus, rows=each.corpus.rows.with_columns(every.scatter(each.admitted, splits)))
        params = each.params.model_copy(update={"prompts": "warning"})  # a prompt never straddles, whatever the rule
        findings = leakage.function(corpus, params, each.context).findings
        if findings.height:
            found.append(_pairs(findings, examples.rows))
    left, right = np.concatenate(found, axis=1)
    mendable = (examples.given[left] == NO_SPLIT) | (examples.given[right] == NO_SPLIT)
    left, right = left[mendable], right[mendable]
    together = cluster[left] == cluster[right]
    if (together & (examples.given[left] == NO_SPLIT) & (examples.given[right] == NO_SPLIT)).any():
        raise RuntimeError("examples of one cluster were drawn into different splits")
    # One that is like examples of several splits, as the data gave them, is where its cluster is, for better or worse.
    return np.stack([left[~together], right[~together]])


def _pairs(findings: pl.DataFrame, rows: pl.DataFrame) -> Rows:
    places = rows.select("file", "row").with_row_index("left")
    wanted = findings.select(pl.col("file").cast(ROWS["file"]), "row", "partner").join(places, on=["file", "row"])
    ids = rows.select(partner="id").with_row_index("right").filter(pl.col("partner").is_in(wanted["partner"].implode()))
    both = wanted.join(ids.unique("partner", keep="first", maintain_order=True), on="partner")
    if both.height != findings.height:
        raise RuntimeError("a finding of the leakage check is about no example")
    return np.stack([both["left"].cast(pl.Int64).to_numpy(), both["right"].cast(pl.Int64).to_numpy()])


def _too_few(examples: Examples, cluster: Rows, rules: SplitRules) -> PolicyError:
    demanded = ", ".join(f"{rules.minimum[split]:,} for {split}" for split in SPLITS)
    number = np.unique(cluster).size
    at_most = {split: min(int(count), rules.minimum[split]) for split, count in rules.wanted(examples.size).items()}
    smaller = ", ".join(f"{split}: {at_most[split]}" for split in SPLITS)
    together = "" if number == examples.size else f", in {of(number, 'cluster')} of what belongs together,"
    return PolicyError(
        f"{of(examples.size, 'admitted example')}{together} cannot be divided into {demanded}",
        where=rules.place("split.minimum"),
        remedy=(
            "add examples; or bring your own splits (files called train, validation and test, or a column `split`); "
            f"or ask for fewer in a {FILE} of your own: `{{version: 1, split: {{minimum: {{{smaller}}}}}}}`"
        ),
    )


def _assigned(
    examples: Examples, code: Rows, reason: Rows, cluster: Rows, rules: SplitRules, drawn: Drawn | None = None
) -> Assigned:
    counts = np.bincount(code, minlength=len(DRAWN))
    by_split: dict[Split, int] = {split: int(counts[CODES[split]]) for split in SPLITS}
    number = np.unique(cluster, return_inverse=True)[1]
    notes = [] if examples.none_given else notes_of_given(by_split, rules)
    if drawn is not None:
        notes += notes_of_drawn(examples, drawn, by_split, rules)
    return Assigned(
        splits=pl.Series("split", code).replace_strict(dict(enumerate(DRAWN)), return_dtype=ROWS["split"]),
        reasons=pl.Series("reason", reason).replace_strict(dict(enumerate(REASONS)), return_dtype=pl.Enum(REASONS)),
        clusters=pl.Series("cluster", number, pl.UInt32),
        counts=by_split,
        table=table_of(examples, code, number, small_strata(examples, by_split)),
        notes=tuple(notes),
    )
