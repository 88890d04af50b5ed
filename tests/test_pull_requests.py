"""What a pull request adds, in real git repositories: new findings count, old ones do not, and nobody loosens the gate
that judges them."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from gate.admission.result import AdmissionResult
from gate.errors import InputError, PolicyError, UsageError
from gate.verbs.check import check

Record = Mapping[str, object]
WORDS = ["harbour", "lamp", "keeper", "tide", "stair", "evening", "weather", "book", "ship", "rope", "gull", "chart"]
RULES = ["structure", "exact_duplicates", "near_duplicates", "leakage", "pii", "card", "splits", "size"]
CARD = "---\nlicense: mit\nowner: the harbour\nconsent: given by the writers\nsource_kind: expert\n---\n# Data\n"


def rows(seed: int, count: int) -> list[dict[str, str]]:
    dice = random.Random(seed)
    return [
        {"instruction": " ".join(dice.choices(WORDS, k=12)), "output": " ".join(dice.choices(WORDS, k=30)) + "."}
        for _ in range(count)
    ]


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


class Repository:
    """A dataset under git, on a branch of a pull request."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        git(root, "init", "-q")
        self.write("data/train.jsonl", [*rows(1, 120), *rows(1, 1), {"instruction": "Broken", "output": ""}])
        self.write("data/validation.jsonl", rows(2, 100))
        self.write("data/test.jsonl", rows(3, 100))
        (root / "data/README.md").write_text(CARD)
        self.commit()
        git(root, "checkout", "-q", "-b", "change")

    def path(self, name: str) -> Path:
        return self.root / name

    def read(self, name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.path(name).read_text().splitlines()]

    def write(self, name: str, records: Sequence[Record]) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text("".join(json.dumps(record) + "\n" for record in records))

    def add(self, name: str, *records: Record) -> None:
        self.write(name, [*self.read(name), *records])

    def commit(self) -> None:
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "x")

    def judge(self, base: str = "main", **options: object) -> AdmissionResult:
        return check(self.root / "data", base=base, select=options.pop("select", RULES), **options)  # type: ignore[arg-type]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def new(result: AdmissionResult) -> list[tuple[str, str | None, int | None]]:
    counted = result.findings.filter(pl.col("state") == "new", pl.col("severity") == "error")
    return counted.select("rule", "file", "row").rows()


def test_old_findings_do_not_count(repository: Repository) -> None:
    whole = check(repository.path("data"), select=RULES)
    assert whole.verdict == "fail"
    result = repository.judge()
    assert (result.verdict, new(result)) == ("pass", [])
    assert result.findings.height == whole.findings.height
    assert set(result.findings["state"]) == {"unchanged"}
    assert result.comparison is not None
    assert (result.comparison.new, result.comparison.unchanged, result.comparison.removed) == (0, 322, 0)
    assert result.comparison.revision == git(repository.root, "rev-parse", "main").strip()


def test_a_new_row_that_duplicates_an_old_one_counts_and_is_the_one_that_goes(repository: Repository) -> None:
    old = repository.read("data/train.jsonl")[7]
    repository.write("data/a-new-file.jsonl", [{**old, "output": old["output"].upper()}])
    result = repository.judge()
    assert new(result) == [("exact_duplicates", "a-new-file.jsonl", 1)]
    assert result.verdict == "fail"


def test_an_exact_second_copy_of_an_old_row_counts(repository: Repository) -> None:
    repository.add("data/train.jsonl", repository.read("data/train.jsonl")[7])
    assert new(repository.judge()) == [("exact_duplicates", "train.jsonl", 123)]


def test_a_training_row_copied_into_the_test_split_counts(repository: Repository) -> None:
    repository.add("data/test.jsonl", repository.read("data/train.jsonl")[7])
    result = repository.judge()
    assert new(result) == [("leakage", "train.jsonl", 8)]
    assert result.verdict == "fail"


def test_a_row_that_moved_to_another_split_is_new_there(repository: Repository) -> None:
    *others, broken = repository.read("data/train.jsonl")
    repository.write("data/train.jsonl", others)
    repository.add("data/test.jsonl", broken)
    assert new(repository.judge()) == [("structure", "test.jsonl", 101)]


def test_rows_that_moved_to_another_file_are_not_new(repository: Repository) -> None:
    repository.path("data/train.jsonl").rename(repository.path("data/train-0.jsonl"))
    result = repository.judge()
    assert (new(result), result.comparison and result.comparison.new) == ([], 0)


def test_what_is_mended_is_told(repository: Repository) -> None:
    repository.write("data/train.jsonl", repository.read("data/train.jsonl")[:-2])
    result = repository.judge()
    assert result.verdict == "pass"
    assert result.comparison is not None
    assert result.comparison.removed == 2
    fixed = result.comparison.fixed.filter(pl.col("severity") == "error")
    assert sorted(fixed["rule"]) == ["exact_duplicates", "structure"]
    assert {outcome.rule.id: outcome.fixed for outcome in result.outcomes}["structure"] == 1


