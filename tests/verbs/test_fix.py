"""`gate fix`: what can be mended is, nothing else changes, and what was done can be read."""

from __future__ import annotations

import filecmp
import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gate.admission.fixed import FixResult
from gate.errors import InputError, UsageError
from gate.verbs.check import check
from gate.verbs.fix import fix

EXAMPLES = Path(__file__).parents[2] / "examples"
WriteJsonl = Callable[[Path, Iterable[Mapping[str, object]]], Path]
MAIL, PHONE = "m.okafor@harbour-lights.co.uk", "+44 20 7946 0123"
REMEDIES = "exact_duplicates", "near_duplicates", "pii"
ROWS = [{"prompt": f"What is {n} times {n + 3}?", "completion": f"It is {n * (n + 3)}."} for n in range(20)]
SECRET_ROW = {"prompt": "Where do I send the form?", "completion": f"To our clerk, {MAIL}, by Friday."}


def ask(*paths: Path, out: Path, **options: object) -> FixResult:
    return fix(list(paths), out=out, select=[*REMEDIES, "structure"], **options)  # type: ignore[arg-type]


def log_of(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "gate-fix.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def support_desk(tmp_path_factory: pytest.TempPathFactory) -> FixResult:
    return fix(EXAMPLES / "support-desk", out=tmp_path_factory.mktemp("fix") / "out")


def test_the_fixed_example_passes_the_rules_whose_findings_have_a_safe_remedy(support_desk: FixResult) -> None:
    assert support_desk.out is not None
    again = check(support_desk.out)
    statuses = {outcome.rule.id: outcome.status for outcome in again.outcomes}
    assert {rule: statuses[rule] for rule in REMEDIES} == dict.fromkeys(REMEDIES, "passed")
    assert again.findings.filter(pl.col("remedy") == "drop", pl.col("row").is_not_null()).is_empty()


def test_the_counts_close_and_every_dropped_row_is_in_the_log(support_desk: FixResult) -> None:
    log = support_desk.log
    dropped = log.filter(pl.col("action") == "dropped").select("file", "row").unique()
    assert support_desk.rows_in == support_desk.rows_out + dropped.height
    assert dropped.height > 10
    assert (
        log.filter(pl.col("action") == "dropped")["row_after"].null_count()
        == log.filter(pl.col("action") == "dropped").height
    )


def test_files_in_which_nothing_is_wrong_are_the_same_byte_for_byte(support_desk: FixResult) -> None:
    assert support_desk.out is not None
    same = [file.path for file in support_desk.files if not file.changed] + list(support_desk.copied)
    assert "README.md" in same
    assert "archive/tickets-2023.parquet" in same
    source = EXAMPLES / "support-desk"
    assert all(filecmp.cmp(source / name, support_desk.out / name, shallow=False) for name in same)


def test_what_was_fixed_is_fixed_for_good(support_desk: FixResult, tmp_path: Path) -> None:
    assert support_desk.out is not None
    again = fix(support_desk.out, out=tmp_path / "again")
    assert again.log.is_empty()
    compared = filecmp.dircmp(support_desk.out, tmp_path / "again")
    assert not compared.left_only
    assert not compared.right_only
    for file in again.files:
        assert filecmp.cmp(support_desk.out / file.path, tmp_path / "again" / file.path, shallow=False)


def test_no_value_that_was_redacted_is_in_the_log_or_the_data(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    data = write_jsonl(tmp_path / "data" / "rows.jsonl", [*ROWS, SECRET_ROW])
    out = tmp_path / "out"
    result = ask(data.parent, out=out)
    assert result.rows("redacted") == 1
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert MAIL.encode() not in everything
    lines = (out / "rows.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["completion"] == "To our clerk, <EMAIL_ADDRESS>, by Friday."
    assert lines[:-1] == data.read_text().splitlines()[:-1]
    (entry,) = log_of(out)
    assert (entry["row"], entry["row_after"], entry["action"], entry["rule"]) == (21, 21, "redacted", "pii")


HOLDING_IT: list[dict[str, object]] = [
    {"instruction": "Write to the clerk.", "input": f"Her address: {MAIL}", "output": "Done, it is on its way."},
    {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": f"Ask {MAIL}."}]},
    {"conversations": [{"from": "human", "value": f"I am {MAIL}"}, {"from": "gpt", "value": "Welcome aboard."}]},
    {"prompt": "Who is it?", "chosen": f"It is {MAIL}.", "rejected": "I shall not say who it is."},
    {"prompt": "Who is it?", "completion": f"It is {MAIL}.", "label": True},
    {"text": f"Please write to {MAIL} whenever you want."},
    {"text": "A plain and harmless sentence.", "author": {"mail": [MAIL]}},
    {"chosen": f"\n\nHuman: I am {MAIL}\n\nAssistant: Good to see you.",
     "rejected": f"\n\nHuman: I am {MAIL}\n\nAssistant: Go away."},
    {"messages": [{"role": "user", "content": "Mail her"},
                  {"role": "assistant", "content": None, "tool_calls": [
                      {"id": "1", "type": "function",
                       "function": {"name": "mail", "arguments": json.dumps({"to": MAIL, "n": 1.0})}}]}]},
    {"messages": [{"role": "user", "content": "Mail her"},
                  {"role": "assistant", "content": None, "tool_calls": [
                      {"id": "1", "type": "function",
                       "function": {"name": "mail", "arguments": {"body": f'Say "hi" to {MAIL}, soon'}}}]}]},
]  # fmt: skip


def test_a_value_is_found_again_in_every_shape_and_format(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for number, record in enumerate(HOLDING_IT):
        (data / f"{number}.jsonl").write_text(json.dumps(record) + "\n")
        (data / f"{number}.json").write_text(json.dumps([record], indent=2))
        pq.write_table(pa.Table.from_pylist([record]), data / f"{number}.parquet")
        cells = {key: value if isinstance(value, str) else json.dumps(value) for key, value in record.items()}
        pl.DataFrame([cells]).write_csv(data / f"{number}.csv")
    result = fix(data, out=out, select="pii")
    assert result.rows("redacted") == 4 * len(HOLDING_IT)
    assert result.after.findings.is_empty()
    assert result.left.is_empty()
    for path in [*data.glob("*.jsonl"), *data.glob("*.json")]:
        assert (out / path.name).read_text() == path.read_text().replace(MAIL, "<EMAIL_ADDRESS>")


def test_secrets_give_way_and_encodings_are_mended(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    secret = "ghp_" + "x7Kq2vR9mZt4" * 3
    rows = [
        {"instruction": "Where is the key?", "output": f"It is {secret}, keep it."},
        {"instruction": "Translate: the caf\u00e9 is closed.", "output": "Le caf\u00c3\u00a9 est ferm\u00c3\u00a9."},
        {"instruction": "Say hello.", "input": "Hel\u200blo!\u0007", "output": "Good day to you, too."},
    ]
    data = write_jsonl(tmp_path / "rows.jsonl", rows)
    result = fix(data, out=tmp_path / "out", select=["secrets", "encoding"])
    assert (result.rows("redacted"), result.rows("mended")) == (1, 2)
    assert result.after.findings.is_empty()
    fixed = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    assert fixed[0]["output"] == "It is <GITHUB_TOKEN>, keep it."
    assert fixed[1]["output"] == "Le caf\u00e9 est ferm\u00e9."
    assert fixed[2]["input"] == "Hello!"
    assert secret not in (tmp_path / "out" / "gate-fix.jsonl").read_text()


def test_rows_that_redaction_makes_equal_are_dropped_too(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    other = {**SECRET_ROW, "completion": str(SECRET_ROW["completion"]).replace("okafor", "adeyemi-brown")}
    data = write_jsonl(tmp_path / "rows.jsonl", [SECRET_ROW, *ROWS, other])
    result = fix(data, out=tmp_path / "out", select=["exact_duplicates", "pii"])
    assert result.rounds == 2
    assert result.rows_out == 21
    dropped = [entry for entry in log_of(tmp_path / "out") if entry["action"] == "dropped"]
    assert [entry["row"] for entry in dropped] in ([1], [22])


def test_row_numbers_in_the_log_are_those_of_the_file_that_was_given(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", [ROWS[0], ROWS[0], *ROWS[1:5], SECRET_ROW])
    ask(data, out=tmp_path / "out")
    by_action = {entry["action"]: (entry["row"], entry["row_after"]) for entry in log_of(tmp_path / "out")}
    assert by_action["redacted"] == (7, 6)
    assert by_action["dropped"] in ((1, None), (2, None))


def test_the_names_of_files_and_folders_still_say_the_split(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    write_jsonl(tmp_path / "test" / "a.jsonl", [*ROWS, ROWS[3]])
    result = ask(tmp_path / "test", out=tmp_path / "out")
    assert [file.split for file in result.after.dataset.files] == ["test"]


def test_a_file_without_any_row_left_is_left_out(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    write_jsonl(tmp_path / "data" / "a.jsonl", ROWS)
    write_jsonl(tmp_path / "data" / "b.jsonl", [{**ROWS[0], "source": "b"}])
    result = ask(tmp_path / "data", out=tmp_path / "out")
    gone = [name for name in ("a.jsonl", "b.jsonl") if not (tmp_path / "out" / name).exists()]
    left_out = [entry["file"] for entry in log_of(tmp_path / "out") if entry["action"] == "file_left_out"]
    assert gone == left_out
    assert result.after.exit_code == 0


def test_a_dataset_of_which_nothing_would_be_left_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{broken\n")
    with pytest.raises(InputError, match="no row would be left"):
        ask(tmp_path / "a.jsonl", out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl"]


def test_a_damaged_file_is_left_to_a_person(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    write_jsonl(tmp_path / "data" / "a.jsonl", [*ROWS, ROWS[0]])
    (tmp_path / "data" / "b.json").write_text(json.dumps([*ROWS[:2], ROWS[1]])[:-1])
    result = fix(tmp_path / "data", out=tmp_path / "out", select=["structure", "exact_duplicates"])
    assert filecmp.cmp(tmp_path / "data" / "b.json", tmp_path / "out" / "b.json", shallow=False)
    assert "structure" in result.left["rule"].to_list()
    assert result.exit_code == 1


def test_a_saved_dataset_loads_again_under_a_fingerprint_of_its_own(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = [*ROWS, ROWS[0]]
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "data")
    cache = tmp_path / "data" / "cache-0123456789abcdef.arrow"
    shutil.copy(next((tmp_path / "data").glob("data-*.arrow")), cache)
    ask(tmp_path / "data", out=tmp_path / "out")
    assert not (tmp_path / "out" / cache.name).exists()
    fixed = datasets.load_from_disk(tmp_path / "out")
    assert fixed.num_rows == 20
    assert fixed._fingerprint != datasets.load_from_disk(tmp_path / "data")._fingerprint


@pytest.mark.parametrize("where", ["data/inside", "data", ".", "taken"])
def test_a_destination_in_or_over_the_data_is_refused(tmp_path: Path, write_jsonl: WriteJsonl, where: str) -> None:
    write_jsonl(tmp_path / "data" / "a.jsonl", ROWS)
    write_jsonl(tmp_path / "taken" / "mine.jsonl", ROWS)
    with pytest.raises(UsageError):
        ask(tmp_path / "data", out=tmp_path / where)
    assert not (tmp_path / "data" / "inside").exists()


@pytest.mark.parametrize("options", [{}, {"out": "x", "dry_run": True}, {"in_place": True, "dry_run": True}])
def test_exactly_one_destination_is_needed(tmp_path: Path, write_jsonl: WriteJsonl, options: dict[str, object]) -> None:
    data = write_jsonl(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(UsageError, match="one destination"):
        fix(data, **options)  # type: ignore[arg-type]


def test_standard_input_cannot_be_fixed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="standard input"):
        fix("-", out=tmp_path / "out")


def test_a_dry_run_says_all_and_writes_nothing(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    data = write_jsonl(tmp_path / "a.jsonl", [*ROWS, ROWS[0], SECRET_ROW])
    result = fix(data, dry_run=True, select=REMEDIES)
    assert (result.rows("dropped"), result.rows("redacted"), result.out) == (1, 1, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_in_place_needs_git_to_have_the_file_as_it_is(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    data = write_jsonl(tmp_path / "data" / "a.jsonl", [*ROWS, ROWS[0]])
    other = write_jsonl(tmp_path / "data" / "b.jsonl", [{"text": "A harmless and lonely sentence."}])
    before = data.read_bytes()
    with pytest.raises(UsageError, match="git"):
        fix(tmp_path / "data", in_place=True, select=REMEDIES)
    git(tmp_path, "init", "-q")
    with pytest.raises(UsageError, match="git"):
        fix(tmp_path / "data", in_place=True, select=REMEDIES)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "data")
    data.write_bytes(before + b"\n")
    with pytest.raises(UsageError, match="changed since"):
        fix(tmp_path / "data", in_place=True, select=REMEDIES)
    data.write_bytes(before)
    inode = other.stat().st_ino
    result = fix(tmp_path / "data", in_place=True, select=REMEDIES)
    assert len(data.read_text().splitlines()) == 20
    assert other.stat().st_ino == inode
    assert (tmp_path / "data" / "gate-fix.jsonl").is_file()
    assert result.out == tmp_path / "data"
    assert git(tmp_path, "status", "--porcelain").split() == ["M", "data/a.jsonl", "??", "data/gate-fix.jsonl"]
    again = fix(tmp_path / "data", dry_run=True, select=REMEDIES)
    assert again.log.is_empty()


def test_the_policy_is_that_of_the_data_wherever_it_is_written(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    home = tmp_path / "home"
    write_jsonl(home / "data" / "a.jsonl", [*ROWS, SECRET_ROW, ROWS[2]])
    (home / "gate.yaml").write_text("paths: data\npolicy: rules/admission/ours.yaml\n")
    (home / "rules" / "admission").mkdir(parents=True)
    (home / "rules" / "admission" / "ours.yaml").write_text(
        f"version: 1\nname: ours\nextends: chat\nrules:\n  - id: pii\n    with:\n      allow: ['{MAIL}']\n"
    )
    result = fix(home / "data", out=tmp_path / "elsewhere" / "out", select=["exact_duplicates", "pii"])
    assert result.log["action"].to_list() == ["dropped"]
    assert result.after.findings.is_empty()


@pytest.mark.parametrize(
    "name",
    [
        "alpaca_en_demo.json",
        "c4_demo.jsonl",
        "dpo_en_demo.json",
        "glaive_toolcall_en_demo.json",
        "identity.json",
        "kto_en_demo.json",
        "gsm8k",
    ],
)
@pytest.mark.slow
def test_real_data_once_fixed_passes_and_stays_as_it_is(shared_data: Path, tmp_path: Path, name: str) -> None:
    first = ask(shared_data / name, out=tmp_path / "one")
    assert first.after.findings.filter(
        pl.col("remedy").is_in(["drop", "redact"]), pl.col("severity") != "info"
    ).is_empty()
    assert first.rows_in == first.rows_out + first.rows("dropped")
    again = ask(*[tmp_path / "one" / file.path for file in first.files], out=tmp_path / "two")
    assert again.log.is_empty()
