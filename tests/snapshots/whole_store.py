"""A store with everything in it: a waiver, a review, an admission that rests on both, its approval and its name."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from gate.admission.finding_ids import finding_ids
from gate.provenance.envelope import sign
from gate.provenance.keys import PrivateKey
from gate.provenance.ledger import Ledger
from gate.provenance.statements import About, Admission, Waiver, drafted, now, written
from gate.snapshots.layout import ADMITTED, VERDICTS, Descriptor
from gate.snapshots.parquet import from_parquet
from gate.snapshots.verdicts import said
from gate.snapshots.verification import Verification
from gate.store.objects import Store
from gate.verbs.admit import admit
from gate.verbs.check import check
from gate.verbs.verify import verify
from tests.snapshots.made import People, approve, chats, write_rows, write_splits

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Whole:
    """A store, and how to break it."""

    root: Path
    data: Path
    people: People
    snapshot: str
    parts: dict[str, str]
    """Every file of the store by what it is."""

    @property
    def store(self) -> Store:
        return Store(self.root)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store)

    @property
    def about(self) -> Admission:
        about = self.ledger.statement(Path(self.parts["admission"]).stem).about
        assert isinstance(about, Admission)
        return about

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor.model_validate_json(self.store.read(self.about.descriptor, "json"))

    def file(self, part: str) -> Path:
        return self.root / self.parts[part]

    def copy(self, folder: Path) -> Whole:
        """The same elsewhere, to be broken."""
        shutil.copytree(self.root, folder / "store")
        return Whole(folder / "store", self.data, self.people, self.snapshot, self.parts)

    def verify(self, what: str | None = None, **options: object) -> Verification:
        return verify(what, store=self.root, trust=self.people.trust, **options)  # type: ignore[arg-type]

    def say(
        self,
        about: About,
        signer: PrivateKey,
        *,
        made: str | None = None,
        name: str | None = None,
        chained: bool = True,
    ) -> str:
        """Sign a statement without any of the care that `Ledger.say` takes; returns its digest."""
        draft = drafted(
            about,
            author=name or signer.name,
            keyid=signer.keyid,
            previous=self.ledger.head(signer.keyid) if chained else None,
            made=made or now(),
        )
        return self.store.put_statement(sign(draft, signer))


def make_whole(folder: Path, people: People, policy: Path) -> Whole:
    data = write_splits(folder / "data")
    rows = chats(0, 60)
    twice = [*rows, rows[0], rows[1], {"instruction": "And now?", "output": ""}]
    with write_rows(data / "train.jsonl", twice).open("a", encoding="utf-8") as file:
        file.write('{"instruction": "broken\n')
    store = Store.create(folder / "store")
    ledger = Ledger(store)
    found = check(data, policy=policy, cache=False)
    ids = finding_ids(found.findings.filter(pl.col("rule") == "exact_duplicates"))
    until = written(datetime.now(UTC) + DAY)
    ledger.say(Waiver(rule="exact_duplicates", findings=[ids[0]], until=until, why="Asked for twice."), people.ben)
    examples = found.dataset.examples["id"].unique(maintain_order=True)[:5]
    verdicts = pl.DataFrame(
        {"id": examples, "verdict": ["good"] * 4 + ["bad"], "reason": [None] * 4 + ["too curt"], "at": [now()] * 5},
        schema=VERDICTS,
    )
    said(ledger, verdicts, people.ben, seed=7, sampled=5)
    admitted = admit(data, name="harbour", signer=people.ana, trust=people.trust, policy=policy, store=store.root)
    approve(admitted, people)
    whole = Whole(
        store.root, data, people, admitted.snapshot, {"admission": f"statements/{admitted.statement.digest}.json"}
    )
    whole.parts.update(_parts(whole))
    return whole


def _parts(whole: Whole) -> dict[str, str]:
    about, descriptor, name = whole.about, whole.descriptor, whole.store.name
    parts = {"format": "format.json", "ref": "refs/harbour/000001.json"}
    for one in whole.ledger.all():
        parts[one.kind] = f"statements/{one.digest}.json"
        if one.kind == "review":
            parts["verdicts"] = name(whole.store.path(one.about.verdicts, "parquet"))  # type: ignore[attr-defined]
    objects = {
        "descriptor": (about.descriptor, "json"), "policy": (about.policy, "json"),
        "findings": (about.findings, "parquet"), "report": (about.report or "", "html"),
        "excluded": (descriptor.excluded, "parquet"), "malformed": (descriptor.malformed, "parquet"),
    }  # fmt: skip
    for number, shard in enumerate(descriptor.shards):
        objects |= {f"rows-{number}": (shard.examples, "parquet"), f"splits-{number}": (shard.splits, "parquet")}
    return parts | {part: name(whole.store.path(*place)) for part, place in objects.items()}


def rows_of(whole: Whole, number: int) -> pl.DataFrame:
    """The rows of a shard."""
    return from_parquet(whole.store.read(whole.descriptor.shards[number].examples, "parquet"), ADMITTED, "a shard")
