"""Builds the example datasets: `python examples/build.py [FOLDER]`.

Writes `support-desk/` with its planted problems, its mended twin `support-desk-clean/`, `plants.json` (what the
check must find, no more and no less) and the table of plants in `README.md`. The same code and phrases give the
same rows, byte for byte but for Parquet's.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from grammar import SEED, Grammar, Row, jaccard, shingles
from planting import FAQ, PREFERENCES, RATINGS, TEST, TRAIN, VALIDATION, Plant, Slot, line
from plants import plants

RULES = (
    *(
        "structure",
        "exact_duplicates",
        "near_duplicates",
        "leakage",
        "conflicting_answers",
        "pii",
        "secrets",
        "encoding",
    ),
    *("answer_format", "consistency", "language", "quality", "toxicity", "bias"),
)
HERE = Path(__file__).resolve().parent
CARD = """---
license: cc0-1.0
language: [en, de, ja]
pretty_name: Tidewell support desk{suffix}
size_categories: [n<1K]
task_categories: [text-generation]
owner: Tidewell customer care (invented)
{origin}seed: {seed}
personal_data: {personal}
---

# Tidewell support desk{suffix}

Conversations, answered questions, preferences and ratings of a kitchen appliance maker that does not exist, in
English with some German and Japanese. {about}

| file | shape | rows |
| --- | --- | --- |
{files}
"""
ORIGIN = """consent: nobody's is needed, for every customer is invented
source_kind: generated
validated: people wrote and read the phrases
"""
"""Of this the planted dataset's card has the kind of source only."""
NEVER_ALIKE = 0.7
"""Unplanned pairs stay below this Jaccard similarity, and planted ones above 0.83: far from the rule's 0.8."""
PLANTED_ALIKE = 0.83


@dataclass(frozen=True)
class Placed:
    """A slot with its row number in the planted dataset."""

    slot: Slot
    row: int | None


