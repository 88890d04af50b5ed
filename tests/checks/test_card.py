"""What a dataset card has to say, how it says it on the hub, and what a hostile one cannot do."""

from __future__ import annotations

import time
from typing import cast

import polars as pl
import pytest

from gate.checks.base import Context, Measurement
from gate.checks.card import CODES, CardParams, card, size_category
from gate.checks.card_front_matter import BadFrontMatter, front_matter
from gate.data.corpus import Corpus
from gate.data.frame import EXAMPLES, MALFORMED, SourceFile
from gate.data.views import Frames

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders
PARAMS = CardParams(
    require=("license", "owner", "consent", "source_kind"), validate_sources=("logs", "scraped", "generated")
)
GOOD = """---
license: cc-by-4.0
language: [en]
size_categories: [n<1K]
owner: Harbour Lights support
consent: written by our staff for this purpose
source_kind: expert
---
# A dataset
"""


def measure(
    cards: dict[str, str], files: tuple[str, ...] = ("train.jsonl",), params: CardParams = PARAMS
) -> Measurement:
    rows = [{"id": "1", "file": files[0], "row": 1, "kind": "text"}] if files else []
    frames = Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    sources = [SourceFile(path, 1, "0", "jsonl", "text", None, 1, 0) for path in files]
    assert card.features is not None
    features = card.features(frames, params, CONTEXT)
    return card.function(Corpus.of(frames, features, files=sources, cards=cards), params, CONTEXT)


def codes(text: str, params: CardParams = PARAMS) -> list[str]:
    return cast(list[str], measure({"README.md": text}, params=params).findings["code"].to_list())


def changed(**lines: str) -> str:
    """The good card with some lines changed, or taken away where empty."""
    kept = [line for line in GOOD.splitlines() if line.split(":")[0] not in lines]
    new = [f"{key}: {value}" for key, value in lines.items() if value]
    return "\n".join([kept[0], *new, *kept[1:]])


def test_a_complete_card_has_no_finding() -> None:
    assert codes(GOOD) == []


def test_a_dataset_without_a_card_is_a_finding_and_not_a_skip() -> None:
    measured = measure({})
    assert measured.findings.select("code", "file", "row", "score").rows() == [("no_card", None, None, 1.0)]
    assert measured.skipped is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ({"license": ""}, ["no_license"]),
        ({"license": "unknown"}, ["no_license"]),
        ({"license": "my own terms"}, ["unknown_license"]),
        ({"license": "other"}, ["unknown_license"]),
        ({"license": "other", "license_name": "harbour-terms"}, []),
        ({"license": "[mit, CC-BY-4.0]"}, []),
        ({"owner": ""}, ["no_owner"]),
        ({"owner": "TBD"}, ["no_owner"]),
        ({"owner": "", "gate": "{owner: us}"}, []),
        ({"consent": ""}, ["no_consent"]),
        ({"source_kind": ""}, ["no_source_kind"]),
        ({"source_kind": "the internet"}, ["unknown_source_kind"]),
        ({"source_kind": "logs"}, ["bad_source_kind"]),
        ({"source_kind": "[expert, scraped]"}, ["bad_source_kind"]),
        ({"source_kind": "generated", "validated": "by two of us"}, []),
        ({"source_kind": "generated", "validated": "false"}, ["bad_source_kind"]),
        ({"source_kind": "", "annotations_creators": "[expert-generated]"}, []),
        ({"source_kind": "", "annotations_creators": "[machine-generated]"}, ["bad_source_kind"]),
        ({"source_kind": "", "language_creators": "[found]"}, ["bad_source_kind"]),
        ({"size_categories": "[1M<n<10M]"}, ["wrong_size"]),
    ],
)
def test_each_entry_is_judged(lines: dict[str, str], expected: list[str]) -> None:
    assert codes(changed(**lines)) == expected


def test_a_policy_may_name_the_licences_that_it_accepts() -> None:
    params = PARAMS.model_copy(update={"licenses": ("MIT", "cc-by-4.0")})
    assert codes(GOOD, params) == []
    assert codes(changed(license="cc-by-nc-4.0"), params) == ["license_not_allowed"]


def test_findings_carry_the_card_as_their_file_and_none_of_its_text() -> None:
    secret = "ann.lee@corp.test"
    found = measure({"README.md": changed(license=secret, owner="", source_kind=secret)}).findings
    assert set(found["file"]) == {"README.md"}
    assert found.height == 3
    assert secret not in str(found.to_dicts())


def test_a_card_speaks_for_its_folder_and_those_below() -> None:
    files = ("a/train.jsonl", "a/deep/more.jsonl", "b/train.jsonl")
    found = measure({"a/README.md": GOOD}, files).findings
    assert found.select("code", "score").rows() == [("no_card", pytest.approx(1 / 3))]
    assert measure({"README.md": GOOD}, files).findings["code"].to_list() == []
    assert measure(
        {"README.md": "# About this folder", "a/README.md": GOOD, "b/README.md": GOOD}, files
    ).findings.is_empty()


def test_a_readme_without_front_matter_counts_only_where_no_other_has_any() -> None:
    assert codes("# A project") == ["no_front_matter"]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "matter",
    [
        BOMB,
        "a: [1, 2",
        "- a\n- b",
        "just text",
        "license: !!python/object/apply:os.system ['true']",
        "a: " + "[" * 200 + "]" * 200,
        "x: " + "y" * 300_000,
        "a: b: c",
        "\x00: 1",
        "a: 1\na: 2",
    ],
    ids=["bomb", "open", "list", "text", "tag", "deep", "long", "nested", "control", "twice"],
)
def test_front_matter_that_is_broken_or_hostile_is_a_finding_within_a_second(matter: str) -> None:
    begun = time.perf_counter()
    assert codes(f"---\n{matter}\n---\n") == ["invalid_yaml"]
    assert time.perf_counter() - begun < 2


def test_front_matter_that_never_ends_is_broken() -> None:
    with pytest.raises(BadFrontMatter):
        front_matter("---\nlicense: mit\n")
    assert front_matter("# no front matter\n---\n") is None


def test_values_of_any_type_crash_nothing() -> None:
    text = "---\nlicense: 4\nowner: [1, {a: b}]\nconsent: 2020-01-01\nsource_kind: {a: b}\ngate: [1]\n---\n"
    assert set(codes(text)) <= set(CODES)


@pytest.mark.parametrize(
    ("rows", "category"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**12, "n>1T")],
)
def test_size_categories_are_the_hubs(rows: int, category: str) -> None:
    assert size_category(rows) == category
