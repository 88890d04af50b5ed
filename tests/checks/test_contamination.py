"""What the contamination check calls an overlap with an evaluation set, and what it takes for chance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.base import FOUND, Context, Measurement
from gate.checks.contamination import ContaminationParams, contamination
from gate.data.read import read
from gate.data.views import Frames
from gate.folders import Folders
from gate.policy.load import load_policy

Record = Mapping[str, object]
Measure = Callable[..., Measurement]

(RULE,) = (rule for rule in load_policy("base", Folders()).rules if rule.id == "contamination")

FERRY = (
    "A ferry carries 48 cars on every crossing and makes nine crossings on a summer day. "
    "How many cars does it carry in a week in which it rests on Monday?"
)
BAKER = (
    "Ines bakes three trays of rye rolls before sunrise and sells each tray for fourteen euros at the harbour. "
    "What has she earned when only a third of the last tray is left over?"
)
GARDEN = "Which of the gardens described in the letter belonged to the painter's elder sister before the flood?"
ITEMS: list[Record] = [
    {"question": FERRY, "answer": "2592"},
    {"question": BAKER, "answer": "She sells two trays and two thirds of a tray, so she earns 37 euros and 33 cents."},
    {"question": GARDEN, "answer": "the walled one"},
]


def write(path: Path, records: Iterable[Record]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Runs the check, with the shipped rule's parameters, on records against items."""

    def run(rows: Iterable[Record], items: Iterable[Record] = ITEMS, name: str = "rows.jsonl", **params: Any):  # type: ignore[no-untyped-def]
        write(tmp_path / "evaluations/set.jsonl", items)
        dataset = read([write(tmp_path / "data" / name, rows)])
        given = ContaminationParams.model_validate(RULE.params | {"evaluations": ("evaluations/set.jsonl",)} | params)
        context = Context(workers=cast(Any, None), folders=Folders(tmp_path))
        return contamination.run(Frames(dataset.examples, dataset.malformed), given, context)

    return run


def codes(measured: Measurement) -> list[tuple[int, str]]:
    return measured.findings.sort("row").select("row", "code").rows()


def row(prompt: str, completion: str = "I could not say.") -> Record:
    return {"prompt": prompt, "completion": completion}


# ── what a row may hold of an item ─────────────────────────────────────────────────────────────────────────────


def test_question_and_answer_are_told_from_the_question_alone(measure: Measure) -> None:
    rows = [
        row(FERRY, "It carries 2592 cars."),
        row(FERRY),
        row(BAKER, cast(str, ITEMS[1]["answer"])),
        row("What did she earn?", cast(str, ITEMS[1]["answer"])),
        row("Is it raining?"),
    ]
    assert codes(measure(rows)) == [
        (1, "contains_item"),
        (2, "question_only"),
        (3, "contains_item"),
        (4, "answer_only"),
    ]


def test_a_short_answer_counts_behind_the_question_only(measure: Measure) -> None:
    assert codes(measure([row(f"2592. {FERRY}")])) == [(1, "question_only")]
    assert codes(measure([{"text": f"{FERRY} Answer: 2592"}])) == [(1, "contains_item")]


def test_an_item_without_an_answer_is_its_question(measure: Measure) -> None:
    assert codes(measure([row(FERRY)], items=[{"text": FERRY}])) == [(1, "contains_item")]


@pytest.mark.parametrize(
    "edited",
    [
        FERRY.upper(),
        re.sub(r"[^\w\s]", "", FERRY),
        FERRY.replace(" ", "\n\t "),
        f"Please solve this riddle for my niece. {FERRY} Show every step.",
        f"“{FERRY}”",
    ],
)
def test_case_punctuation_white_space_and_what_stands_around_it_make_no_difference(
    measure: Measure, edited: str
) -> None:
    measured = measure([row(edited)])
    assert codes(measured) == [(1, "question_only")]
    assert measured.findings["score"].item() == 1.0


def test_decomposed_letters_are_the_same_letters(measure: Measure) -> None:
    import unicodedata

    question = GARDEN.replace("garden", "jardín").replace("sister", "hermaña")
    measured = measure([row(unicodedata.normalize("NFD", question))], items=[{"question": question, "answer": "x"}])
    assert codes(measured) == [(1, "question_only")]