def test_a_new_malformed_row_counts_and_an_old_one_that_moved_does_not(repository: Repository) -> None:
    path = repository.path("data/train.jsonl")
    path.write_text("{broken\n" + path.read_text())
    repository.commit()
    git(repository.root, "branch", "-f", "main")
    path.write_text(path.read_text().replace("{broken\n", "") + "{broken\n")
    assert new(repository.judge()) == []
    path.write_text(path.read_text() + "{broken\n[1, 2]\n")
    assert [row for rule, _, row in new(repository.judge()) if rule == "structure"] == [124, 125]


def test_a_pull_request_that_only_deletes_is_judged(repository: Repository) -> None:
    repository.write("data/train.jsonl", repository.read("data/train.jsonl")[:60])
    result = repository.judge()
    assert result.verdict == "pass"
    reasons = {outcome.rule.id: (outcome.status, outcome.reason) for outcome in result.outcomes}
    assert reasons["pii"] == ("passed", "no new rows")


def test_a_dataset_level_rule_counts_when_it_newly_fails_or_worsens(repository: Repository) -> None:
    strict = {"policy": "strict"}
    assert repository.judge(**strict).verdict == "pass"
    repository.path("data/README.md").write_text(CARD.replace("license: mit\n", ""))
    repository.write("data/test.jsonl", repository.read("data/test.jsonl")[:20])
    result = repository.judge(**strict)
    counted = {(rule, file) for rule, file, _ in new(result)}
    assert ("card", "README.md") in counted
    assert "splits" in {rule for rule, _ in counted}
    assert result.verdict == "fail"


def test_everything_deleted_is_no_pass(repository: Repository) -> None:
    for name in ("train", "validation", "test"):
        repository.path(f"data/{name}.jsonl").unlink()
    with pytest.raises(InputError, match="nothing here is a dataset"):
        repository.judge()
    for name in ("train", "validation", "test"):
        repository.path(f"data/{name}.jsonl").write_text("")
    assert repository.judge().verdict == "fail"


@pytest.mark.parametrize("base", ["no-such-branch", "HEAD~9", "./nowhere", "-x", "", "snapshot:one"])
def test_a_base_that_cannot_be_found_is_an_error_never_nothing_new(repository: Repository, base: str) -> None:
    with pytest.raises((InputError, UsageError)):
        repository.judge(base)


def test_a_base_without_the_data_is_an_error(repository: Repository) -> None:
    git(repository.root, "checkout", "-q", "--orphan", "empty")
    git(repository.root, "rm", "-rq", "--cached", ".")
    (repository.root / "note.txt").write_text("x")
    git(repository.root, "add", "note.txt")
    git(repository.root, "commit", "-q", "-m", "x")
    with pytest.raises(InputError, match="has nothing at data"):
        repository.judge("empty")


