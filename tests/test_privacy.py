"""Personal data and secrets planted in the data never come out raw: in no format, no log, no file left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gate.reporting.outputs import FORMATS

PLANTS = {
    "email": "marietta.oduya@northwind-traders.com",
    "phone": "(415) 867-3099",
    "card": "4539 1488 0343 6467",
    "iban": "DE75512108001245126199",
    "ip": "81.2.69.142",
    "aws": "AKIAQ3EGRIZB5J4XNTOY",
    "aws_secret": "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",
    "github": "ghp_R7vQm2Xc9Lk4Tn8Wp3Zs6Yb1Hd5Jf0GaKeUo",
    "openai": "sk-proj-t9QmZ4vX7cR2nL8kW5yB1hJ6dF3gS0aP",
    "slack": "xoxb-284719365012-3958271640283-Qw8ErTy2UiOp5AsDf",
    "url": "postgres://billing:s3cr3tPassw0rd@db.northwind-traders.com:5432/ledger",
}
RAW = [*PLANTS.values(), "s3cr3tPassw0rd", "marietta.oduya", "867-3099", "4539 1488", "MIIEpAIBAAKCAQEA7bq1"]
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq1\nqX9z\n-----END RSA PRIVATE KEY-----"


@pytest.fixture
def planted(tmp_path: Path, write_jsonl) -> Path:
    filler = "and then please look at the ticket that the customer opened about the late delivery of the third parcel"
    rows = []
    for name, value in {**PLANTS, "pem": PEM}.items():
        text = f"The {name} on file is {value} {filler} {name}"
        rows.append({"question": f"What is the {name}?", "answer": text})
        rows.append({"question": f"What is the {name}?", "answer": f"{text} today"})  # a near duplicate
        rows.append({"question": f"What is the  {name}?", "answer": text.upper()})  # an exact one after folding
        rows.append({"question": value, "answer": ""})  # a structure finding
        rows.append({"question": f"Which {name}?", "answer": 7 if name == "card" else [value]})  # malformed
        rows.append({"question": f"Long {name}", "answer": (text + " ") * 2000})  # beyond any length expected
        rows.append({"question": f"Tagged {name}", "answer": "It is on file, as agreed.", "owner": {"contact": value}})
    path = write_jsonl(tmp_path / "data" / "plants.jsonl", rows)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f'{{"question": "broken {value}\n' for value in PLANTS.values())
        file.write('{"conversations": [{"from": "AKIAQ3EGRIZB5J4XNTOY", "value": "x"}]}\n')
    write_jsonl(
        tmp_path / "data" / "chat.jsonl",
        [{"messages": [{"role": value, "content": "x"}]} for value in RAW]
        + [
            {
                "messages": [
                    {"role": "user", "content": "Do it."},
                    {"role": "assistant", "tool_calls": [{"function": {"name": value, "arguments": f"{{{value}"}}]},
                ]
            }
            for value in RAW
        ],
    )
    return tmp_path / "data"


def test_no_output_holds_a_raw_value(gate, planted: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    wanted = {"json": "r.json", "html": "r.html", "parquet": "f.parquet", "markdown": "r.md", "sarif": "r.sarif",
              "junit": "r.xml", "gitlab": "q.json", "github": "a.txt"}  # fmt: skip
    assert set(wanted) == set(FORMATS)
    (tmp_path / "out").mkdir()
    runner = {"GITHUB_STEP_SUMMARY": str(tmp_path / "out" / "summary"), "GITHUB_OUTPUT": str(tmp_path / "out" / "set")}
    outputs = [part for name, path in wanted.items() for part in ("-o", f"{name}=out/{path}")]
    done = gate("check", planted, *outputs, env=os.environ | runner)
    assert done.returncode == 1, done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path not in before]
    assert {path.name for path in written} >= {*wanted.values(), "summary", "set"}
    import polars as pl

    texts = {path.name: path.read_bytes().decode("utf-8", "replace") for path in written}
    texts["f.parquet"] = pl.read_parquet(tmp_path / "out" / "f.parquet").write_json()
    texts |= {"stdout": done.stdout, "stderr": done.stderr}
    leaks = [(name, raw) for name, text in texts.items() for raw in RAW if raw.lower() in text.lower()]
    assert leaks == []


def test_nor_does_one_where_the_pii_rule_is_off(gate, planted: Path, tmp_path: Path) -> None:
    done = gate("check", planted, "--ignore", "pii", "-o", "json=out/r.json", "-o", "html=out/r.html")
    texts = {
        "json": (tmp_path / "out" / "r.json").read_text(),
        "html": (tmp_path / "out" / "r.html").read_text(),
        "stderr": done.stderr,
    }
    leaks = [(name, raw) for name, text in texts.items() for raw in RAW if raw.lower() in text.lower()]
    assert leaks == []


def test_the_values_are_really_in_the_data(planted: Path) -> None:
    text = "".join(path.read_text() for path in planted.glob("*.jsonl"))
    assert [value for value in PLANTS.values() if value not in text] == []
