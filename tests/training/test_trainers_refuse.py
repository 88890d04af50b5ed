"""What is wrong with a run is told in one sentence, by an event and by the exit code, before a model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.made import Approved, run_of
from tests.training.scripts import TRAINERS, Finished, script, train


def refused(finished: list[Finished], code: int, capsys: pytest.CaptureFixture[str]) -> str:
    """What a run that was refused says; nothing of a candidate is there."""
    (one,) = finished
    (told,) = one.of("error")
    assert told["exit_code"] == code
    assert "Traceback" not in capsys.readouterr().err
    assert not one.run.candidate.exists()
    assert "training" not in [fields["name"] for fields in one.of("stage")]
    return str(told["message"])


def attempt(run: object) -> tuple[int, list[Finished]]:
    from gate.training.events import read_events
    from gate.training.run_file import Run

    assert isinstance(run, Run)
    with pytest.raises(SystemExit) as ended:
        train(run)
    assert isinstance(ended.value.code, int)
    return ended.value.code, [Finished(run, read_events(run.place)[0])]


def test_a_snapshot_that_is_not_approved_is_not_read(
    tmp_path: Path, tiny_base: Path, approved: Approved, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = tmp_path / "trust.yaml"
    stranger.write_text(approved.people.trust_file.read_text().replace("reviewer", "owner"))
    run = run_of(tmp_path / "run", tiny_base, approved).model_copy(update={"trust": str(stranger)})
    code, finished = attempt(run)
    assert code == 1
    assert "not approved" in refused(finished, 1, capsys)
    assert [fields["name"] for fields in finished[0].of("stage")] == ["data"]


def test_an_objective_learns_from_its_own_kind(
    tmp_path: Path, tiny_base: Path, approved: Approved, capsys: pytest.CaptureFixture[str]
) -> None:
    code, finished = attempt(run_of(tmp_path / "run", tiny_base, approved, objective="dpo"))
    assert code == 2
    assert "preference" in refused(finished, 2, capsys)


def test_more_cut_than_is_tolerated_ends_it_before_a_model_is_loaded(
    tmp_path: Path, tiny_base: Path, approved: Approved, capsys: pytest.CaptureFixture[str]
) -> None:
    code, finished = attempt(run_of(tmp_path / "run", tiny_base, approved, max_length=16))
    assert code == 1
    assert "max_length" in refused(finished, 1, capsys)
    assert [fields["name"] for fields in finished[0].of("stage")] == ["data"]


def test_rl_without_its_reward_model_says_how_to_get_one(
    tmp_path: Path, tiny_base: Path, approved: Approved, capsys: pytest.CaptureFixture[str]
) -> None:
    code, finished = attempt(run_of(tmp_path / "run", tiny_base, approved, objective="rloo", reward_model="nowhere"))
    assert code == 2
    assert "--recipe reward" in refused(finished, 2, capsys)


@pytest.mark.parametrize("name", sorted(path.stem for path in TRAINERS.glob("*.py")))
def test_a_script_alone_says_who_starts_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        script(name).main()
    assert ended.value.code == 2
    assert "gate train" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(TRAINERS.glob("*.py")), ids=lambda path: path.stem)
def test_a_script_is_short_and_reads_rows_through_the_lock_alone(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) < 120
    assert any("gate.open_snapshot" in line for line in lines)
    assert not any(word in line for line in lines for word in ("load_dataset", "read_json", "read_parquet", "open("))
