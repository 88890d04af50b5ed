"""A team's own checks: found without being run, loaded by path, and never able to pass by being broken."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import cast

import polars as pl
import pytest

import gate
from gate.admission.prepare import WorkerLost
from gate.checks import CheckFailed, Context, Frames, load, names
from gate.data.frame import EXAMPLES, MALFORMED
from gate.errors import PolicyError
from gate.folders import Folders

GOOD = '''
from __future__ import annotations

import polars as pl

from gate.checks import Context, Frames, Measurement, Params, check, found


class Limit(Params):
    most: float = 0.5
    """The greatest share of capitals."""


@check(
    "no_shouting",
    params=Limit,
    codes={"shouting": "An answer is written in capitals."},
    fails=({"prompt": "Hi", "completion": "GO AWAY"},),
    passes=({"prompt": "Hi", "completion": "Hello"},),
)
def no_shouting(frames: Frames, params: Limit, context: Context) -> Measurement:
    """Answers that are written in capitals."""
    share = frames.response.str.count_matches(r"\\p{Lu}") / frames.response.str.count_matches(r"\\p{L}")
    rows = frames.examples.select("id", "file", "row").with_columns(score=share).filter(pl.col("score") > params.most)
    return Measurement(
        found(rows.with_columns(code=pl.lit("shouting"), message=pl.lit("The answer shouts."))), frames.examples.height
    )
'''
POLICY = """
version: 1
extends: chat
rules:
  - {id: no_shouting, check: no_shouting, severity: error, remedy: fix, why: Customers complained about it (us).}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A repository with a rule of its own; its plug-in is `rules/checks/shout.py`."""
    (tmp_path / "rules" / "checks").mkdir(parents=True)
    (tmp_path / "rules" / "admission").mkdir()
    (tmp_path / "rules" / "admission" / "chat.yaml").write_text(POLICY)
    (tmp_path / "gate.yaml").write_text("version: 1\n")
    data = '{"prompt": "Hi", "completion": "GO AWAY"}\n{"prompt": "Hi", "completion": "Hello"}\n'
    (tmp_path / "data.jsonl").write_text(data)
    put(tmp_path, GOOD)
    return tmp_path


def put(root: Path, source: str, name: str = "shout.py") -> Path:
    path = root / "rules" / "checks" / name
    path.write_text(source)
    return path


def run(root: Path) -> gate.AdmissionResult:
    return gate.check(root / "data.jsonl", select="no_shouting", cache=False)


# ── what works ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_may_name_a_check_of_the_teams_own(own: Path) -> None:
    result = run(own)
    assert result.verdict == "fail"
    assert result.findings.select("rule", "code", "row").rows() == [("no_shouting", "shouting", 1)]


def test_nothing_is_run_or_written_until_a_rule_needs_it(own: Path) -> None:
    put(own, GOOD.replace("no_shouting", "other") + "\nraise RuntimeError('it was run')\n", "other.py")
    assert {"no_shouting", "other"} <= set(names(Folders(own)))
    assert run(own).verdict == "fail"
    assert not list(own.rglob("*.pyc"))
    assert not list(own.rglob("__pycache__"))


def test_its_version_is_its_content(own: Path) -> None:
    before = load("no_shouting", Folders(own)).version
    assert load("no_shouting", Folders(own)).version == before
    put(own, GOOD + "# changed\n")
    assert load("no_shouting", Folders(own)).version != before


def test_a_changed_plugin_is_not_answered_from_the_cache(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / ".gate").mkdir()
    for share, verdict in ((0.5, "fail"), (1.0, "pass"), (0.5, "fail")):
        put(own, GOOD.replace("most: float = 0.5", f"most: float = {share}"))
        assert gate.check(own / "data.jsonl", select="no_shouting").verdict == verdict


def test_its_parameters_reach_another_process(own: Path) -> None:
    folders = Folders(own)
    params = load("no_shouting", folders).params.model_validate({"most": 0.25})
    written = pickle.dumps(params)
    for name in [name for name in sys.modules if name.startswith("gate_rules_checks_")]:
        del sys.modules[name]
    assert pickle.loads(written).model_dump() == {"most": 0.25}


def test_only_the_folders_that_are_given_are_looked_into(own: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With a base, these are the base's: what the head brings is never run."""
    elsewhere = tmp_path_factory.mktemp("base")
    assert "no_shouting" not in names(Folders(elsewhere))
    with pytest.raises(KeyError):
        load("no_shouting", Folders(elsewhere))
    with pytest.raises(KeyError):
        load("no_shouting")


