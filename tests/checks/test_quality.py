"""What the quality check calls bad to learn from, and what it leaves alone although it looks like that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.base import FOUND, Context, Measurement, Workers
from gate.checks.qualities.problems import Problem
from gate.checks.quality import QualityParams, quality
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.data.views import Frames
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.load import load_policy

CONTEXT = Context(cast(Workers, None), Folders())  # the check needs no workers

STEPS = "\n".join(f"In year {n} he pays ${n * 10} + $10 = ${n * 10 + 10} for his flat." for n in range(2, 30))
TABLE = (
    "| word | meaning |\n| --- | --- |\n| lamp | what gives the light of it |\n| keeper | who looks after the lamp |"
)
ESSAY = (
    "A lighthouse stands where ships must not go. Its lamp turns all night, its keeper writes down the weather, and "
    "those who pass it know by the rhythm of the light which rock they see."
)


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    (rule,) = [each for each in load_policy("chat", Folders()).rules if each.id == "quality"]
    return rule.params


def frames(*rows: tuple[str, str]) -> Frames:
    made = [
        {
            "id": f"id{at}", "file": "a.jsonl", "row": at, "kind": "chat", "shape": "messages",
            "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}],
        }
        for at, (asked, said) in enumerate(rows, start=1)
    ]  # fmt: skip
    return Frames(pl.DataFrame(made, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def measure(shipped: dict[str, Any], *rows: tuple[str, str], context: Context = CONTEXT, **params: Any) -> Measurement:
    return quality.run(frames(*rows), QualityParams(**{**shipped, **params}), context)


def codes(shipped: dict[str, Any], asked: str, said: str, **params: Any) -> list[str]:
    return measure(shipped, (asked, said), **params).findings["code"].to_list()


# ── what is bad ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "said", "code"),
    [
        ("How old is it?", "?!.. ---", "no_words"),
        ("Tell me more.", "The keeper climbed the stairs, lit the lamp, and then he wrote that,", "unfinished"),
        ("Tell me more.", "The keeper climbed the stairs of the tower every evening because", "unfinished"),
        ("Tell me more.", "The keeper wrote about the weather, the ships, the wind and the (", "unfinished"),
        ("Sag mehr.", "Der Wärter stieg jeden Abend die Stufen hinauf, zündete die Lampe an und", "unfinished"),
        ("More.", "He lit it. Every evening the keeper climbed up the stairs to the very", "no_final_punctuation"),
        ("Why is the sky blue?", "Traceback (most recent call last):\n  File 'a.py', line 1", "error_residue"),
        ("Why is the sky blue?", "Error: the request could not be completed.", "error_residue"),
        ("Why is the sky blue?", "openai.RateLimitError: Too many of them.", "error_residue"),
        ("Why is the sky blue?", "<html>\n<head><title>502 Bad Gateway</title></head></html>", "error_residue"),
        ("Why is the sky blue?", '{"error": {"message": "overloaded", "type": "server"}}', "error_residue"),
        ("Why is the sky blue?", "Light is scattered by air.\n\nnetwork error", "error_residue"),
        ("Why is the sky blue?", "undefined", "error_residue"),
        ("Why is the sky blue?", "[object Object]", "error_residue"),
        ("Why is the sky blue?", "NaN", "error_residue"),
        ("Name a good book.", "As an AI language model, I do not read, but many like Moby Dick.", "disclaimer"),
        ("Name a good book.", "I’m just an AI, so I cannot say, but many like Moby Dick.", "disclaimer"),
        ("Name a good book.", "I'm sorry, but I can't help with that.", "refusal"),
        ("Who is it for?", "Dear {{ customer_name }}, your parcel is here.", "placeholder"),
        ("Who is it for?", "Dear {name}, your parcel is here.", "placeholder"),
        ("Who is it for?", "Dear <YOUR NAME HERE>, your parcel is here.", "placeholder"),
        ("Describe it.", "Lorem ipsum dolor sit amet, consectetur adipiscing elit.", "placeholder"),
        ("Describe it.", "It is tall.\nTODO describe the lamp.", "placeholder"),
        ("Write to them.", "Dear all, thank you. Yours, [Your Name]", "blank_to_fill"),
        ("Describe it.", "<p>It is tall.</p><p>It is white.</p>", "markup_residue"),
        ("Describe it.", "Bread &amp;amp; butter.", "markup_residue"),
        ("Describe it.", "History[edit]\nIt was built in 1850.", "markup_residue"),
        ("Describe it.", "It is tall. .lamp { color: red; margin: 0; } It is white.", "markup_residue"),
        ("Describe it.", "It is tall.\n" * 6, "repeated_lines"),
        ("Describe it.", "It is very tall and it is also very white. " * 12, "loop"),
        ("Describe it.", "asdfgh jklasdfg sdfghj dfghjk", "gibberish"),
        ("Describe it.", "The xkcdfg brtwsk plmnkt zxcvbn qwrtpl", "gibberish"),
        ("Describe it.", "#$%^ &*()_ +{}|: <>?~! @#$%^ &*()_ +{}|:", "gibberish"),
        ("Describe it.", "iVBORw0KGgoAAAANSUhEUgAAAMgAAADICAYAAACtWK6e" * 4, "gibberish"),
        ("Why are lighthouses white?", "Why are lighthouses white? To be seen by day.", "prompt_echoed"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_found_under_its_code(shipped: dict[str, Any], asked: str, said: str, code: str) -> None:
    assert code in codes(shipped, asked, said)


def test_every_code_has_a_meaning() -> None:
    assert dict(quality.codes) == {each.value: each.meaning for each in Problem}
    assert all(meaning.endswith(".") for meaning in quality.codes.values())


def test_gophers_rules_hold_for_long_texts_and_not_for_steps_of_a_calculation(shipped: dict[str, Any]) -> None:
    text = " ".join(
        f"Number {n} on the list of all lighthouses is {n * 7} feet tall, {n * 3} years old, {n + 5} miles out, "
        f"{n * 11} steps high and {n * 13} tons heavy."
        for n in range(20)
    )
    assert codes(shipped, "List them.", text) == ["repeated_words"]
    assert codes(shipped, "What does he pay?", STEPS[: STEPS.index("In year 14")].strip()) == []
    assert "repeated_words" in codes(shipped, "What does he pay?", STEPS[:900].rsplit("\n", 1)[0], least_words=50)


# ── what is not ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("How many?", "42"),
        ("Which one?", "The red one"),
        ("Name some.", "- lamps, lenses and towers that are white\n- ships that pass by night with all their lamps"),
        ("Describe it.", ESSAY),
        ("Beschreibe ihn.", "Ein Leuchtturm steht dort, wo Schiffe nicht fahren dürfen, und sein Licht dreht sich."),
        ("描述一下。", "灯塔矗立在船只不应驶入的地方，整夜旋转着它的灯光。"),
        ("वर्णन करो।", "प्रकाशस्तंभ वहाँ खड़ा है जहाँ जहाजों को नहीं जाना चाहिए।"),
        ("Show a table.", TABLE),
        (
            "Show code.",
            "Here is how the lamp of the lighthouse is lit by code:\n```python\nlamp = {name}\nlamp.light(\n```",
        ),
        ("Where is it?", "You find all of it, with pictures, on the page https://example.com/lighthouse"),
        ("What does this traceback mean?", "Traceback (most recent call last): says where your program failed."),
        ("What does 502 mean?", "502 Bad Gateway means that a server got no answer from the one behind it."),
        ("Which function returns nothing?", "None"),
        ("Are you a person?", "No. As an AI language model, I have no body."),
        ("Write a Jinja template.", "Dear {{ name }}, welcome."),
        ("Write a paragraph in HTML.", "<p>One</p><p>Two</p>"),
        ("What is the set?", "The set is {input, output}, and A[i] is its i-th element."),
        ("Write a song.", "Shine on, shine on\n" * 5),
        ("What do you call a strength?", "A strength, of rhythms and of sphinxes."),
        ("Repeat after me: the lamp is lit.", "Repeat after me: the lamp is lit. There."),
        ("Which sign ends a question?", "?"),
    ],
)
def test_what_only_looks_bad_is_left_alone(shipped: dict[str, Any], asked: str, said: str) -> None:
    assert codes(shipped, asked, said) == []


# ── lengths ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_characters_are_bounded_where_a_team_says_so(shipped: dict[str, Any]) -> None:
    rows = [("How many?", "4"), ("How many?", "Four."), ("How many?", "Four " * 10 + "of them.")]
    assert measure(shipped, *rows).findings.is_empty()
    found = measure(shipped, *rows, min_chars=2, max_chars=40).findings
    assert found.select("row", "code", "message").rows() == [
        (1, "too_short", "1 characters, fewer than 2"),
        (3, "too_long", "58 characters, more than 40"),
    ]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny byte-pair tokenizer, trained here."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(
        [ESSAY] * 3, trainers.BpeTrainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False)
    )
    made.enable_truncation(3)  # as saved tokenizers often have it: it must not hide what is too long
    folder = tmp_path_factory.mktemp("repository") / "tokenizer"
    folder.mkdir()
    made.save(str(folder / "tokenizer.json"))
    return folder


def test_tokens_are_counted_by_the_tokenizer_that_is_named(shipped: dict[str, Any], tokenizer: Path) -> None:
    rows = [("What is a lighthouse?", ESSAY), ("What is it?", "A lighthouse.")]
    context = Context(CONTEXT.workers, Folders(tokenizer.parent))
    measured = measure(shipped, *rows, tokenizer="tokenizer", context_length=30, context=context)
    assert measured.findings.select("row", "code").rows() == [(1, "over_context")]
    assert measured.findings["score"][0] > 1
    assert measured.figures["tokens"] > 30
    params = QualityParams(**{**shipped, "tokenizer": "tokenizer"})
    assert tokenizer / "tokenizer.json" in quality.inputs(params, context.folders)
    absolute = measure(shipped, *rows, tokenizer=str(tokenizer), context_length=10_000)
    assert absolute.findings.is_empty()
    assert absolute.figures["tokens"] == measured.figures["tokens"]


def test_a_tokenizer_that_is_not_there_is_told_and_not_fetched(shipped: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no tokenizer `nobody/nothing`"):
        measure(shipped, ("Why?", "So."), tokenizer="nobody/nothing", context_length=10)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(PolicyError, match="not a tokenizer"):
        measure(shipped, ("Why?", "So."), tokenizer=str(tmp_path), context_length=10)


# ── parameters ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_single_codes_can_be_lowered_or_switched_off(shipped: dict[str, Any]) -> None:
    row = ("Name a book.", "As an AI language model, I do not read, but many people like it because")
    found = measure(shipped, row, info=["disclaimer"]).findings
    assert found.select("code", "severity").rows() == [("disclaimer", "info"), ("unfinished", None)]
    off = measure(shipped, row, info=[], ignore=["unfinished"])
    assert off.findings.select("code", "severity").rows() == [("disclaimer", None)]
    assert off.figures == {"disclaimer": 1}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"ignore": ["unfinnished"]}, "unfinished"),
        ({"context_length": 10}, "needs a `tokenizer`"),
        ({"top_ngrams": {2: 2.0}}, "a share above 0"),
        ({"duplicate_ngrams": {0: 0.2}}, "1 to 20 words"),
        ({"min_chars": 5, "max_chars": 4}, "more than"),
    ],
)
def test_a_wrong_parameter_is_refused(shipped: dict[str, Any], params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        QualityParams(**{**shipped, **params})


def test_a_lexicon_of_ones_own_extends_or_replaces_the_shipped_one(shipped: dict[str, Any], tmp_path: Path) -> None:
    own = tmp_path / "rules" / "lexicons" / "refusals.txt"
    own.parent.mkdir(parents=True)
    context = Context(CONTEXT.workers, Folders(tmp_path))
    rows = [("A?", "As an AI language model, I like it."), ("B?", "Computer says no. So it is.")]

    own.write_text("extends: refusals\n[refusal]\ncomputer says no\n- as an ai language model\n")
    assert measure(shipped, *rows, context=context).findings.select("row", "code").rows() == [(2, "refusal")]
    params = QualityParams(**shipped)
    assert [path.name for path in quality.inputs(params, context.folders)] == ["refusals.txt"] * 2

    own.write_text("computer says no\n")
    assert measure(shipped, *rows, context=context).findings["row"].to_list() == [2]
    assert len(quality.inputs(params, context.folders)) == 1

    for text, problem in (("# nothing\n", "holds no entry"), ("x\n", "two characters")):
        own.write_text(text)
        with pytest.raises(PolicyError, match=problem):
            measure(shipped, *rows, context=context)
    with pytest.raises(PolicyError, match="no lexicon `none`"):
        measure(shipped, *rows, refusals="none")


# ── findings ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_findings_name_their_place_and_quote_no_contact(shipped: dict[str, Any]) -> None:
    measured = measure(shipped, ("Who?", "As an AI language model, I say: write to m.okafor@harbour-lights.co.uk."))
    assert measured.findings.schema == FOUND
    assert measured.findings.select("id", "file", "row", "field", "code").rows() == [
        ("id1", "a.jsonl", 1, "messages[1].content", "disclaimer")
    ]
    assert "okafor" not in str(measured.findings.to_dicts())
    assert measured.examined == 1


def test_nothing_to_look_at_is_nothing_found(shipped: dict[str, Any]) -> None:
    measured = measure(shipped)
    assert (measured.examined, measured.findings.height) == (0, 0)


def test_the_examples_of_the_rule_reference_do_what_they_say(shipped: dict[str, Any]) -> None:
    for record in quality.fails:
        assert len(codes(shipped, str(record["prompt"]), str(record["completion"]))) == 1, record
    for record in quality.passes:
        assert codes(shipped, str(record["prompt"]), str(record["completion"])) == [], record


def test_what_is_found_in_real_datasets_was_looked_at(shipped: dict[str, Any], shared_data: Path) -> None:
    found = {}
    for path in sorted(shared_data.rglob("*.json*")):
        dataset = read([path])
        measured = quality.run(Frames(dataset.examples, dataset.malformed), QualityParams(**shipped), CONTEXT)
        blocking = measured.findings.filter(pl.col("severity").is_null())["code"]
        found[path.name] = dict(blocking.value_counts().iter_rows())
    assert found.pop("identity.json")["placeholder"] == 85
    assert found == {
        "alpaca_en_demo.json": {"disclaimer": 20, "unfinished": 1},
        "c4_demo.jsonl": {"loop": 1, "markup_residue": 1},
        "dpo_en_demo.json": {"disclaimer": 1},
        "glaive_toolcall_en_demo.json": {"disclaimer": 16},
        "kto_en_demo.json": {"disclaimer": 5, "loop": 1, "markup_residue": 1},
        "test.jsonl": {},
        "train.jsonl": {},
    }
