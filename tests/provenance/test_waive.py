"""Waivers: they name what a rule finds now, within bounds, and cover nothing that comes later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from gate.admission.finding_ids import finding_ids
from gate.errors import UsageError
from gate.provenance.keys import PrivateKey, new_key
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement, Waiver
from gate.provenance.trust import Trust, Untrusted
from gate.verbs.check import check
from gate.verbs.waive import Waiving, waive

People = Mapping[str, PrivateKey]
RULE = "structure"


def day(ahead: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()


def write(path: Path, broken: int) -> Path:
    rows = [{"instruction": f"Which ship is number {number}?", "output": f"Ship {number}."} for number in range(30)]
    rows += [{"instruction": f"Broken {number}", "output": ""} for number in range(broken)]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path.parent


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data" / "train.jsonl", 3)


def asked(data: Path, ledger: Ledger, signer: PrivateKey, **changes: object) -> Statement:
    options: dict[str, object] = {"until": day(30), "why": "an import, being mended", "store": ledger.store}
    return waive(str(changes.pop("rule", RULE)), data, signer=signer, **(options | changes))  # type: ignore[arg-type]


def found(data: Path, *waivers: Statement) -> pl.DataFrame:
    result = check(data, select=[RULE], waivers=waivers)
    return result.findings.with_columns(finding=finding_ids(result.findings))


def test_it_names_what_is_there_and_covers_nothing_that_comes_later(data: Path, ledger: Ledger, people: People) -> None:
    statement = asked(data, ledger, people["Ana"], until=day(30))
    assert isinstance(statement.about, Waiver)
    assert statement.about.rule == RULE
    assert sorted(statement.about.findings) == sorted(found(data)["finding"])
    assert statement.about.until == f"{day(30)}T23:59:59.999999Z"
    assert set(found(data, statement)["state"]) == {"waived"}
    write(data / "train.jsonl", 4)
    later = found(data, statement)
    assert later["state"].value_counts().sort("count")["count"].to_list() == [1, 3]
    assert later.filter(pl.col("state") == "new")["row"].to_list() == [34]


def test_only_those_that_are_named(data: Path, ledger: Ledger, people: People) -> None:
    ids = found(data)["finding"].to_list()
    statement = asked(data, ledger, people["Ana"], findings=[ids[0][:8], ids[2]])
    assert isinstance(statement.about, Waiver)
    assert sorted(statement.about.findings) == sorted([ids[0], ids[2]])
    for wrong in ("1234567", "not hex!", "0" * 8, ""):
        with pytest.raises(UsageError, match=r"no id of a finding|no finding of rule"):
            asked(data, ledger, people["Ana"], findings=[wrong])


def test_what_is_only_counted_needs_no_exception(data: Path, ledger: Ledger, people: People) -> None:
    policy = data.parent / "lenient.yaml"
    rule = "{id: structure, severity: info}"
    policy.write_text(f"version: 1\nextends: chat\nrules:\n  - {rule}\n")
    with pytest.raises(UsageError, match="finds nothing in this data that counts"):
        asked(data, ledger, people["Ana"], policy=policy)


def test_not_more_than_was_said(data: Path, ledger: Ledger, people: People) -> None:
    with pytest.raises(UsageError, match="3 findings, which is more than 2"):
        asked(data, ledger, people["Ana"], most=2)
    assert ledger.all() == []
    asked(data, ledger, people["Ana"], most=3)


@pytest.mark.parametrize(
    ("until", "message"),
    [
        (day(-1), "is over already"),
        ("2020-01-01T00:00:00Z", "is over already"),
        (day(367), "more than 366 days ahead"),
        ("9998-12-31", "more than 366 days ahead"),
        ("9999-12-31", "expected a year"),
        ("soon", "expected a date"),
        ("2099-01-01T10:00:00", "zone"),
    ],
)
def test_it_ends_within_a_year(until: str, message: str, data: Path, ledger: Ledger, people: People) -> None:
    with pytest.raises(UsageError, match=message):
        asked(data, ledger, people["Ana"], until=until)


def test_today_and_a_year_ahead_are_within(data: Path, ledger: Ledger, people: People) -> None:
    for ahead in (0, 366):
        statement = asked(data, ledger, people["Ana"], until=day(ahead))
        assert isinstance(statement.about, Waiver)
        assert statement.about.until.startswith(day(ahead))


def test_what_cannot_be_waived(data: Path, ledger: Ledger, people: People) -> None:
    with pytest.raises(UsageError, match="no rule is called"):
        asked(data, ledger, people["Ana"], rule="structur")
    with pytest.raises(UsageError, match="no reason"):
        asked(data, ledger, people["Ana"], why="  ")
    write(data / "train.jsonl", 0)
    with pytest.raises(UsageError, match="finds nothing"):
        asked(data, ledger, people["Ana"])
    assert ledger.all() == []


def test_with_a_trust_file_a_waiver_that_would_not_count_is_refused_at_once(
    tmp_path: Path, ledger: Ledger, people: People, trust: Trust
) -> None:
    for signer in (people["Rel"], new_key("Mallory")):
        with pytest.raises(Untrusted):
            asked(tmp_path / "nothing is read", ledger, signer, trust=trust)


def test_it_is_shown_first(data: Path, ledger: Ledger, people: People) -> None:
    shown: list[Waiving] = []

    def no(waiving: Waiving) -> bool:
        shown.append(waiving)
        return False

    with pytest.raises(UsageError, match="nothing was signed"):
        asked(data, ledger, people["Ana"], confirm=no)
    assert (shown[0].rule, shown[0].findings.height, shown[0].signer) == (RULE, 3, "Ana")
    assert ledger.all() == []


def test_a_store_is_made_beside_the_data_where_there_is_none(data: Path, people: People) -> None:
    (data.parent / ".git").mkdir()
    waive(RULE, data, until=day(1), why="x", signer=people["Ana"])
    assert (data.parent / ".gate" / "format.json").is_file()