def test_its_findings_are_masked(own: Path) -> None:
    put(own, GOOD.replace("The answer shouts.", "Mail ann.lee@corp.test about it."))
    assert "ann.lee" not in str(run(own).findings.to_dicts())


# ── what is a policy error ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("source", "where", "what"),
    [
        ("def broken(:\n", "rules/checks/shout.py:1", "not Python"),
        ("x = 1\n", "rules/checks/shout.py:1", "no function decorated"),
        (GOOD + "\n1 / 0\n", "rules/checks/shout.py:", "ZeroDivisionError"),
        (GOOD + "\nraise SystemExit(0)\n", "rules/checks/shout.py:", "SystemExit"),
        (GOOD.replace(", params: Limit, context: Context", ""), "shout.py:", "three arguments"),
        (GOOD.replace('"""Answers that are written in capitals."""', ""), "shout.py:", "docstring"),
        (GOOD.replace("params=Limit", "params=dict"), "shout.py:", "Params"),
        (GOOD.replace('codes={"shouting": "An answer is written in capitals."}', "codes={}"), "shout.py:", "codes"),
        (GOOD.replace('"no_shouting",\n    params', "'no_' + 'shouting',\n    params"), "shout.py:", "not written out"),
        (GOOD.replace("    passes=({", "    parses=({"), "shout.py:", "TypeError"),
        (GOOD + "\nno_shouting = None\n", "shout.py:", "no check"),
        (GOOD.replace('"no_shouting"', '"structure"'), "shout.py:", "one of gate's own"),
        (GOOD + GOOD.replace("from __future__ import annotations\n", ""), "shout.py:", "there twice"),
    ],
    ids=["syntax", "none", "raises", "exits", "signature", "docstring", "params", "codes", "name", "decorator", "gone",
         "shadow", "twice"],
)  # fmt: skip
def test_a_bad_plugin_is_a_policy_error_with_its_place(own: Path, source: str, where: str, what: str) -> None:
    put(own, source)
    with pytest.raises(PolicyError, match=what) as raised:
        run(own)
    assert where in str(raised.value)


def test_two_files_may_not_share_a_name(own: Path) -> None:
    put(own, GOOD, "again.py")
    with pytest.raises(PolicyError, match="there twice"):
        run(own)


def test_what_a_plugin_raises_at_import_is_masked(own: Path) -> None:
    put(own, GOOD + "\nraise ValueError('ann.lee@corp.test')\n")
    with pytest.raises(PolicyError) as raised:
        run(own)
    assert "ann.lee" not in str(raised.value)