def test_a_copy_cut_off_and_one_with_other_names_and_numbers_are_near_duplicates(measure: Measure) -> None:
    words = BAKER.split()
    other = re.sub("ferry|48|nine|day|Monday|week", "moon", FERRY)
    rows = [row(" ".join(words[: len(words) * 6 // 10])), row(" ".join(words[len(words) * 4 // 10 :])), row(other)]
    assert codes(measure(rows)) == [(at, "near_duplicate_of_item") for at in (1, 2, 3)]


def test_an_item_is_found_wherever_text_is_trained_on(measure: Measure) -> None:
    asked = {"role": "user", "content": "Hello."}
    rows = [
        {"messages": [asked, {"role": "assistant", "content": FERRY}]},
        {"messages": [{"role": "system", "content": FERRY}, asked, {"role": "assistant", "content": "Hello!"}]},
    ]
    assert measure(rows).findings["field"].to_list() == ["messages[1].content", "messages[0].content"]
    pairs = [{"prompt": "Set me a riddle.", "chosen": "No.", "rejected": FERRY}]
    assert measure(pairs, name="pairs.jsonl").findings["field"].to_list() == ["rejected[0].content"]
    assert measure([{"text": FERRY}], name="text.jsonl").findings["field"].to_list() == ["text"]


def test_a_finding_says_where_and_which_item_and_quotes_nothing(measure: Measure) -> None:
    before = "Please solve this: "
    measured = measure([row("Hello?"), row(before + FERRY, "It is 2592.")])
    assert measured.findings.schema == FOUND
    (found,) = measured.findings.to_dicts()
    assert (found["row"], found["field"]) == (2, "messages[0].content")
    assert (found["start"], found["end"]) == (len(before), len(before + FERRY) - 1)  # but for the question mark
    assert (found["group"], found["score"], found["severity"], found["remedy"]) == (
        "evaluations/set.jsonl", 1.0, None, None,
    )  # fmt: skip
    assert found["message"] == "Holds question and answer (100% of the question) of item 1 of evaluations/set.jsonl."
    assert found["evidence"] is None
    assert (measured.examined, measured.figures) == (2, {"contains_item": 1})


def test_the_partner_is_the_content_id_of_the_item(measure: Measure, tmp_path: Path) -> None:
    partner = measure([row(GARDEN)]).findings["partner"].item()
    assert partner == read([tmp_path / "evaluations/set.jsonl"]).examples["id"][2]


def test_a_row_has_one_finding_per_set_the_worst(measure: Measure, tmp_path: Path) -> None:
    write(tmp_path / "evaluations/other.jsonl", ITEMS[:1])
    rows = [{"text": f"{GARDEN} {FERRY} 2592. {BAKER}"}]
    sets = ("evaluations/set.jsonl", "evaluations/other.jsonl")
    found = measure(rows, evaluations=sets).findings.sort("group")
    assert found.select("group", "code").rows() == [(sets[1], "contains_item"), (sets[0], "contains_item")]
    assert found["message"][1].endswith("item 1 of evaluations/set.jsonl, and 2 more items.")


# ── short items ────────────────────────────────────────────────────────────────────────────────────────────────

SHORT: list[Record] = [
    {"question": "Who painted the blue harbour?", "answer": "Ferrante"},
    {"question": "Paris", "answer": "Seine"},
    {"question": "In which year did the great lighthouse of Oran burn down?", "answer": "1871"},
]


def test_a_short_question_has_to_be_a_message_of_its_own(measure: Measure) -> None:
    rows = [
        row("who painted the BLUE harbour"),
        row("Who painted the blue harbour?", "Ferrante did."),
        row("Tell me who painted the blue harbour, and when."),
        row("Who painted the blue harbour of Genoa?"),
    ]
    assert codes(measure(rows, items=SHORT)) == [(1, "question_only"), (2, "contains_item")]


def test_a_question_of_a_word_needs_its_answer(measure: Measure) -> None:
    rows = [row("Paris"), row("Paris", "It lies on the Seine."), row("I like Paris.", "And I the Seine.")]
    assert codes(measure(rows, items=SHORT)) == [(2, "contains_item")]


def test_a_question_of_some_words_is_found_inside_a_text_too(measure: Measure) -> None:
    rows = [
        row("Please tell me: in which year did the great lighthouse of Oran burn down?"),
        row("In which year did the great lighthouse of Alexandria burn down?"),
    ]
    assert codes(measure(rows, items=SHORT)) == [(1, "question_only")]


# ── what many items share says nothing ─────────────────────────────────────────────────────────────────────────

TEMPLATE = "Read the following problem with care, think step by step, and give nothing but the final number: "


def test_a_template_of_many_items_is_no_overlap(measure: Measure) -> None:
    subjects = [f"what is the product of {n} and {n + 7} less the square of {n % 9}" for n in range(200)]
    items = [{"question": TEMPLATE + each, "answer": str(n)} for n, each in enumerate(subjects)]
    rows = [row(TEMPLATE + "how tall is the tower that the masons of Lübeck began in the spring?"), row(TEMPLATE)]
    assert codes(measure(rows, items=items)) == []


def test_an_item_in_a_template_is_found_without_it(measure: Measure) -> None:
    items = [{"question": f"{TEMPLATE}{n} {FERRY if n == 7 else ''} {n}", "answer": f"a{n}"} for n in range(50)]
    assert codes(measure([row(FERRY)], items=items)) == [(1, "question_only")]


def test_a_question_that_many_items_share_needs_its_answer(measure: Measure) -> None:
    question = "Which of the statements in the passage above does the author of the letter disagree with most?"
    items = [{"question": question, "answer": f"the claim number {n} about the {n} mills"} for n in range(30)]
    rows = [row(question, "none of them"), row(question, "the claim number 12 about the 12 mills")]
    assert codes(measure(rows, items=items)) == [(2, "contains_item")]


def test_an_item_that_comes_many_times_is_one_item(measure: Measure) -> None:
    assert codes(measure([row(FERRY)], items=ITEMS[:1] * 40)) == [(1, "question_only")]


def test_variants_of_one_problem_are_told_from_templates(measure: Measure) -> None:
    """As in sets that put other numbers into the same hundred problems."""
    items = [{"question": FERRY.replace("48", str(n)), "answer": str(n * 54)} for n in range(100, 150)]
    assert codes(measure([row(FERRY.replace("48", "117"))], items=items)) == [(1, "question_only")]


def test_a_long_run_in_common_is_information(measure: Measure) -> None:
    run = "makes nine crossings on a summer day how many cars does it carry"
    measured = measure([row(f"The old tram company of Porto {run} to the hills when the school is closed and why?")])
    assert measured.findings.select("code", "severity", "remedy").rows() == [("shares_run", "info", "review")]


def test_a_run_that_more_items_share_than_the_rule_allows_is_not_told(measure: Measure) -> None:
    run = "makes nine crossings on a summer day how many cars does it carry"
    items = [{"question": f"{WORDS_OF[n]} {run} {WORDS_OF[n + 1]}", "answer": "x"} for n in range(20)]
    rows = [row(f"The old tram company of Porto {run} to the hills when the school is closed and why?")]
    assert codes(measure(rows, items=items)) == []
    assert codes(measure(rows, items=items[:5])) == [(1, "shares_run")]


WORDS_OF = [" ".join(f"word{n}of{at}" for at in range(14)) for n in range(21)]


def test_a_few_words_of_an_item_in_a_template_are_not_the_item(measure: Measure) -> None:
    items = [{"question": f"{TEMPLATE}{' '.join(WORDS_OF[n % 20].split()[:5])} {n}", "answer": "x"} for n in range(200)]
    items.append({"question": TEMPLATE + "harbour lamp oyster violet crane", "answer": "x"})
    assert (
        codes(
            measure(
                [row("We saw the final number harbour lamp oyster violet crane and more of that kind.")], items=items
            )
        )
        == []
    )


def test_a_part_of_an_answer_does_not_make_a_shared_question_the_item(measure: Measure) -> None:
    question = "Which of the statements in the passage above does the author of the letter disagree with most?"
    items = [{"question": question, "answer": f"{WORDS_OF[n]} and then {WORDS_OF[n + 1]}"} for n in range(20)]
    assert codes(measure([row(question, WORDS_OF[3])], items=items)) == [(1, "shares_run")]


def test_chance_is_not_a_near_duplicate_of_a_short_item(measure: Measure) -> None:
    """As seen in real data: a phrase of everyday words makes up most of a question of sixteen."""
    items = [{"question": "Calculate the total number of pages in the book. There are 350 pages in the book."}]
    text = "She has to calculate the total number of pages in the series, and keeps her notes."
    assert codes(measure([row(text)], items=[{**each, "answer": "350"} for each in items])) == []


def test_an_answer_alone_has_to_be_a_long_one(measure: Measure) -> None:
    items = [{"question": FERRY, "answer": WORDS_OF[0]}]
    twelve = " ".join(WORDS_OF[0].split()[:12])
    assert codes(measure([row("Hm?", f"{twelve} and so on")], items=items)) == []
    assert codes(measure([row("Hm?", f"{WORDS_OF[0]} and so on")], items=items)) == [(1, "answer_only")]


@pytest.mark.parametrize("stray", ["On a summer day. How many? ", "A ferry carries 48 cars on... "])
def test_a_phrase_of_the_item_elsewhere_in_a_row_is_no_part_of_the_place(measure: Measure, stray: str) -> None:
    text = f"{stray}{'So it goes, and so on, as ever. ' * 9}{FERRY} Thank you. {stray}"
    (found,) = measure([{"text": text}]).findings.to_dicts()
    place = text[found["start"] : found["end"]]
    assert FERRY.endswith(place + "?")
    assert len(place) > len(FERRY) - len(stray)


def test_two_messages_that_quote_a_little_each_are_no_piece_of_the_item(measure: Measure) -> None:
    words = BAKER.split()
    asked = f"{' '.join(words[:6])} and so did we all, long ago"
    told = f"Well, {' '.join(words[20:27])} is how the old song of the mill begins, or so they say."
    assert codes(measure([row(asked, told)])) == []
    assert codes(measure([row(" ".join(words[:11]), told)])) == []
    assert codes(measure([row(" ".join(words[:13]), "Hm?")])) == [(1, "near_duplicate_of_item")]


# ── passages ───────────────────────────────────────────────────────────────────────────────────────────────────

PASSAGE = (
    "The mill of Tavira was built by two brothers who had quarrelled for a decade, and each of them cut his own door "
    "into the southern wall so that they would never meet on the stairs."
)


def test_a_passage_alone_is_information_and_the_question_on_it_is_not(measure: Measure) -> None:
    question = "Why does the mill of the two brothers have a second door in its southern wall?"
    for column in ("passage", "context"):
        items = [{"question": question, column: PASSAGE, "answer": "they had quarrelled"}]
        measured = measure([{"text": PASSAGE}, {"text": f"{PASSAGE}\n{question}"}], items=items, name=column + ".jsonl")
        found = measured.findings.sort("row").select("row", "code", "severity").rows()
        assert found == [(1, "passage_only", "info"), (2, "question_only", None)]


def test_a_choice_given_by_its_number_is_the_answer(measure: Measure) -> None:
    items = [{"question": FERRY, "choices": ["1200", "2592", "17"], "answer": 1}]
    assert codes(measure([row(FERRY, "It is 2592.")], items=items)) == [(1, "contains_item")]


# ── which rows are looked at ───────────────────────────────────────────────────────────────────────────────────


def test_the_dataset_s_own_test_split_may_be_the_registered_set(measure: Measure) -> None:
    assert measure([row(FERRY)], name="test.jsonl").skipped is not None
    assert codes(measure([row(FERRY)], name="validation.jsonl")) == [(1, "question_only")]
    measured = measure([row(FERRY) | {"split": "test"}, row(FERRY) | {"split": "train"}])
    assert (codes(measured), measured.examined) == ([(2, "question_only")], 1)


def test_without_a_registered_set_it_says_so_and_looks_at_nothing(measure: Measure) -> None:
    measured = measure([row(FERRY)], evaluations=())
    assert (measured.examined, measured.skipped) == (0, "no evaluation set is registered (with.evaluations)")


def test_shards_add_up_to_the_whole(measure: Measure, tmp_path: Path) -> None:
    rows = [row(FERRY), row("Hello?"), row(GARDEN), row(f"{BAKER} {BAKER}"), row("Hi")]
    together = measure(rows)
    apart = pl.concat([measure([each]).findings for each in rows])
    same = [name for name in FOUND if name not in ("row", "file")]
    assert apart.select(same).rows() == together.findings.select(same).rows()


def test_a_row_longer_than_a_chunk_is_one_row(measure: Measure) -> None:
    filler = "the tide came in and the tide went out again " * 60_000
    rows = [row(f"{filler}{FERRY}{filler}", "2592"), row(GARDEN)]
    assert codes(measure(rows)) == [(1, "contains_item"), (2, "question_only")]


# ── its parameters and its rule ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("wrong", [{"contained": 4}, {"contained": 14}, {"near": 0.9}, {"containment": 0}, {"n": 5}])
def test_parameters_that_contradict_each_other_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ContaminationParams.model_validate(RULE.params | wrong)


def test_the_examples_of_the_rule_reference_do_what_they_say(measure: Measure) -> None:
    items = [{"question": contamination.fails[0]["prompt"], "answer": "2592"}]
    assert codes(measure(contamination.fails, items=items)) == [(1, "question_only")]
    assert codes(measure(contamination.passes, items=items)) == []
    assert all(meaning.endswith(".") for meaning in contamination.codes.values())


def test_the_shipped_rule_blocks_and_registers_nothing() -> None:
    assert (RULE.severity, RULE.tolerate, RULE.remedy, RULE.params["evaluations"]) == ("error", 0, "drop", [])
