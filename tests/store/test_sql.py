"""`gate sql`: what a store holds, as tables; read only, and with nothing else in reach."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

import gate as package
from gate.provenance.statements import Review
from gate.snapshots.layout import ADMITTED, VERDICTS
from gate.snapshots.parquet import to_parquet
from gate.store.objects import Damaged
from gate.store.views import QueryError
from gate.verbs.sql import sql
from gate.verbs.sql_views import ABOUT, SCHEMAS
from tests.conftest import Gate
from tests.snapshots.made import write_rows
from tests.store.conftest import Sealed


def ask(sealed: Sealed, query: str, **options: object) -> pl.DataFrame:
    return sql(query, store=sealed.store, **options)  # type: ignore[arg-type]


def one(sealed: Sealed, query: str) -> object:
    return ask(sealed, query).item()


def test_every_view_has_its_columns(sealed: Sealed) -> None:
    assert SCHEMAS.keys() == ABOUT.keys()
    for name, schema in SCHEMAS.items():
        assert ask(sealed, f"from {name}").columns == list(schema)
        assert ask(sealed, f"describe {name}")["column_name"].to_list() == list(schema)
    assert ask(sealed, "show tables")["name"].to_list() == sorted(SCHEMAS)


def test_examples_are_those_of_the_snapshot_with_their_splits(sealed: Sealed) -> None:
    counts = ask(sealed, "select split, count(*) as n from examples group by all order by all")
    assert dict(counts.iter_rows()) == {"test": 20, "train": 60, "validation": 20}
    found = ask(sealed, "select file, split from examples group by all order by all")
    assert [tuple(row) for row in found.iter_rows()] == [
        ("test.jsonl", "test"), ("train.jsonl", "train"), ("validation.jsonl", "validation"),
    ]  # fmt: skip
    rows = ask(sealed, "from examples order by file, row")
    assert set(rows["snapshot"]) == {sealed.snapshot}
    assert set(rows["name"]) == {"harbour"}
    text = one(sealed, "select messages[2].content from examples where file = 'train.jsonl' and row = 1")
    first = json.loads((sealed.trust.parent / "data" / "train.jsonl").read_text().splitlines()[0])
    assert text == first["output"]


@pytest.mark.parametrize("pieces", [1, 2, 64])
def test_every_example_has_its_own_split(sealed: Sealed, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However its shards are read: one after another, or side by side, and with conditions on either."""
    monkeypatch.setattr("gate.verbs.sql._PIECES", pieces)
    rows = ask(sealed, "select file, row, split from examples")
    assert rows.select(pl.col("file").str.strip_suffix(".jsonl")).to_series().equals(rows["split"], check_names=False)
    assert rows.group_by("file", "row").len()["len"].to_list() == [1] * 100
    some = ask(sealed, "select file from examples where row % 7 = 3 and split = 'test' and length(source) > 0")
    assert some["file"].to_list() == ["test.jsonl"] * 3


def test_each_snapshot_and_name_has_its_rows(sealed: Sealed) -> None:
    sealed.admit(1)
    sealed.admit(2, "lighthouse")
    found = ask(sealed, "select name, snapshot, count(*) as n from examples group by all")
    assert found["n"].to_list() == [100, 100, 100]
    now = ask(sealed, "select name, number, current, admitted from snapshots order by name, number")
    assert [tuple(row) for row in now.iter_rows()] == [
        ("harbour", 1, False, 100), ("harbour", 2, True, 100), ("lighthouse", 1, True, 100),
    ]  # fmt: skip
    joined = one(sealed, "select count(*) from examples join snapshots using (snapshot, name) where current")
    assert joined == 200


def test_a_snapshot_that_is_admitted_again_is_shown_once(sealed: Sealed) -> None:
    sealed.admit(0)
    assert one(sealed, "select count(*) from examples") == 100
    assert one(sealed, "select count(*) from statements where kind = 'admission'") == 2


def test_findings_exclusions_and_malformed_rows(sealed: Sealed) -> None:
    data = sealed.root.parent / "data-9"
    twice = {"instruction": "keep the lamp lit", "output": "until the last ship is in"}
    write_rows(
        data / "train.jsonl", [twice, *({"instruction": f"ask {n}", "output": f"say {n}"} for n in range(150)), twice]
    )
    from gate.verbs.admit import admit

    admit(
        data, name="again", signer=sealed.ana, trust=sealed.trust, store=sealed.root, policy=sealed.policy, report=False
    )
    found = ask(sealed, "select rule, severity, row from findings where name = 'again' and severity = 'error'")
    assert found["rule"].to_list() == ["exact_duplicates"]
    left = ask(sealed, "select name, rules, row from excluded")
    assert left["rules"].to_list() == [["exact_duplicates"]]
    assert left["row"].to_list() == found["row"].to_list()
    assert one(sealed, "select count(*) from examples where name = 'again'") == 151
    assert ask(sealed, "from malformed").height == 0