def test_a_link_out_of_the_repository_is_refused(own: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "shout.py"
    outside.write_text(GOOD)
    path = own / "rules" / "checks" / "shout.py"
    path.unlink()
    path.symlink_to(outside)
    with pytest.raises(PolicyError, match="leaves the repository"):
        run(own)


def test_a_folder_that_is_a_link_out_of_the_repository_is_refused(
    own: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "shout.py").write_text(GOOD)
    (own / "rules" / "checks" / "shout.py").unlink()
    (own / "rules" / "checks").rmdir()
    (own / "rules" / "checks").symlink_to(outside)
    with pytest.raises(PolicyError, match="leaves the repository"):
        run(own)


def test_an_unknown_check_names_the_teams_own_among_those_there_are(own: Path) -> None:
    (own / "rules" / "admission" / "chat.yaml").write_text(POLICY.replace("check: no_shouting", "check: no_shoutin"))
    with pytest.raises(PolicyError, match="did you mean 'no_shouting'"):
        run(own)


# ── what ends as an error, never as a pass ─────────────────────────────────────────────────────────────────────

RETURN = "    return Measurement(\n"


def test_one_that_ends_its_process_ends_a_worker_and_nothing_is_judged(own: Path) -> None:
    """However little data there is: gate's own checks look at it in gate's process, nobody else's do."""
    put(own, GOOD.replace(RETURN, "    import os\n    os._exit(0)\n" + RETURN))
    with pytest.raises(WorkerLost):
        run(own)


CONTEXT = cast(Context, None)  # the check uses neither workers nor folders
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "GO AWAY"}]
FRAMES = Frames(
    pl.DataFrame(
        [{"id": str(at), "file": "a.jsonl", "row": at, "kind": "chat", "messages": TURNS} for at in (1, 2)],
        schema=EXAMPLES,
    ),
    pl.DataFrame(schema=MALFORMED),
)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("    raise SystemExit(0)\n", "end the process"),
        ("    return None\n", "returned NoneType"),
        ("    return Measurement(rows, 2)\n", "another schema"),
        ("    return Measurement(found(rows.with_columns(code=pl.lit('x'), message=pl.lit('m'))), 2)\n", "not declare"),
        ("    return Measurement(found(rows.with_columns(code=pl.lit('shouting'))), 2)\n", "without a message"),
        ("    return Measurement(found(rows.clear()), -1)\n", "examined"),
        ("    return Measurement(found(rows.clear()), 3)\n", "examined"),
        ("    return Measurement(found(rows.clear()), 2.0)\n", "examined"),
        ("    return Measurement(found(rows.clear()), 2, {'a': float('nan')})\n", "not finite"),
        (
            "    return Measurement(found(rows.with_columns(code=pl.lit('shouting'), message=pl.lit('m'),"
            " score=pl.lit(float('nan')))), 2)\n",
            "score",
        ),
        (
            "    return Measurement(found(rows.with_columns(code=pl.lit('shouting'), message=pl.lit('m'),"
            " severity=pl.lit('error'))), 2)\n",
            "severity",
        ),
    ],
)
def test_nonsense_is_an_error_with_the_name_of_the_plugin(own: Path, line: str, what: str) -> None:
    put(own, GOOD.replace(RETURN, line + RETURN))
    check = load("no_shouting", Folders(own))
    with pytest.raises(CheckFailed, match=what) as raised:
        check.run(FRAMES, check.params(), CONTEXT)
    assert "'no_shouting' (rules/checks/shout.py:" in str(raised.value)


@pytest.mark.parametrize(
    ("line", "what"),
    [("    raise ValueError('ann.lee@corp.test')\n", "ValueError at shout.py"), ("    return None\n", "no_shouting")],
)
def test_its_crash_is_an_error_verdict_with_its_name(own: Path, line: str, what: str) -> None:
    put(own, GOOD.replace(RETURN, line + RETURN))
    result = run(own)
    assert (result.verdict, result.exit_code) == ("error", 4)
    (outcome,) = result.outcomes
    assert (outcome.status, outcome.rule.check) == ("errored", "no_shouting")
    assert what in (outcome.reason or "")
    assert "ann.lee" not in f"{outcome.reason} {outcome.trace}"


# ── packages ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path that looks like an installed package with an entry point."""
    site = tmp_path / "site"
    info = site / "house_checks-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house-checks\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[gate.checks]\nno_shouting = house_checks:no_shouting\n")
    (site / "house_checks.py").write_text(GOOD)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "house_checks", raising=False)
    return info


def test_a_package_brings_a_check_by_an_entry_point(installed: Path) -> None:
    assert "no_shouting" in names(Folders())
    check = load("no_shouting", Folders())
    assert check.measures == "Answers that are written in capitals."
    assert "1.2 " in check.version


@pytest.mark.parametrize(
    ("point", "what"),
    [
        ("structure = house_checks:no_shouting", "one of gate's own"),
        ("no_shouting = house_checks:Limit", "no check but"),
        ("shouting = house_checks:no_shouting", "its name is 'no_shouting'"),
        ("no_shouting = not_there_at_all:no_shouting", "cannot be imported"),
    ],
)
def test_a_bad_entry_point_is_a_policy_error_that_names_the_package(installed: Path, point: str, what: str) -> None:
    (installed / "entry_points.txt").write_text(f"[gate.checks]\n{point}\n")
    with pytest.raises(PolicyError, match=what) as raised:
        load(point.split(" ")[0] if "structure" not in point else "shouting", Folders())
    assert "house-checks" in str(raised.value)


def test_a_file_and_a_package_may_not_share_a_name(own: Path, installed: Path) -> None:
    with pytest.raises(PolicyError, match="another plug-in"):
        names(Folders(own))
