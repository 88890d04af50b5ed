"""The generated corpora: the same again from the same arguments, and a truth that holds."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from bench.corpus import Plan, generate


def rows(folder: Path, file: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "data" / file).read_text(encoding="utf-8").splitlines()]


def words(record: object) -> list[str]:
    if isinstance(record, dict):
        return [word for key, value in record.items() if key != "role" for word in words(value)]
    if isinstance(record, list):
        return [word for item in record for word in words(item)]
    return str(record).lower().replace(".", " ").split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    generate(Plan(rows=1_000, seed=3, template_size=10), folder)
    return folder


def test_the_number_of_rows_is_the_one_asked_for(corpus: Path) -> None:
    files = sorted((corpus / "data").iterdir())
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) == 1_000
    assert {path.stem.split("-")[0] for path in files} == {"messages", "instruction", "preference", "text"}


def test_the_same_arguments_give_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    generate(Plan(rows=1_000, seed=3, template_size=10), tmp_path)
    for path in (corpus / "data").iterdir():
        assert path.read_bytes() == (tmp_path / "data" / path.name).read_bytes()
    generate(Plan(rows=1_000, seed=4, template_size=10), tmp_path)
    assert (corpus / "data" / "text.jsonl").read_bytes() != (tmp_path / "data" / "text.jsonl").read_bytes()


def test_exact_copies_have_the_words_of_their_origin(corpus: Path) -> None:
    truth = pl.read_parquet(corpus / "truth.parquet").filter(pl.col("how") == "exact")
    assert truth.height == 50
    for line in truth.iter_rows(named=True):
        copy = rows(corpus, line["file"])[line["row"] - 1]
        origin = rows(corpus, line["origin_file"])[line["origin_row"] - 1]
        assert words(copy) == words(origin)


def test_the_similarity_in_the_truth_is_that_of_the_texts(corpus: Path) -> None:
    truth = pl.read_parquet(corpus / "truth.parquet").filter(pl.col("how").is_in(["near", "template"]))
    for line in truth.filter(pl.col("file") != "preference.jsonl").head(40).iter_rows(named=True):
        texts = [
            words(rows(corpus, line[file])[line[row] - 1])
            for file, row in (("file", "row"), ("origin_file", "origin_row"))
        ]
        one, other = ({tuple(text[at : at + 5]) for at in range(len(text) - 4)} for text in texts)
        assert line["jaccard"] == pytest.approx(len(one & other) / len(one | other))


def test_near_copies_lie_on_both_sides_of_the_threshold(corpus: Path) -> None:
    near = pl.read_parquet(corpus / "truth.parquet").filter(pl.col("how") == "near")["jaccard"]
    assert (near >= 0.8).sum() >= 10
    assert (near < 0.8).sum() >= 5


def test_planted_values_stand_in_their_rows(corpus: Path) -> None:
    truth = pl.read_parquet(corpus / "truth.parquet").filter(pl.col("how") == "pii")
    assert truth.height == 10
    for line in truth.iter_rows(named=True):
        assert line["text"] in json.dumps(rows(corpus, line["file"])[line["row"] - 1])


def test_parquet_holds_the_same_rows(corpus: Path, tmp_path: Path) -> None:
    generate(Plan(rows=1_000, seed=3, template_size=10, format="parquet"), tmp_path)
    assert pl.read_parquet(tmp_path / "data" / "text.parquet").to_dicts() == rows(corpus, "text.jsonl")