def test_a_folder_can_be_the_base(repository: Repository, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", str(repository.path("data")), str(tmp_path / "before")], check=True)
    repository.add("data/train.jsonl", repository.read("data/train.jsonl")[7])
    result = repository.judge(str(tmp_path / "before"))
    assert new(result) == [("exact_duplicates", "train.jsonl", 123)]
    assert result.comparison is not None
    assert result.comparison.revision is None


# ── nobody loosens the gate that judges them ───────────────────────────────────────────────────────────────────

LENIENT = "version: 1\nname: chat\nextends: chat\nevery: {tolerate: 1000}\n"
PLUGIN = '''
from pathlib import Path
from gate.checks import Measurement, Params, check, found
import polars as pl

Path("{ran}").write_text("ran")

class Nothing(Params):
    """No parameters."""

@check("{name}", params=Nothing, codes={{"seen": "It was seen."}}, fails=(), passes=())
def {name}(frames, params, context):
    """Looks at nothing."""
    return Measurement(found(pl.DataFrame(schema={{"code": pl.String}})), frames.examples.height)
'''


def _lenient_policy(repository: Repository) -> None:
    (repository.root / "rules/admission").mkdir(parents=True)
    (repository.root / "rules/admission/chat.yaml").write_text(LENIENT)


def _lenient_settings(repository: Repository) -> None:
    (repository.root / "lenient.yaml").write_text(LENIENT)
    (repository.root / "gate.yaml").write_text("version: 1\npaths: [data]\npolicy: lenient.yaml\n")


@pytest.mark.parametrize("loosen", [_lenient_policy, _lenient_settings])
def test_a_pull_request_is_judged_by_the_bases_rules_and_blocked_for_changing_them(
    repository: Repository, loosen: Callable[[Repository], None]
) -> None:
    loosen(repository)
    assert check(repository.path("data"), select=RULES).verdict == "pass"  # so it would loosen it
    repository.add("data/train.jsonl", repository.read("data/train.jsonl")[7])
    result = repository.judge()
    assert {rule for rule, _, _ in new(result)} == {"exact_duplicates", "gate_files"}
    repository.write("data/train.jsonl", repository.read("data/train.jsonl")[:-1])
    only = repository.judge()
    assert ({rule for rule, _, _ in new(only)}, only.verdict) == ({"gate_files"}, "fail")


def test_rules_that_only_the_base_has_judge(repository: Repository) -> None:
    git(repository.root, "checkout", "-q", "main")
    _lenient_policy(repository)
    repository.path("rules/admission/chat.yaml").write_text(
        "version: 1\nname: chat\nextends: chat\nrules:\n"
        "  - id: pii\n    with: {allow: [m.okafor@harbour-lights.co.uk]}\n"
    )
    repository.commit()
    git(repository.root, "checkout", "-q", "-B", "change", "main")
    address = {"instruction": "Where do I write to?", "output": "To m.okafor@harbour-lights.co.uk."}
    repository.add("data/train.jsonl", address)
    assert new(repository.judge()) == []
    repository.path("rules/admission/chat.yaml").unlink()
    assert {rule for rule, _, _ in new(repository.judge())} == {"gate_files"}


def test_the_data_to_judge_is_what_the_base_says(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    git(repository.root, "checkout", "-q", "main")
    (repository.root / "gate.yaml").write_text("version: 1\npaths: [data]\n")
    repository.commit()
    git(repository.root, "checkout", "-q", "-B", "change", "main")
    repository.write("elsewhere/fine.jsonl", rows(9, 120))
    (repository.root / "gate.yaml").write_text("version: 1\npaths: [elsewhere]\n")
    repository.add("data/train.jsonl", repository.read("data/train.jsonl")[7])
    monkeypatch.chdir(repository.root)
    result = check(base="main", select=RULES)
    assert {rule for rule, _, _ in new(result)} == {"exact_duplicates", "gate_files"}


def test_code_of_the_head_is_never_run(repository: Repository, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    folder = repository.root / "rules/checks"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(PLUGIN.format(ran=ran, name="mine"))
    policy = repository.root / "rules/admission/chat.yaml"
    policy.parent.mkdir()
    policy.write_text(
        "version: 1\nname: chat\nextends: chat\nrules:\n"
        "  - {id: mine, check: mine, severity: error, remedy: review, why: because}\n"
    )
    result = repository.judge()
    assert {rule for rule, _, _ in new(result)} == {"gate_files"}
    assert not ran.exists()
    assert check(repository.path("data"), select=["mine"]).verdict == "pass"
    assert ran.exists()


def test_a_plug_in_of_the_base_judges_even_where_the_head_deletes_it(repository: Repository, tmp_path: Path) -> None:
    git(repository.root, "checkout", "-q", "main")
    test_code_of_the_head_is_never_run(repository, tmp_path)
    repository.commit()
    git(repository.root, "checkout", "-q", "-B", "change", "main")
    (repository.root / "rules/checks/mine.py").unlink()
    with pytest.raises(PolicyError):
        check(repository.path("data"), select=["mine"])
    result = repository.judge(select=["mine"])
    assert {outcome.rule.id: outcome.status for outcome in result.outcomes} == {
        "gate_files": "failed",
        "mine": "passed",
    }


def test_a_share_is_not_judged_on_a_few_new_rows_and_it_says_so(repository: Repository) -> None:
    git(repository.root, "checkout", "-q", "main")
    _lenient_policy(repository)
    repository.path("rules/admission/chat.yaml").write_text(
        "version: 1\nname: chat\nextends: chat\nmin_examples: 50\nrules:\n  - {id: pii, tolerate: 1 %}\n"
    )
    repository.commit()
    git(repository.root, "checkout", "-q", "-B", "change", "main")
    address = {"instruction": "Where do I write to?", "output": "To m.okafor@harbour-lights.co.uk."}
    repository.add("data/train.jsonl", address)
    pii = next(outcome for outcome in repository.judge().outcomes if outcome.rule.id == "pii")
    assert (pii.status, pii.examined, pii.flagged) == ("skipped", 1, 1)
    assert pii.reason is not None
    assert "min_examples: 50" in pii.reason
    repository.add("data/train.jsonl", *rows(77, 60))
    pii = next(outcome for outcome in repository.judge().outcomes if outcome.rule.id == "pii")
    assert (pii.status, pii.examined, pii.flagged) == ("failed", 61, 1)