def test_verdicts_of_people(sealed: Sealed) -> None:
    rows = pl.DataFrame(
        {"id": ["1" * 64, "2" * 64], "verdict": ["good", "bad"], "reason": [None, "rude"], "at": ["2026", "2026"]},
        schema=VERDICTS,
    )
    digest = sealed.store.put(to_parquet(rows, VERDICTS), "parquet")
    review = Review(verdicts=digest, sampled=2, good=1, bad=1, seed=0)
    said = sealed.ledger.say(review, sealed.ben)
    found = ask(sealed, "select statement, author, verdict, reason from verdicts order by id")
    assert [tuple(row) for row in found.iter_rows()] == [
        (said.digest, "ben", "good", None), (said.digest, "ben", "bad", "rude"),
    ]  # fmt: skip


def test_statements(sealed: Sealed) -> None:
    found = ask(sealed, "select kind, author, parents, about->>'statement' as of from statements order by made")
    assert found["kind"].to_list() == ["admission", "approval"]
    assert found["of"].to_list() == [None, sealed.admitted.statement.digest]
    assert found["parents"].to_list() == [[], [sealed.admitted.statement.digest]]


def test_models_have_said_nothing_yet(sealed: Sealed) -> None:
    assert ask(sealed, "from evaluations").schema == SCHEMAS["evaluations"]
    assert one(sealed, "select count(*) from items") == 0


def test_an_empty_store(tmp_path: Path) -> None:
    store = package.verbs.surroundings.open_store(tmp_path / ".gate", create=True)  # type: ignore[attr-defined]
    for name in SCHEMAS:
        assert sql(f"from {name}", store=store).height == 0


def test_sums_are_whole_numbers(sealed: Sealed) -> None:
    found = ask(
        sealed,
        "select sum(length(source)) as s, sum(1.5) as f, max(1180591620717411303424) as h from examples",
    )
    assert found.schema["s"] == pl.Int64
    assert found["f"].item() == 150
    assert int(found["h"].item()) == 2**70


def test_with_a_trust_file_only_what_somebody_trusted_admitted_counts(sealed: Sealed) -> None:
    about = sealed.admitted.statement.about
    forged = about.model_copy(update={"name": "harbour", "admitted": 7})
    sealed.ledger.say(forged, sealed.eve)
    assert one(sealed, "select admitted from snapshots") == 7
    found = ask(sealed, "select admitted, trusted from snapshots", trust=sealed.trust)
    assert found.row(0) == (100, True)
    trusted = ask(sealed, "select author, trusted from statements order by made", trust=sealed.trust)
    assert trusted["trusted"].to_list() == [True, True, False]


# Nothing else in reach


REACHES = [
    "select * from '/etc/passwd'", "from read_text('/etc/passwd')", "from read_csv('/etc/passwd')",
    "from read_blob('/etc/passwd')", "from read_json('/etc/passwd')", "from read_parquet('/etc/passwd')",
    "from glob('/etc/*')", "from sniff_csv('/etc/passwd')", "from parquet_metadata('/etc/passwd')",
    "from read_parquet('https://example.org/x.parquet')", "from read_parquet('s3://bucket/x.parquet')",
    "copy (select 1) to '{out}'", "copy examples to '{out}'", "export database '{out}'", "import database '{out}'",
    "attach '{out}' as other", "create table mine as select 1", "create view mine as select 1",
    "insert into examples values (1)", "delete from examples", "update statements set kind = 'x'", "drop view examples",
    "install httpfs", "load httpfs", "install spatial from community", "set enable_external_access = true",
    "set lock_configuration = false", "set allowed_paths = ['/']", "set memory_limit = '1GB'", "reset threads",
    "pragma enable_profiling", "call enable_logging(storage := 'file', storage_config := {{'path': '{out}'}})",
    "from enable_logging(storage := 'file', storage_config := {{'path': '{out}'}})", "use memory", "begin",
    "checkpoint", "vacuum", "prepare p as select 1", "create secret s (type s3)", "create macro m() as 1",
    "select getenv('HOME')",
    "with t as (copy (select 1) to '{out}' (use_tmp_file false)) from t",
    "with t as (copy (select 1) to '{object}' (use_tmp_file false)) from t",
    "with t as (copy (select 1) to 'gate://{digest}.parquet' (use_tmp_file false)) select * from t, examples",
    "explain analyze copy (select 1) to '{object}' (use_tmp_file false, format csv)",
    "explain analyze copy (select id from examples) to 'gate://{digest}.parquet' (use_tmp_file false, format csv)",
    "from query('copy (select 1) to ''{out}''')", "select * from duckdb_extensions()",
    "from query_table('exam' || 'ples')", "from connection", "from views", "select 1; select 2", "", ";", "-- nothing",
    "selct 1", "from nosuch", "select nosuch from examples", "select id::int from examples", "select error('x')",
]  # fmt: skip


