"""Rules that are drafted from what people called bad: they find it, they run as they are drafted, and where nothing
tells good from bad, that is said."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from gate.data.frame import MALFORMED
from gate.data.read import read
from gate.data.views import Frames
from gate.errors import UsageError
from gate.provenance.keys import new_key
from gate.reporting.drafts import Found, drafted
from gate.snapshots.features import FEATURES
from gate.snapshots.predicates import (
    Bound,
    Candidates,
    Measured,
    Phrases,
    Predicate,
    Setting,
    Spoken,
    _beyond,
    _off,
    _spoken,
    bounds,
    features,
    phrases,
)
from gate.snapshots.suggest import Group, Suggestion, _luck, best, grouped
from gate.verbs.check import check
from gate.verbs.review import Sample, find_rows, sample, sign
from gate.verbs.suggest import Suggestions, suggest, write_drafts
from tests.snapshots.made import WORDS

Record = Mapping[str, object]
Judge = Callable[[Record], str | None]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GATE_KEYS", str(tmp_path / "keys"))


def said(dice: random.Random, low: int = 20, high: int = 60) -> str:
    return " ".join(dice.choices(WORDS, k=dice.randint(low, high))).capitalize() + "."


def records(count: int = 400, seed: int = 0) -> list[dict[str, object]]:
    dice = random.Random(seed)
    return [{"prompt": f"Question {n}: {said(dice, 6, 12)}", "completion": said(dice)} for n in range(count)]


def write(folder: Path, rows: Sequence[Record]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "data.jsonl"


def reviewed(path: Path, judge: Judge, size: int = 120) -> tuple[Suggestions, Sample]:
    """What is suggested once somebody who judges so has reviewed a sample."""
    rows = find_rows([str(path)])
    drawn = sample(rows, [str(path)], size=size)
    by_row = {number: json.loads(line) for number, line in enumerate(path.read_text().splitlines(), start=1)}
    reasons = [judge(by_row[row]) for row in drawn.examples["row"]]
    drawn.answers().take(
        (id_, "good" if reason is None else "bad", reason) for id_, reason in zip(drawn.ids, reasons, strict=True)
    )
    return suggest(rows, drawn), drawn


def runs(suggestions: Suggestions, path: Path, rules: str) -> int:
    """How many rows the drafts flag when they are run as they were drafted."""
    folder = path.parent
    write_drafts(suggestions.files, folder)
    result = check(path, policy="reviewed", select=rules.split(), home=folder)
    return result.findings.filter(pl.col("severity") != "info").select("file", "row").n_unique()


def planted(rows: list[dict[str, object]], change: Callable[[str], str], every: int = 8) -> list[dict[str, object]]:
    for row in rows[::every]:
        row["completion"] = change(str(row["completion"]))
    return rows


def test_a_length_is_found_and_drafted_as_a_parameter_of_quality(tmp_path: Path) -> None:
    path = write(tmp_path / "d", planted(records(), lambda _: "Ok."))
    found, _ = reviewed(path, lambda row: "says nothing" if row["completion"] == "Ok." else None)
    ((group, suggested),) = found.groups
    first = suggested[0]
    assert group.reason == "says nothing"
    assert isinstance(first.suggestion.predicate.draft, Setting)
    assert set(first.suggestion.predicate.draft.params) == {"min_chars"}
    assert (first.suggestion.recall, first.suggestion.precision, first.flagged) == (1.0, 1.0, 50)
    assert first.others == 50 - first.suggestion.behind
    assert len(first.places) == 5
    assert runs(found, path, "quality") == 50


def test_a_length_of_the_prompt_is_found_and_drafted_as_a_suite(tmp_path: Path) -> None:
    rows = records()
    for row in rows[::8]:
        row["prompt"] = f"{row['prompt']} " + "please " * 40
    path = write(tmp_path / "d", rows)
    found, _ = reviewed(path, lambda row: "begs" if "please please" in str(row["prompt"]) else None)
    drafts = [each.suggestion.predicate.draft for each in found.groups[0][1]]
    assert any(isinstance(draft, Bound) and draft.column == "prompt_chars" for draft in drafts)
    chosen = next(each for each in found.groups[0][1] if isinstance(each.suggestion.predicate.draft, Bound))
    files = drafted([chosen], 120)
    suite = json.loads(files["rules/expectations/reviewed.json"])
    assert suite["expectations"][0]["kwargs"]["column"] == "prompt_chars"
    write_drafts(files, path.parent)
    result = check(path, policy="reviewed", select="reviewed_bounds", home=path.parent)
    assert result.findings.height == chosen.flagged == 50


def test_a_phrase_is_found_and_drafted_as_an_entry_of_the_lexicon(tmp_path: Path) -> None:
    path = write(tmp_path / "d", planted(records(), lambda text: f"Kindly contact our support team. {text}"))
    found, _ = reviewed(path, lambda row: "refers to support" if "support" in str(row["completion"]) else None)
    first = found.groups[0][1][0]
    assert isinstance(first.suggestion.predicate.draft, Phrases)
    assert "contact our" in found.files["rules/lexicons/refusals.txt"]
    assert runs(found, path, "quality") == first.flagged == 50


def test_a_phrase_in_the_middle_is_drafted_as_a_check_of_ones_own(tmp_path: Path) -> None:
    def late(text: str) -> str:
        return f"{text} {text} Sincerely yours, the Bot. {text}"

    rows = [row | {"completion": f"{row['completion']} {row['completion']}"} for row in records()]
    path = write(tmp_path / "d", planted(rows, late))
    found, _ = reviewed(path, lambda row: "signs as a bot" if "Bot" in str(row["completion"]) else None)
    chosen = [each for each in found.groups[0][1] if isinstance(each.suggestion.predicate.draft, Spoken)]
    assert chosen
    write_drafts(drafted(chosen[:1], 120), path.parent)
    result = check(path, policy="reviewed", select="reviewed_answer_phrases", home=path.parent)
    assert result.findings.height == chosen[0].flagged == 50


def test_capitals_are_found_and_drafted_as_a_check_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path / "d", planted(records(), str.upper))
    found, _ = reviewed(path, lambda row: "shouts" if str(row["completion"]).isupper() else None)
    first = found.groups[0][1][0]
    assert first.suggestion.predicate.draft == Measured("capitals", 0.5, True)
    assert runs(found, path, "reviewed_capitals") == first.flagged == 50


def test_a_missing_end_mark_is_found_by_what_quality_sees_already(tmp_path: Path) -> None:
    path = write(tmp_path / "d", planted(records(), lambda text: text.removesuffix(".")))
    found, _ = reviewed(path, lambda row: None if str(row["completion"]).endswith(".") else "no full stop")
    first = found.groups[0][1][0]
    assert isinstance(first.suggestion.predicate.draft, Setting)
    assert "no_final_punctuation" in first.suggestion.predicate.says
    assert runs(found, path, "quality") == first.flagged == 50


def test_another_language_is_found_and_drafted_as_what_is_expected(tmp_path: Path) -> None:
    english = "The first train for the coast leaves tomorrow morning at seven from platform three, and it is on time."
    german = "Der erste Zug an die Küste fährt morgen früh um sieben Uhr von Gleis drei ab, und er ist pünktlich."
    dice = random.Random(1)
    rows = [
        {"prompt": said(dice, 6, 12), "completion": f"{german if n % 8 == 0 else english} {said(dice, 2, 4)}"}
        for n in range(400)
    ]
    path = write(tmp_path / "d", rows)
    found, _ = reviewed(path, lambda row: "not English" if "Küste" in str(row["completion"]) else None)
    drafts = [each for each in found.groups[0][1] if isinstance(each.suggestion.predicate.draft, Setting)]
    chosen = next(each for each in drafts if each.suggestion.predicate.draft.rule == "language")  # type: ignore[union-attr]
    assert chosen.suggestion.predicate.draft.params == {"expected": ["en"]}  # type: ignore[union-attr]
    write_drafts(drafted([chosen], 120), path.parent)
    result = check(path, policy="reviewed", select="language", home=path.parent)
    assert result.findings.filter(pl.col("code") == "unexpected_language").height == chosen.flagged == 50


def test_several_reasons_make_one_policy(tmp_path: Path) -> None:
    rows = planted(planted(records(), lambda _: "Ok."), str.upper, every=9)
    path = write(tmp_path / "d", rows)

    def judge(row: Record) -> str | None:
        text = str(row["completion"])
        return "Says nothing!" if len(text) == 3 else "shouts" if text.isupper() else None

    found, _ = reviewed(path, judge)
    assert {group.reason for group, _ in found.groups} == {"Says nothing!", "shouts"}
    policy = YAML(typ="safe").load(found.files["rules/admission/reviewed.yaml"])
    assert [rule["id"] for rule in policy["rules"]] == ["quality", "reviewed_capitals"]
    flagged = sum(suggested[0].flagged for _, suggested in found.groups)
    assert runs(found, path, "quality reviewed_capitals") >= flagged - 6  # a row may be both


def test_what_is_bad_for_no_reason_that_can_be_measured_is_left_to_people(tmp_path: Path) -> None:
    path = write(tmp_path / "d", records())
    dice = random.Random(5)
    found, _ = reviewed(path, lambda row: "wrong" if dice.random() < 0.2 else None)
    assert found.bad > 10
    assert all(not suggested for _, suggested in found.groups)
    assert found.files == {}


@pytest.mark.parametrize("seed", range(5))
def test_luck_is_not_taken_for_a_rule(seed: int, tmp_path: Path) -> None:
    """A handful of bad ones among a few good ones: some of hundreds of candidates always tells them apart."""
    frames = frames_of(write(tmp_path / "d", records(24, seed)))
    bad = pl.Series([at < 4 for at in range(24)]).shuffle(seed=seed)
    into = candidates(frames, bad)
    perfect = [each for each in into.predicates if (each.flags(frames) == bad).all()]
    assert into.tried > 100
    assert best(into, frames, bad) == [] or perfect


def test_two_are_too_few_to_draw_a_rule_from(tmp_path: Path) -> None:
    path = write(tmp_path / "d", records())
    count = iter(range(1000))
    found, _ = reviewed(path, lambda row: "SHOUTS" if next(count) < 2 else None)
    assert found.bad == 2
    assert all(not suggested for _, suggested in found.groups)
    assert found.files == {}


def test_what_looks_like_personal_data_is_no_phrase_of_a_rule(tmp_path: Path) -> None:
    secret = "Write to ana.ruiz@example.org or call +34 915 550 123"
    path = write(tmp_path / "d", planted(records(), lambda text: f"{secret}. {text}"))
    found, _ = reviewed(path, lambda row: f"quotes {secret}" if secret in str(row["completion"]) else None)
    text = "".join(found.files.values()) + str([each.places for _, some in found.groups for each in some])
    assert found.files
    for part in ("ana.ruiz", "example.org", "915", "550 123"):
        assert part not in text


@pytest.mark.parametrize(
    "reason", ["x\n  - id: evil\n    check: none", "# */ ''' \"\"\" {{}} {0}", "\u2028rules: []", "a\x85b", "- [x"]
)
def test_a_reason_is_never_more_than_a_comment(reason: str, tmp_path: Path) -> None:
    path = write(tmp_path / "d", planted(records(), str.upper))
    found, _ = reviewed(path, lambda row: reason if str(row["completion"]).isupper() else None)
    policy = YAML(typ="safe").load(found.files["rules/admission/reviewed.yaml"])
    assert [rule["id"] for rule in policy["rules"]] == ["reviewed_capitals"]
    assert runs(found, path, "reviewed_capitals") == 50


def test_reviews_of_the_store_count_whoever_signed_them_and_with_a_trust_file_only_trusted_ones(
    tmp_path: Path,
) -> None:
    from gate.provenance.trust import Trust

    path = write(tmp_path / "d", planted(records(), str.upper))
    _, drawn = reviewed(path, lambda row: "shouts" if str(row["completion"]).isupper() else None)
    sign(drawn, drawn.answers().pending(), new_key("ana"), store=tmp_path / "store")
    rows = find_rows([str(path)])
    found = suggest(rows, drawn, store=tmp_path / "store")
    assert found.bad + found.good == 120
    assert not found.checked
    with pytest.raises(UsageError, match="called bad"):
        suggest(rows, drawn, store=tmp_path / "store", trust=Trust("nobody", "0" * 64, {}))


def test_drafts_replace_nothing(tmp_path: Path) -> None:
    (tmp_path / "rules/admission").mkdir(parents=True)
    (tmp_path / "rules/admission/reviewed.yaml").write_text("mine")
    files = {"rules/checks/a.py": "", "rules/admission/reviewed.yaml": ""}
    with pytest.raises(UsageError, match="already"):
        write_drafts(files, tmp_path)
    assert not (tmp_path / "rules/checks").exists()


# Each drafted rule flags what its predicate said it would


ODD = [
    {"prompt": "p", "completion": text}
    for text in (
        "", " ", "A", "AB cd", "ÄÖ ü", "123 4", "!!! ???", "- one\n- two\n3. three", "see https://a.org http://b",
        "```x```", "word " * 30, "日本語 テスト", "İI", "it's “it’s”", "\n\n\n", "e\u0301", "1", "a-b c_d",
    )
] + [{"text": "PLAIN Text 1!"}]  # fmt: skip


def frames_of(path: Path) -> Frames:
    return Frames(read([path]).examples, pl.DataFrame(schema=MALFORMED))


def candidates(frames: Frames, bad: pl.Series) -> Candidates:
    into = Candidates()
    bounds(frames, bad, into)
    phrases(frames, bad, 200, into)
    features(frames, bad, into)
    return into


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "data").mkdir()
    write(folder / "data", ODD[:-1])
    (folder / "data" / "text.jsonl").write_text(json.dumps(ODD[-1]) + "\n")
    return folder


DRAFTS: list[tuple[Measured | Spoken | Bound, Callable[[Frames], pl.Series]]] = [
    *((draft, partial(_off, draft=draft)) for draft in (Measured(name, 0.05, True) for name in FEATURES)),
    *(
        (draft, partial(_spoken, draft=draft))
        for draft in (
            Spoken(column, words)
            for column in ("answer", "prompt")
            for words in (("word word",), ("it's",), ("a b",), ("日本語", "123 4"), ("p",))
        )
    ),
    (Bound("turns", 1, 1), partial(_beyond, draft=Bound("turns", 1, 1))),
]
Place = tuple[str, int]
Ran = list[tuple[str, list[Place], list[Place]]]


@pytest.fixture(scope="module")
def ran(odd: Path) -> Ran:
    """Of each draft: its rule, the rows that it flags when it is run, and those that its predicate says."""
    found = [
        Found(Group("why", ("x",)), Suggestion(Predicate("odd", draft, flags), 3, 3, 0, 3, 0.0), 3, 0, ())
        for draft, flags in DRAFTS
    ]
    write_drafts(drafted(found, 6), odd)
    policy = YAML(typ="safe").load((odd / "rules/admission/reviewed.yaml").read_text())
    suite, *others = [rule["id"] for rule in policy["rules"]]
    rules = [*others, suite]
    findings = check(odd / "data", policy="reviewed", select=rules, home=odd).findings
    frames = frames_of(odd / "data")
    return [
        (
            rule,
            sorted(findings.filter(pl.col("rule") == rule).select("file", "row").rows()),
            sorted(frames.examples.select("file", "row").filter(flags(frames)).rows()),
        )
        for rule, (_, flags) in zip(rules, DRAFTS, strict=True)
    ]


@pytest.mark.parametrize("number", range(len(DRAFTS)), ids=lambda number: str(DRAFTS[number][0]))
def test_a_drafted_rule_flags_what_its_predicate_said(number: int, ran: Ran) -> None:
    rule, flagged, meant = ran[number]
    draft = DRAFTS[number][0]
    about = draft.feature if isinstance(draft, Measured) else draft.column if isinstance(draft, Spoken) else "bounds"
    assert rule.startswith(f"reviewed_{about}")
    assert flagged == meant
    if isinstance(draft, Measured):
        assert 0 < len(meant) < len(ODD)


# Parts


def test_reasons_that_differ_in_case_spaces_and_marks_are_one() -> None:
    verdicts = pl.DataFrame(
        {
            "id": list("abcdefg"),
            "verdict": ["bad"] * 6 + ["good"],
            "reason": ["Too long!", "too  long", "wrong", "Wrong.", "wrong", None, None],
        }
    )
    assert [(group.reason, group.ids) for group in grouped(verdicts)] == [
        ("wrong", ("c", "d", "e")),
        ("Too long!", ("a", "b")),
        (None, ("f",)),
    ]


def test_luck_is_fishers() -> None:
    """Fisher 1935, "The Design of Experiments": of eight cups the lady names four; all right by luck 1 in 70."""
    assert _luck(4, 0, 4, 4) == pytest.approx(1 / 70)
    assert _luck(3, 1, 4, 4) == pytest.approx(17 / 70)
    assert _luck(0, 4, 4, 4) == 1.0
