"""The metadata of an export is Croissant 1.0: by the specification's required parts, and by MLCommons' own reader
where it is installed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any  # what JSON holds

import pytest

from gate.errors import InputError, UsageError
from gate.snapshots.croissant import CONTEXT
from gate.store.objects import Store
from gate.verbs.admit import Admitted, admit
from gate.verbs.snapshots import export_snapshot
from tests.snapshots.made import People, approve, chats, write_rows

CARD = """---
license: cc-by-4.0
language: [en, de]
citation: "@misc{tides, title={Tides}}"
homepage: https://example.org/tides
date: "2026-10-01"
creators:
- Ana Ruiz
- {name: Harbour Office, type: organization, url: https://example.org}
---
# Tides
"""
CALL = [{"type": "function", "function": {"name": "tide", "arguments": {"port": "Oban"}}}]


@pytest.fixture(scope="module")
def sealed(people: People, policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Admitted:
    folder = tmp_path_factory.mktemp("croissant")
    words = [row["output"] for row in chats(6, 400, 8)]
    rows = [
        {"messages": [{"role": "user", "content": words[at]}, {"role": "assistant", "content": words[at + 100]}]}
        for at in range(100)
    ]
    rows[0]["messages"][1] |= {"tool_calls": CALL}  # type: ignore[operator]
    write_rows(folder / "data" / "train.jsonl", rows)
    write_rows(
        folder / "data" / "test.jsonl",
        [{"prompt": words[200 + at], "chosen": words[230 + at], "rejected": words[260 + at]} for at in range(20)],
    )
    one = admit(
        folder / "data", name="tides", signer=people.ana, trust=people.trust, policy=policy, report=False,
        store=folder / "store",
    )  # fmt: skip
    approve(one, people)
    return one


def export(sealed: Admitted, people: People, folder: Path, card: str | None = None) -> dict[str, Any]:
    path = None
    if card is not None:
        path = folder / "card.md"
        path.write_text(card)
    out = folder / "out"
    export_snapshot("tides", out, "datasets", store=Store(sealed.store), trust=people.trust, card=path)
    document: dict[str, Any] = json.loads((out / "croissant.json").read_text())
    return document


def test_the_required_parts_are_there_and_agree_with_the_files(
    sealed: Admitted, people: People, tmp_path: Path
) -> None:
    found = export(sealed, people, tmp_path, CARD)
    assert found["@type"] == "sc:Dataset"
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert found["@context"]["cr"] == "http://mlcommons.org/croissant/"
    assert found["name"] == "tides"
    assert found["identifier"] == f"sha256:{sealed.snapshot}"
    assert found["version"] == "1.0.0"
    assert found["license"] == "cc-by-4.0"
    assert found["inLanguage"] == ["en", "de"]
    assert found["url"] == "https://example.org/tides"
    assert found["datePublished"] == "2026-10-01"
    assert found["creator"] == [
        {"@type": "sc:Person", "name": "Ana Ruiz"},
        {"@type": "sc:Organization", "name": "Harbour Office", "url": "https://example.org"},
    ]
    files = {each["@id"]: each for each in found["distribution"]}
    assert set(files) == {"data/chat/train.parquet", "data/preference/test.parquet"}
    for name, each in files.items():
        content = (tmp_path / "out" / name).read_bytes()
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
        assert each["contentSize"] == f"{len(content)} B"
        assert each["contentUrl"] == name
        assert each["@type"] == "cr:FileObject"
    splits, chat, pairs = found["recordSet"]
    assert splits["dataType"] == "cr:Split"
    assert splits["data"] == [{"splits/name": "train"}, {"splits/name": "test"}]
    assert [field["name"] for field in chat["field"]] == ["id", "messages"]
    assert [field["name"] for field in chat["field"][1]["subField"]] == ["role", "content", "tool_calls"]
    assert [field["name"] for field in pairs["field"]] == ["id", "prompt", "chosen", "rejected"]
    for record_set in (chat, pairs):
        for field in record_set["field"]:
            for leaf in field.get("subField", [field]):
                assert leaf["source"]["fileObject"]["@id"] in files


def test_every_word_that_is_used_stands_in_the_context(sealed: Admitted, people: People, tmp_path: Path) -> None:
    found = export(sealed, people, tmp_path, CARD)
    schema_org = {
        "name", "description", "license", "url", "creator", "datePublished", "dateCreated", "version", "identifier",
        "inLanguage", "distribution", "contentUrl", "contentSize", "encodingFormat", "sha256",
    }  # fmt: skip

    def used(value: object) -> set[str]:
        if isinstance(value, list):
            return {word for each in value for word in used(each)}
        if isinstance(value, dict):
            return {str(key) for key in value if not key.startswith("@")} | {
                word for key, each in value.items() if key not in ("@context", "data") for word in used(each)
            }
        return set()

    assert used(found) - set(CONTEXT) <= schema_org
    assert found["@context"] == CONTEXT


def test_nothing_is_invented_where_there_is_no_card(sealed: Admitted, people: People, tmp_path: Path) -> None:
    found = export(sealed, people, tmp_path)
    assert not {"license", "inLanguage", "creator", "datePublished", "citeAs", "url"} & set(found)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license:" not in card
    assert "language:" not in card


def test_the_card_of_the_source_gives_licence_and_language(sealed: Admitted, people: People, tmp_path: Path) -> None:
    from gate.checks.card_front_matter import front_matter

    export(sealed, people, tmp_path, CARD)
    said = front_matter((tmp_path / "out" / "README.md").read_text())
    assert said is not None
    assert said.values["license"] == "cc-by-4.0"
    assert said.values["language"] == ["en", "de"]
    assert said.values["size_categories"] == ["n<1K"]
    configs = said.values["configs"]
    assert isinstance(configs, list)
    assert [each["config_name"] for each in configs] == ["chat", "preference"]
    assert [each.get("default") for each in configs] == [True, None]


def test_an_admission_binds_what_cards_beside_the_sources_say(people: People, policy: Path, tmp_path: Path) -> None:
    rows = [{"prompt": each["instruction"], "completion": each["output"]} for each in chats(7, 100)]
    write_rows(tmp_path / "data" / "train.jsonl", rows)
    card = "---\nlicense: [MIT, unknown, 'mail me: a@b.example']\nlanguage: en\n---\n"
    (tmp_path / "data" / "README.md").write_text(card)
    one = admit(
        tmp_path / "data", name="tides", signer=people.ana, trust=people.trust, policy=policy, report=False,
        store=tmp_path / "store",
    )  # fmt: skip
    approve(one, people)
    assert (one.admission.licences, one.admission.languages) == (["mit"], ["en"])
    found = export(one, people, tmp_path)
    assert (found["license"], found["inLanguage"]) == ("mit", "en")
    assert 'license: "mit"' in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("card", ["no front matter", "---\nlicense: [\n---\n", "---\na: &x 1\nb: *x\n---\n"])
def test_a_card_that_cannot_be_read_exports_nothing(
    sealed: Admitted, people: People, tmp_path: Path, card: str
) -> None:
    with pytest.raises(InputError):
        export(sealed, people, tmp_path, card)
    assert not (tmp_path / "out").exists()


def test_a_card_goes_with_a_datasets_folder_only(sealed: Admitted, people: People, tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text(CARD)
    with pytest.raises(UsageError, match="datasets folder only"):
        export_snapshot(
            "tides", tmp_path / "out", "chat", store=Store(sealed.store), trust=people.trust, card=tmp_path / "card.md"
        )


def test_words_of_people_are_no_markup(sealed: Admitted, people: People, tmp_path: Path) -> None:
    from gate.provenance.ledger import Ledger
    from gate.provenance.statements import Approval

    note = "fine` <script>alert(1)</script>\n# Heading\n| a | b |"
    Ledger(Store(sealed.store)).say(Approval(statement=sealed.statement.digest, note=note), people.ben)
    export(sealed, people, tmp_path, CARD.replace("license: cc-by-4.0", 'license: other\nlicense_name: "a\\nb: c"'))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "\n# Heading" not in card
    assert "fine' <script>" in card, "within code it is shown as it is"
    from gate.checks.card_front_matter import front_matter

    said = front_matter(card)
    assert said is not None
    assert said.values["license_name"] == "a\nb: c"
    assert "b" not in said.values


def test_the_reader_of_mlcommons_reads_every_record(sealed: Admitted, people: People, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed here")
    export(sealed, people, tmp_path, CARD)
    dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    records = list(dataset.records(record_set="chat/train"))
    assert len(records) == 100
    assert [set(message) for message in records[0]["chat/train/messages"]] == [
        {f"chat/train/messages/{name}" for name in ("role", "content", "tool_calls")}
    ] * 2
    assert len(list(dataset.records(record_set="preference/test"))) == 20