def main() -> None:
    """Write everything under the folder given, by default the one this script lies in."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    slots = arranged()
    check_distances(slots)
    placed = number(slots)
    for name in ("support-desk", "support-desk-clean"):
        write(target / name, slots, planted=name == "support-desk")
    manifest = [entry for each in placed for entry in entries(each, placed)]
    decide_by_id(manifest, target / "support-desk")
    manifest.sort(key=lambda entry: (RULES.index(str(entry["rule"])), entry["file"], entry["row"], entry["code"]))
    archive(target / "support-desk")
    manifest += [
        {"rule": rule, "code": code, "file": file, "row": None, **severity, "what": what}
        for rule, code, file, severity, what in WHOLE
    ]
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    (target / "plants.json").write_text(text + "\n", encoding="utf-8")
    readme(target / "README.md", manifest)


def arranged() -> list[Slot]:
    """All rows of all files in order: clean ones, with the planted ones strewn among them."""
    grammar = Grammar(HERE / "phrases.yaml")
    strewn = plants(grammar)
    clean: dict[str, list[Row]] = {
        TRAIN: [grammar.ticket(tool=at % 6 == 0) for at in range(150)],
        VALIDATION: [grammar.ticket(tool=at % 6 == 0) for at in range(68)],
        TEST: [grammar.ticket(tool=at % 6 == 0) for at in range(68)],
        FAQ: [grammar.faq(language) for language in ["en"] * 96 + ["de"] * 24 + ["ja"] * 13],
        PREFERENCES: [grammar.preference() for _ in range(90)],
        RATINGS: [grammar.rating() for _ in range(50)],
    }
    rows: list[Slot] = []
    for file, plain in clean.items():
        own = [slot for slot in strewn if slot.file == file and not slot.last]
        at: dict[int, tuple[Slot, ...]] = dict.fromkeys(range(len(plain)), ())
        for position, slot in zip(grammar.spread(len(own), len(plain)), in_order(grammar.shuffled(own)), strict=True):
            at[position] = (*at[position], slot)
        for position, row in enumerate(plain):
            rows += [*at[position], Slot(file, row, row)]
        rows += [slot for slot in strewn if slot.file == file and slot.last]
    return rows


def in_order(slots: list[Slot]) -> list[Slot]:
    """The slots, with every one that has to come after another behind it."""
    for late in [slot for slot in slots if slot.after]:
        first, second = sorted((slots.index(late), next(at for at, it in enumerate(slots) if it.key == late.after)))
        if slots[first] is late:
            slots[first], slots[second] = slots[second], slots[first]
    return slots


def check_distances(slots: list[Slot]) -> None:
    """Make sure that exactly the planted pairs are alike."""
    keyed = {slot.key: slot for slot in slots if slot.key}
    planted = {
        frozenset((id(slot), id(keyed[plant.partner])))
        for slot in slots
        for plant in slot.plants
        if plant.code in ("exact_duplicate", "near_duplicate", "exact_leak", "near_leak") and plant.partner
    }
    # Any two of the notices are alike, so are both links of the chain, and so are two copies of one row.
    family = [id(slot) for slot in slots for plant in slot.plants if plant.partner == "notice"]
    planted |= {frozenset((one, other)) for one in family for other in family if one != other}
    for first, second in (("chain-b", "chain-c"), ("thrice-near", "thrice-copy")):
        planted.add(frozenset((id(keyed[first]), id(keyed[second]))))
    rows = [(slot, shingles(slot.planted)) for slot in slots if isinstance(slot.planted, dict) and _is_example(slot)]
    for at, (slot, own) in enumerate(rows):
        for other, its in rows[:at]:
            similarity, pair = jaccard(own, its), frozenset((id(slot), id(other)))
            chain = {slot.key, other.key} == {"chain-a", "chain-c"}
            opposite = "label-1" in (slot.key, other.key) and similarity == 1
            low, high = (PLANTED_ALIKE, 1.0) if pair in planted else (0.0, 0.77 if chain else NEVER_ALIKE)
            if not opposite and not low <= similarity <= high:
                raise SystemExit(f"{similarity:.3f} between\n  {slot.planted!r}\n  {other.planted!r}")


def _is_example(slot: Slot) -> bool:
    return not any(plant.rule == "structure" for plant in slot.plants)


def number(slots: list[Slot]) -> list[Placed]:
    """The row, from 1, of every slot that the planted dataset holds."""
    counts: dict[str, int] = {}
    placed = []
    for slot in slots:
        if slot.planted is not None:
            counts[slot.file] = counts.get(slot.file, 0) + 1
            placed.append(Placed(slot, counts[slot.file]))
    return placed


def entries(each: Placed, placed: list[Placed]) -> list[dict[str, object]]:
    """The manifest's lines of one slot."""

    def entry(plant: Plant) -> dict[str, object]:
        where: dict[str, object] = {"rule": plant.rule, "code": plant.code, "file": each.slot.file, "row": each.row}
        if plant.severity:
            where["severity"] = plant.severity
        if plant.partner:
            other = next(it for it in placed if it.slot.key == plant.partner)
            where |= {"partner_file": other.slot.file, "partner_row": other.row}
        return where | {"what": plant.what}

    return [entry(plant) for plant in each.slot.plants]


def decide_by_id(manifest: list[dict[str, object]], folder: Path) -> None:
    """Of two copies of one length the one with the smaller content id stays: where that is the planted copy, the
    finding is on the row that it was copied from."""
    from gate.data.read import read

    examples = read([folder]).examples.select("file", "row", "id")
    ids = {(file, row): content for file, row, content in examples.iter_rows()}
    for entry in manifest:
        place, partner = (entry["file"], entry["row"]), (entry.get("partner_file"), entry.get("partner_row"))
        if entry["rule"] == "exact_duplicates" and ids[place] < ids[partner]:
            entry["file"], entry["row"], entry["partner_file"], entry["partner_row"] = *partner, *place


