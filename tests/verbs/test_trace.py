"""`gate trace`: an example's life, by its id or by what it says, and never what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.provenance.statements import Erasure
from gate.snapshots.layout import EXCLUDED, VERDICTS
from gate.snapshots.parquet import from_parquet
from gate.snapshots.tracing import Trace
from gate.store.objects import Damaged, Store
from gate.verbs.admit import admit
from gate.verbs.erase import erase
from gate.verbs.trace import trace
from tests.snapshots.conftest import people, policy  # noqa: F401 - fixtures
from tests.snapshots.made import People, write_rows
from tests.snapshots.whole_store import Whole, make_whole, rows_of


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, people: People, policy: Path) -> Whole:  # noqa: F811
    return make_whole(tmp_path_factory.mktemp("whole"), people, policy)


@pytest.fixture
def whole(original: Whole, tmp_path: Path) -> Whole:
    return original.copy(tmp_path)


def traced(whole: Whole, what: str | None = None, **options: object) -> Trace:
    return trace(what, store=whole.root, trust=whole.people.trust, **options)  # type: ignore[arg-type]


def row(whole: Whole, number: int = 5) -> dict[str, object]:
    return rows_of(whole, 0).row(number, named=True)


def words(whole: Whole, number: int = 5) -> str:
    return row(whole, number)["messages"][-1]["content"]  # type: ignore[index,no-any-return]


def test_a_life_by_id(original: Whole) -> None:
    wanted = row(original)
    for what in (wanted["id"], str(wanted["id"])[:8], f"sha256:{wanted['id']}", str(wanted["id"]).upper()):
        found = traced(original, str(what))
        (life,) = found.lives
        assert (found.by, found.matches, life.id, life.kind, life.content) == ("id", 1, wanted["id"], "chat", True)
    (sealed,) = life.admitted
    assert (sealed.snapshot, sealed.name, sealed.author, sealed.trusted) == (original.snapshot, "harbour", "ana", True)
    (place,) = sealed.places
    assert (place.file, place.row, place.split) == (wanted["file"], wanted["row"], place.file.split(".")[0])
    assert life.records == (wanted["record_id"],)
    assert (life.excluded, life.findings, life.erasures, life.runs, life.models) == ((), (), (), (), ())


def test_by_a_whole_message_then_by_a_part(original: Whole) -> None:
    text = words(original)
    whole_message = traced(original, text)
    assert (whole_message.by, [life.id for life in whole_message.lives]) == ("message", [row(original)["id"]])
    part = traced(original, text[3:60])
    assert (part.by, [life.id for life in part.lives]) == ("part", [row(original)["id"]])
    assert traced(original, text=text + "\n").by == "message"


def test_what_was_left_out_is_found_by_its_id_with_the_rules(original: Whole) -> None:
    """One row is there three times: admitted, waived and left out; another has no answer."""
    lives = [traced(original, each).lives[0] for each in _left_out(original)]
    rules = {rule for life in lives for sealed in life.excluded for rule in sealed.rules}
    assert rules == {"exact_duplicates", "structure"}
    for life in lives:
        assert {finding.rule for finding in life.findings} <= rules
        assert life.findings
        assert all(place.split is None for sealed in life.excluded for place in sealed.places)


def _left_out(whole: Whole) -> list[str]:
    return from_parquet(whole.store.read(whole.descriptor.excluded, "parquet"), EXCLUDED, "x")["id"].to_list()


def test_reviews_and_erasures_are_part_of_it(whole: Whole) -> None:
    verdicts = from_parquet(whole.file("verdicts").read_bytes(), VERDICTS, "v")
    example = verdicts.filter(verdicts["verdict"] == "bad")["id"][0]
    said = saying(whole, example)
    assert traced(whole, text=said).lives[0].id == example
    (life,) = traced(whole, example).lives
    assert [(review.author, review.verdict) for review in life.reviews] == [("ben", "bad")]
    erase([example], why="case 7", signer=whole.people.ana, store=whole.root, trust=whole.people.trust)
    (life,) = traced(whole, example).lives
    assert not life.content
    assert [(gone.author, gone.why, gone.trusted) for gone in life.erasures] == [("ana", "case 7", True)]
    assert life.admitted
    with pytest.raises(UsageError):
        traced(whole, text=said)


def saying(whole: Whole, example: str) -> str:
    """What an example answers."""
    for number in range(3):
        rows = rows_of(whole, number)
        found = rows.filter(rows["id"] == example)
        if found.height:
            return str(found["messages"][0][-1]["content"])
    raise AssertionError


def test_every_snapshot_that_has_it(whole: Whole, policy: Path, tmp_path: Path) -> None:  # noqa: F811
    people, wanted = whole.people, str(row(whole)["id"])  # noqa: F811
    data = tmp_path / "more"
    data.mkdir()
    for path in whole.data.iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    write_rows(data / "new.jsonl", [{"instruction": "And what is new?", "output": "Only this row is new."}])
    made = admit(data, name="second", signer=people.olga, trust=people.trust, policy=policy, store=whole.root)
    (life,) = traced(whole, wanted).lives
    assert {(sealed.name, sealed.snapshot) for sealed in life.admitted} == {
        ("harbour", whole.snapshot),
        ("second", made.snapshot),
    }


def test_whose_word_counts_is_said_where_it_is_known(whole: Whole) -> None:
    whole.say(whole.about, whole.people.eve)
    (life,) = traced(whole, str(row(whole)["id"])).lives
    assert sorted((sealed.author, sealed.trusted) for sealed in life.admitted) == [("ana", True), ("eve", False)]
    (life,) = trace(str(row(whole)["id"]), store=whole.root).lives
    assert {sealed.trusted for sealed in life.admitted} == {None}


def test_a_tombstone_that_nobody_trusts_leads_nowhere(whole: Whole) -> None:
    about = Erasure(examples=["a" * 64], objects={whole.about.findings: "b" * 64}, snapshots=[], why="none")
    whole.say(about, whole.people.eve)
    assert traced(whole, str(row(whole)["id"])).lives


def test_only_what_is_whole_is_looked_into(whole: Whole) -> None:
    path = whole.file("rows-0")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged, match=path.name):
        traced(whole, "harbour")


@pytest.mark.parametrize("what", ["", "  \n", "no such words anywhere", "f" * 64])
def test_nothing_is_found(original: Whole, what: str) -> None:
    with pytest.raises(UsageError) as refused:
        traced(original, what)
    assert "anywhere" not in str(refused.value)


def test_many_are_counted_and_a_few_are_told(original: Whole) -> None:
    found = traced(original, "harbour", limit=3)
    assert (len(found.lives), found.matches > 3) == (3, True)
    assert len(traced(original, "harbour", limit=0).lives) == found.matches


def test_words_in_tool_calls_tools_and_meta(people: People, policy: Path, tmp_path: Path) -> None:  # noqa: F811
    call = {"type": "function", "function": {"name": "look_up", "arguments": '{"who": "Łukasz \\"B\\""}'}}
    answer = [{"role": "tool", "content": "1"}, {"role": "assistant", "content": "There he is."}]
    talk = [{"role": "user", "content": "Where is he?"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    tools = [{"type": "function", "function": {"name": "look_up", "description": "Finds people of Ørsta"}}]
    rows = [
        {"messages": [*talk, *answer], "tools": tools, "ticket": "from Zoë’s desk"},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello to you"}]},
    ]
    write_rows(tmp_path / "d" / "train.jsonl", rows)
    store = tmp_path / "s"
    made = admit(tmp_path / "d", name="tools", signer=people.ana, trust=people.trust, policy=policy, store=store)
    assert made.sealed.admitted == 2
    for text in ("Łukasz", "people of Ørsta", "Zoë’s desk", 'Łukasz "B"'):
        found = trace(text, store=Store(store), trust=people.trust)
        assert (found.by, found.matches) == ("part", 1), text


# As a command


def test_text_from_stdin_is_nowhere_in_what_is_printed(
    whole: Whole,
    gate: Callable[..., object],
) -> None:
    text, settings = words(whole), ["--store", whole.root, "--trust", whole.people.trust_file]
    for output in ("text", "json"):
        done = gate("trace", "-", *settings, "--output", output, input=text)
        assert done.returncode == 0  # type: ignore[attr-defined]
        assert str(row(whole)["id"]) in done.stdout  # type: ignore[attr-defined]
        for piece in (text, text[:20]):
            assert piece not in done.stdout + done.stderr  # type: ignore[attr-defined]
    done = gate("trace", "-", *settings, input="words of Jane Roe that nobody wrote")
    assert done.returncode == 2  # type: ignore[attr-defined]
    assert "Jane" not in done.stdout + done.stderr  # type: ignore[attr-defined]


def test_json_names_snapshot_split_file_and_row(whole: Whole, gate: Callable[..., object]) -> None:
    done = gate("trace", str(row(whole)["id"])[:12], "--store", whole.root, "-o", "json")
    document = json.loads(done.stdout)  # type: ignore[attr-defined]
    assert document.keys() == {"schema", "by", "matches", "lives", "statements", "trust"}
    (life,) = document["lives"]
    assert life["admitted"][0]["snapshot"] == whole.snapshot
    assert life["admitted"][0]["places"][0].keys() == {"file", "row", "line", "split"}
    assert (life["runs"], life["models"], document["trust"]) == ([], [], None)