@pytest.mark.parametrize("query", REACHES)
def test_a_query_that_reaches_further_is_refused(sealed: Sealed, query: str, tmp_path: Path) -> None:
    large = max((sealed.root / "objects").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    before = {path: path.read_bytes() for path in sealed.root.rglob("*") if path.is_file()}
    out = tmp_path / "out"
    asked = query.format(out=out, object=large, digest=large.stem)
    with pytest.raises(QueryError) as told:
        ask(sealed, asked)
    assert told.value.exit_code == 2
    assert "root:" not in str(told.value)
    assert not out.exists()
    assert {path: path.read_bytes() for path in sealed.root.rglob("*") if path.is_file()} == before


def test_the_paths_behind_views_are_for_reading(sealed: Sealed) -> None:
    """A file that DuckDB may read by its own means is one that a `copy` in a CTE may write to: it must be ours."""
    large = max((sealed.root / "objects").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    assert one(sealed, f"select count(*) from examples, (from read_parquet('gate://{large.name}') limit 1)") == 100
    with pytest.raises(QueryError, match="a query only reads"):
        ask(sealed, f"with t as (copy (select 1) to 'gate://{large.name}' (use_tmp_file false)) from t, examples")
    with pytest.raises(QueryError):
        ask(sealed, f"select count(*) from examples, read_parquet('{large}')")


def test_threads_that_read_one_file_do_not_get_in_one_anothers_way(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from gate.store.views import _File

    content = b"".join(b"%06d" % number for number in range(20_000))
    (tmp_path / "file").write_bytes(content)
    file = _File(tmp_path / "file")

    def look(start: int) -> bool:
        for number in range(start, 20_000, 8):
            file.seek(6 * number)
            time.sleep(0)
            if file.read(6) != content[6 * number : 6 * number + 6]:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(look, range(8)))
    assert (file.seek(0, 2), file.read(), file.seek(-3, 2), file.read(9)) == (120_000, b"", 119_997, content[-3:])
    file.close()


def test_a_message_holds_no_text_of_the_data(sealed: Sealed) -> None:
    with pytest.raises(QueryError) as told:
        ask(sealed, "select cast(messages[1].content as integer) from examples")
    words = json.loads((sealed.trust.parent / "data" / "train.jsonl").read_text().splitlines()[0])[
        "instruction"
    ].split()
    assert not [word for word in words if word in str(told.value)]


def test_remedies(sealed: Sealed) -> None:
    with pytest.raises(QueryError, match="no file, network, extension or setting"):
        ask(sealed, "from read_text('/etc/passwd')")
    with pytest.raises(QueryError, match="the views are examples, findings"):
        ask(sealed, "from nosuch")
    with pytest.raises(QueryError, match="only a query that reads"):
        ask(sealed, "drop view examples")
    with pytest.raises(QueryError, match="one query at a time"):
        ask(sealed, "select 1; select 2")


# Verified first


def test_what_a_query_names_is_hashed_first(sealed: Sealed) -> None:
    about = sealed.admitted.statement.about
    path = sealed.store.path(about.findings, "parquet")  # type: ignore[attr-defined]
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(Damaged, match=path.name):
        ask(sealed, "select count(*) from findings")
    assert one(sealed, "select count(*) from examples") == 100  # nobody asked for the findings
    path.unlink()
    with pytest.raises(Damaged, match="is missing"):
        ask(sealed, "select 'findings'")  # named is named


def test_every_object_behind_examples(sealed: Sealed) -> None:
    for path in (sealed.root / "objects").rglob("*.parquet"):
        if pl.read_parquet_schema(path).names() == list(ADMITTED):
            whole = path.read_bytes()
            path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
            with pytest.raises(Damaged, match=path.name):
                ask(sealed, "from EXAMPLES limit 1")
            path.write_bytes(whole)


def test_a_splits_object_of_another_length_is_noticed(sealed: Sealed) -> None:
    """Rows and splits lie side by side: an owner who signs what does not fit is not to shift every split by one."""
    from gate.snapshots.layout import ASSIGNED
    from gate.snapshots.reach import read_descriptor

    about = sealed.admitted.statement.about
    descriptor = read_descriptor(sealed.store, about.descriptor)  # type: ignore[attr-defined]
    short = pl.DataFrame({"split": ["train"]}, schema=ASSIGNED)
    digest = sealed.store.put(to_parquet(short, ASSIGNED), "parquet")
    shards = [shard.model_copy(update={"splits": digest}) for shard in descriptor.shards]
    forged = descriptor.model_copy(update={"shards": shards})
    other = sealed.store.put(forged.model_dump_json().encode(), "json")
    sealed.ledger.say(about.model_copy(update={"descriptor": other}), sealed.ana)
    with pytest.raises(Damaged, match="rows"):
        ask(sealed, "from examples")


def test_damaged_statements_are_told(sealed: Sealed) -> None:
    sealed.store.put_statement(b"{}")
    with pytest.raises(Damaged):
        ask(sealed, "select 1")


def test_a_name_that_is_sql(sealed: Sealed) -> None:
    about = sealed.admitted.statement.about
    name = "x' as name, (select 1)) from examples; drop view examples; --\0"
    sealed.ledger.say(about.model_copy(update={"name": name}), sealed.eve)
    found = ask(sealed, "select distinct name from examples order by name")
    assert found["name"].to_list() == ["harbour", name.replace("\0", "\ufffd")]


# The command


def test_formats(sealed: Sealed, gate: Gate, tmp_path: Path) -> None:
    query = "select split, count(*) as n, [1, null] as l from examples group by all order by all"
    table = gate("sql", query, "--store", sealed.root)
    assert table.returncode == 0
    assert table.stdout.splitlines() == [
        "split       n   l", "test        20  [1,null]", "train       60  [1,null]", "validation  20  [1,null]",
        "(3 rows)",
    ]  # fmt: skip
    rows = json.loads(gate("sql", query, "--store", sealed.root, "--format", "json").stdout)
    assert rows[0] == {"split": "test", "n": 20, "l": [1, None]}
    comma = gate("sql", query, "--store", sealed.root, "--format", "csv").stdout
    assert comma.splitlines()[:2] == ["split,n,l", 'test,20,"[1,null]"']
    out = gate("sql", "from examples", "--store", sealed.root, "-f", "parquet", "--out", tmp_path / "e.parquet")
    assert (out.returncode, out.stdout, out.stderr) == (0, "", "")
    assert pl.read_parquet(tmp_path / "e.parquet").height == 100
    piped = gate("sql", "from examples", "--store", sealed.root, "-f", "parquet", text=False)
    assert pl.read_parquet(io.BytesIO(piped.stdout)).height == 100


def test_views_are_listed_without_a_query(gate: Gate) -> None:
    done = gate("sql")
    assert done.returncode == 0
    assert all(f"{name}: " in done.stdout for name in SCHEMAS)


def test_a_mistake_is_a_sentence(sealed: Sealed, gate: Gate) -> None:
    done = gate("sql", "selct 1", "--store", sealed.root)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'syntax error at or near "selct"' in done.stderr
    assert "Traceback" not in done.stderr
    absent = gate("sql", "select 1", "--store", "nowhere")
    assert absent.returncode == 2
    assert "there is no store" in absent.stderr


def test_what_rows_say_does_not_speak_to_the_terminal(sealed: Sealed, gate: Gate) -> None:
    done = gate("sql", "select 'a' || chr(27) || '[31mb' || chr(10) || 'c' as x", "--store", sealed.root)
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines() == ["x", "a<U+001B>[31mb c", "(1 row)"]


def test_ctrl_c_ends_a_query(sealed: Sealed, tmp_path: Path) -> None:
    query = "select count(*) from range(1000000000) a, range(100000) b where a.range * b.range % 7 = 3"
    command = [sys.executable, "-m", "gate", "sql", query, "--store", str(sealed.root)]
    environment = {"PATH": "/usr/bin", "TMPDIR": str(tmp_path / "temporary"), "HOME": str(tmp_path)}
    (tmp_path / "temporary").mkdir()
    running = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[2]
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "temporary").glob("gate-sql-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted" in told
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "table"])
def test_a_reader_that_goes_away_is_no_bug(sealed: Sealed, form: str) -> None:
    query = "select * from range(2000000)" if form != "table" else "select repeat('x', 60) as x from range(90)"
    command = [sys.executable, "-m", "gate", "sql", query, "-f", form, "--store", str(sealed.root)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert running.stdout is not None
    running.stdout.read(2)
    running.stdout.close()
    assert running.stderr is not None
    told = running.stderr.read()
    running.stderr.close()
    assert running.wait(timeout=60) != 4
    assert b"Traceback" not in told


def test_from_python(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_STORE", str(sealed.root))
    assert package.sql("select count(*) as n from examples")["n"].item() == 100
    assert package.sql("select count(*) as n from snapshots", trust=sealed.trust)["n"].item() == 1
