"""`gate eval` as people use it: what is scored, what is found again, what is shown, and what is sealed."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import jsonschema
import orjson
import pytest
from rich.console import Console

import gate
from gate.errors import GateError, UsageError
from gate.evaluation.outcome import Evaluations
from gate.evaluation.subject import find_subject
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation, Promotion
from gate.reporting.eval_json import document, evaluation_schema, failure
from gate.reporting.eval_terminal import Screen
from tests.evaluation.conftest import Scored
from tests.evaluation.made import additions, capitals

GROUP = """group: forgetting
task: [own_sums, own_capitals]
metadata: {version: 1, gate: {about: A small suite of our own.}}
"""
SUMS = """task: own_sums
dataset_path: json
dataset_kwargs: {data_files: {test: own_sums.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: question
doc_to_target: answer
generation_kwargs: {until: ["\\n"], max_gen_toks: 8, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
metadata: {version: 1, gate: {about: Sums of our own., primary: exact_match, slice: kind}}
"""
CAPITALS = """task: own_capitals
dataset_path: json
dataset_kwargs: {data_files: {test: own_capitals.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: question
doc_to_choice: choices
doc_to_target: answer
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
metadata: {version: 1, gate: {about: Capitals of our own., primary: acc, chance: 0.25}}
"""


def write_suite(folder: Path) -> None:
    folder.mkdir(parents=True)
    files = {"forgetting": GROUP, "own_sums": SUMS, "own_capitals": CAPITALS}
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    rows = [row | {"id": f"s{number}"} for number, row in enumerate(additions(24))]
    (folder / "own_sums.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    chosen = [row | {"id": f"c{number}"} for number, row in enumerate(capitals()[:16])]
    (folder / "own_capitals.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in chosen))


@pytest.fixture(scope="module")
def own(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """The store in a repository with a suite of its own; the tests of this file build on one another's statements."""
    repository = tmp_path_factory.mktemp("repository")
    write_suite(repository / "rules" / "suites" / "forgetting")
    (repository / "gate.yaml").write_text("version: 1\n")
    return scored.copied(repository)


@pytest.fixture
def here(own: Scored, monkeypatch: pytest.MonkeyPatch) -> Scored:
    monkeypatch.chdir(own.store.root.parent)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return own


def evaluate(scored: Scored, *models: str, **options: object) -> Evaluations:
    given: dict[str, object] = {
        "store": scored.store, "trust": scored.people.trust, "signer": scored.people.ana, "device": "cpu",
    }  # fmt: skip
    return gate.evaluate(models, **given | options)  # type: ignore[arg-type]


def shown(evaluations: Evaluations, width: int = 100) -> str:
    out = StringIO()
    Screen(Console(file=out, width=width)).render(evaluations)
    return out.getvalue()


@pytest.fixture(scope="module")
def first(own: Scored) -> Evaluations:
    """The candidate on the repository's suite and on its test split, with its base."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(own.store.root.parent)
        patch.setenv("HF_HUB_OFFLINE", "1")
        return evaluate(own, own.run, suites=["regression", "forgetting"])


def test_a_candidate_brings_its_base_and_every_suite_is_sealed(here: Scored, first: Evaluations) -> None:
    assert first.exit_code == 0
    assert [(each.subject.form, each.suite, each.kept) for each in first.scored] == [
        ("adapter", "regression", False), ("adapter", "forgetting", False),
        ("base", "regression", False), ("base", "forgetting", False),
    ]  # fmt: skip
    candidate = first.scored[0].evaluated
    assert candidate.about.snapshot is not None
    for task in candidate.tasks.values():
        assert task.document.source == "snapshot"
        assert task.items.height == 20
        assert task.items["example"].null_count() == 0
    assert set(first.scored[1].evaluated.tasks) == {"own_sums", "own_capitals"}  # the repository's takes gate's place
    for each in first.scored:
        here.people.trust.vouched(each.statement)
    assert not list((here.store.root / "evaluations").glob("*own*"))


def test_what_was_scored_is_found_again(here: Scored, first: Evaluations) -> None:
    again = evaluate(here, here.run, suites=["regression", "forgetting"])
    assert [each.kept for each in again.scored] == [True] * 4
    assert [each.statement.digest for each in again.scored] == [each.statement.digest for each in first.scored]


def test_other_settings_are_another_evaluation_and_each_pins_its_own(here: Scored, first: Evaluations) -> None:
    other = evaluate(here, str(here.base_folder), suites=["forgetting"], batch_size=4, with_champion=False)
    assert [each.kept for each in other.scored] == [False]
    assert other.scored[0].evaluated.settings.batch_size == 4
    assert (
        other.scored[0].evaluated.tasks["own_sums"].scores.key != first.scored[3].evaluated.tasks["own_sums"].scores.key
    )


def test_a_task_that_was_added_is_the_only_one_that_is_scored(here: Scored, first: Evaluations) -> None:
    folder = here.store.root.parent / "rules" / "suites" / "forgetting"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    try:
        (folder / "forgetting.yaml").write_text(GROUP.replace("[own_sums,", "[own_more, own_sums,"))
        (folder / "own_more.yaml").write_text(SUMS.replace("own_sums", "own_more"))
        (folder / "own_more.jsonl").write_bytes(b'{"question": "What is 2 plus 2?", "answer": "4", "kind": "known"}\n')
        more = evaluate(here, str(here.base_folder), suites=["forgetting"])
    finally:
        (folder / "own_more.yaml").unlink()
        (folder / "own_more.jsonl").unlink()
        for path, content in before.items():
            path.write_bytes(content)
    (one,) = more.scored
    assert (one.kept, one.tasks_kept, len(one.evaluated.tasks)) == (False, 2, 3)


def test_a_repeat_of_the_base_shows_no_flips(here: Scored, first: Evaluations) -> None:
    found = evaluate(here, str(here.base_folder), suites=["forgetting"], repeat=True)
    plain, repeated = found.scored
    assert (plain.kept, repeated.kept) == (True, False)
    assert repeated.evaluated.about.repeat == plain.statement.digest
    assert repeated.evaluated.about.tasks == plain.evaluated.about.tasks  # on this machine not one item differs
    assert "0 of 24" in shown(found)


def test_the_base_under_prompts_is_an_evaluation_for_each(here: Scored, first: Evaluations) -> None:
    prompt = here.store.root.parent / "terse.txt"
    prompt.write_text("Answer with digits.\n")
    found = evaluate(here, for_run=here.run, shots=[0, 2], systems=[prompt])
    assert [(each.subject.form, each.suite) for each in found.scored] == [("base", "regression")] * 2
    abouts = [each.evaluated.about for each in found.scored]
    said = [orjson.loads(here.store.read(about.prompts or "", "json")) for about in abouts]
    assert [(each["shots"], each["system"], each["file"]) for each in said] == [
        (number, "Answer with digits.", "terse.txt") for number in (0, 2)
    ]  # fmt: skip
    prompts = [each.evaluated.tasks["snapshot-generate"].items["prompt"][0] for each in found.scored]
    assert [text.count("<|user|>") for text in prompts] == [1, 3]
    assert all(text.startswith("<|system|>Answer with digits.<|end|>") for text in prompts)
    assert "terse.txt" in shown(found)
    with pytest.raises(UsageError, match="prompt baselines are of the untouched base"):
        evaluate(here, here.run, shots=[0])


def test_the_champion_is_scored_beside_the_candidate(here: Scored, first: Evaluations, tmp_path: Path) -> None:
    own = here.copied(tmp_path)
    ledger = Ledger(own.store)
    about = first.scored[0].evaluated.about
    assert about.training is not None
    assert about.base is not None
    some = own.store.put(b"{}", "json")
    promotion = Promotion(
        name=own.run, model=about.model, training=about.training, base=about.base, first=True,
        evaluations=[first.scored[0].statement.digest], policy=some, criteria_changed=False, verdict="pass",
        reasons=["first"], result=some, report=some,
    )  # fmt: skip
    said = ledger.say(promotion, own.people.ana)
    ledger.refer_model("champion", about.model, said.digest, own.people.ana)
    found = evaluate(own, "champion", suites=["forgetting"])
    assert [each.subject.name for each in found.scored] == [own.run, here.base.name]
    alone = evaluate(own, "champion", str(own.base_folder), for_run=own.run, suites=["forgetting"])
    assert {each.subject.form for each in alone.scored} == {"adapter", "base"}
    assert find_subject(about.model, own.store, own.ledger, trust=own.people.trust).name == own.run


def test_a_task_that_breaks_leaves_the_others_and_exits_4(here: Scored, first: Evaluations) -> None:
    folder = here.store.root.parent / "rules" / "suites" / "forgetting"
    whole = (folder / "own_capitals.yaml").read_text()
    try:
        # A likelihood of nothing: the reader cannot know what a backend gives back, and this one gives no number.
        (folder / "own_capitals.yaml").write_text(whole.replace("own_capitals.jsonl", "own_broken.jsonl"))
        rows = [{"id": "b", "question": "?" * 9, "choices": ["a", "b" * 40_000], "answer": 0}]
        (folder / "own_broken.jsonl").write_bytes(orjson.dumps(rows[0]) + b"\n")
        found = evaluate(here, str(here.base_folder), suites=["forgetting"], batch_size=3)
    finally:
        (folder / "own_broken.jsonl").unlink()
        (folder / "own_capitals.yaml").write_text(whole)
    assert found.exit_code == 4
    assert found.scored == ()
    assert "own_capitals" in str(found.failures[0].error)
    assert "not scored" in shown(found)
    again = evaluate(here, str(here.base_folder), suites=["forgetting"], batch_size=3)
    assert again.scored[0].tasks_kept == 1


def test_the_table_says_scores_change_and_flips(here: Scored, first: Evaluations) -> None:
    text = shown(first)
    assert here.run in text
    assert [
        word
        for word in ("regression", "forgetting", "own_sums", "exact_match", "candidate", "base")
        if word not in text
    ] == []
    line = next(line for line in text.splitlines() if "own_sums" in line)
    assert " 24 " in line
    before, after = (first.scored[at].evaluated.tasks["own_sums"] for at in (3, 1))
    change = after.scores.scores["exact_match"] - before.scores.scores["exact_match"]
    assert f"{change:+.3f}" in line
    assert text.rstrip().endswith(f"next: gate promote {here.run}")


def test_the_json_is_what_its_schema_says(here: Scored, first: Evaluations) -> None:
    said = json.loads(document(first))
    jsonschema.validate(said, evaluation_schema())
    assert [each["statement"] for each in said["evaluations"]] == [each.statement.digest for each in first.scored]
    assert said["evaluations"][1]["tasks"][0]["n"] == 24
    jsonschema.validate(json.loads(failure(UsageError("no"))), evaluation_schema())


@pytest.mark.parametrize(
    ("models", "options", "said"),
    [
        ((), {}, "no model is named"),
        (("candidate-1",), {"suites": ["forgeting"]}, "there is no suite 'forgeting'"),
        (("candidate-1",), {"systems": ["no-such.txt"]}, "the system prompt cannot be read"),
        (("BASE",), {"suites": ["memorization"]}, "the suite memorization does not apply"),
        (("BASE",), {"suites": ["regression"]}, "the suite regression does not apply"),
        (("BASE",), {"backend": "no-such", "suites": ["forgetting"]}, "lm-eval has no backend 'no-such'"),
        (("BASE",), {"backend_args": {"pretrained": "x"}, "suites": ["forgetting"]}, "`pretrained` is not for"),
        (("BASE", "candidate-1"), {"url": "http://127.0.0.1:1/v1"}, "a server serves one model"),
    ],
)
def test_what_is_named_wrongly_is_said(
    here: Scored, first: Evaluations, models: tuple[str, ...], options: dict[str, object], said: str
) -> None:
    named = [str(here.base_folder) if each == "BASE" else each for each in models]
    with pytest.raises(GateError, match=said) as error:
        evaluate(here, *named, **options)
    assert error.value.exit_code == 2


def test_who_may_not_say_it_is_told_before_anything_is_scored(here: Scored, first: Evaluations) -> None:
    with pytest.raises(GateError, match="does not trust the key of 'eve'"):
        evaluate(here, here.run, signer=here.people.eve)
    about = first.scored[0].statement.about
    assert isinstance(about, Evaluation)


def test_the_command_says_it_for_people_and_for_programs(
    here: Scored, first: Evaluations, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from gate.cli.eval import command

    monkeypatch.setenv("GATE_KEYS", str(here.people.keys))
    monkeypatch.setenv("GATE_TRUST", str(here.people.trust_file))
    asked = [here.run, "--suite", "forgetting", "--suite", "regression", "--key", "ana", "--output", "json"]
    assert command.main([*asked, "--device", "cpu"], standalone_mode=False) == 0
    out, err = capfdbinary.readouterr()
    jsonschema.validate(json.loads(out), evaluation_schema())
    assert b"kept (scored before under the same key)" in err
    assert f"next: gate promote {here.run}".encode() in err
    with pytest.raises(UsageError, match="are no numbers of shots"):
        command.main([here.run, "--shots", "few"], standalone_mode=False)
    with pytest.raises(UsageError, match="is not KEY=VALUE"):
        command.main([here.run, "--backend-arg", "few"], standalone_mode=False)