CUT_IN_HALF, EMPTY = "archive/tickets-2023.parquet", "archive/tickets-2022.jsonl"
INFO = {"severity": "info"}
WHOLE: tuple[tuple[str, str, str | None, dict[str, str], str], ...] = (
    ("structure", "corrupt", CUT_IN_HALF, {}, "a Parquet file of which only the first half arrived"),
    ("structure", "no_rows", EMPTY, {}, "a file without a row"),
    ("consistency", "mixed_shapes", None, INFO, "each split has rows of several shapes"),
    ("size", "below_recommended", None, INFO, "enough rows to train on, and fewer than are recommended"),
    ("card", "no_consent", "README.md", {}, "the card does not say on what ground the data may be used"),
    ("card", "bad_source_kind", "README.md", {}, "the rows were generated, and nobody is said to have read them"),
)
"""What is found of files and of the dataset as a whole; what only counts stays in the clean twin."""


def archive(folder: Path) -> None:
    """A Parquet file that was cut in half on its way, and a file with nothing in it."""
    whole = io.BytesIO()
    pl.DataFrame({"prompt": ["Hello?"] * 50, "chosen": ["Yes?"] * 50, "rejected": ["No."] * 50}).write_parquet(whole)
    path = folder / CUT_IN_HALF
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (folder / EMPTY).write_bytes(b"")


def write(folder: Path, slots: list[Slot], *, planted: bool) -> None:
    """Every file of one dataset, and its card."""
    files: dict[str, list[Row | bytes]] = {}
    for slot in slots:
        row = slot.planted if planted else slot.clean
        if row is not None:
            files.setdefault(slot.file, []).append(row)
    for file, rows in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.endswith(".jsonl"):
            cut = isinstance(rows[-1], bytes)
            lines = [row if isinstance(row, bytes) else line(row) for row in rows]
            path.write_bytes(b"\n".join(lines) + (b"" if cut else b"\n"))
        elif file.endswith(".csv"):
            path.write_bytes(_csv(rows))
        else:
            pl.DataFrame(rows, schema=dict.fromkeys(["prompt", "chosen", "rejected"], pl.String)).write_parquet(path)
    shapes = {FAQ: "question–answer", PREFERENCES: "preference", RATINGS: "feedback"}
    table = [f"| `{file}` | {shapes.get(file, 'messages')} | {len(rows)} |" for file, rows in files.items()]
    if planted:
        table += [f"| `{file}` | none: nothing can be read | – |" for file in (CUT_IN_HALF, EMPTY)]
    card = CARD.format(
        suffix="" if planted else ", clean",
        seed=SEED,
        origin="source_kind: generated\n" if planted else ORIGIN,
        personal="planted and invented, see ../README.md" if planted else "none but documentation values",
        about="Its problems are planted and listed in `../README.md`."
        if planted
        else "The same rows as in `../support-desk`, with every problem mended: `gate check` passes.",
        files="\n".join(table),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def _csv(rows: list[Row | bytes]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    columns = ["question", "answer", "language", "split"]
    writer.writerow(columns)
    for row in rows:
        if isinstance(row, bytes):
            out.write(row.decode() + "\n")
        else:
            writer.writerow([row[column] for column in columns])
    return out.getvalue().encode()


def readme(path: Path, manifest: list[dict[str, object]]) -> None:
    """Put the table of plants between the markers of the examples' README."""
    rows = ["| rule | code | where | like | what is wrong |", "| --- | --- | --- | --- | --- |"]
    for entry in manifest:
        where = f"`{entry['file']}`" if entry["file"] else "the dataset"
        where += f":{entry['row']}" if entry["row"] else ""
        like = f"`{entry['partner_file']}`:{entry['partner_row']}" if "partner_row" in entry else ""
        code = f"`{entry['code']}`" + (f" ({entry['severity']})" if "severity" in entry else "")
        rows.append(f"| {entry['rule']} | {code} | {where} | {like} | {entry['what']} |")
    start, end = "<!-- plants -->\n", "<!-- /plants -->"
    source = path if path.exists() else HERE / "README.md"
    before, rest = source.read_text(encoding="utf-8").split(start)
    path.write_text(before + start + "\n".join(rows) + "\n" + end + rest.split(end)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
