"""Warning signs: each on a curve that has it, none on one that has not; thresholds are the file's, not the code's."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import PolicyError
from gate.folders import Folders
from gate.training.sign_rules import load_sign_rules
from gate.training.signs import Curves, Evaluation, Point, signs, stops_early

RULES = load_sign_rules(Folders())


def points(losses: list[float], norms: list[float] | None = None) -> list[Point]:
    norms = norms or [0.5] * len(losses)
    return [Point(at + 1, loss, 1e-4, norm) for at, (loss, norm) in enumerate(zip(losses, norms, strict=True))]


def evaluated(losses: list[float], every: int = 10) -> list[Evaluation]:
    return [Evaluation(every * (at + 1), loss) for at, loss in enumerate(losses)]


def codes(curves: Curves) -> list[str]:
    return [sign.code for sign in signs(curves, RULES)]


def learning(steps: int = 60, seed: int = 0, noise: float = 0.02) -> list[float]:
    """A loss as it should be: falling fast, then slowly, with a little noise."""
    dice = random.Random(seed)
    return [0.6 + 2.0 * math.exp(-at / 12) + dice.gauss(0, noise) for at in range(steps)]


@given(seed=st.integers(0, 10_000), steps=st.integers(1, 120))
def test_a_run_that_learns_has_no_sign(seed: int, steps: int) -> None:
    losses = learning(steps, seed)
    validation = [0.7 + 1.8 * math.exp(-10 * (at + 1) / 12) for at in range(steps // 10)]
    assert codes(Curves(points(losses), evaluated(validation), clip=1.0)) == []


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60), st.booleans())
def test_any_curve_is_judged_and_what_is_no_number_is_told(losses: list[float], finished: bool) -> None:
    found = signs(Curves(points(losses), evaluated(losses[:5]), clip=1.0, finished=finished), RULES)
    broken = not all(map(math.isfinite, losses))
    assert ("not_finite" in [sign.code for sign in found]) == broken
    for sign in found:
        assert sign.remedy
        assert sign.severity in ("error", "warning", "info")
    if broken:
        first = next(at + 1 for at, loss in enumerate(losses) if not math.isfinite(loss))
        assert next(sign.step for sign in found if sign.code == "not_finite") == first


@given(scale=st.floats(0.1, 10), at=st.integers(15, 55), height=st.floats(3, 50), seed=st.integers(0, 1000))
def test_a_spike_is_seen_where_it_is(scale: float, at: int, height: float, seed: int) -> None:
    losses = [scale * loss for loss in learning(60, seed)]
    losses[at] *= height
    (spike,) = [sign for sign in signs(Curves(points(losses)), RULES) if sign.code == "spike"]
    assert spike.step == at + 1


def test_the_validation_loss_rises_while_the_training_loss_falls() -> None:
    losses = learning(60)
    rises = evaluated([1.5, 1.2, 1.0, 1.05, 1.2, 1.4])
    (sign,) = signs(Curves(points(losses), rises), RULES)
    assert (sign.code, sign.step) == ("overfitting", 60)
    assert "1.000 at step 30" in sign.message
    assert "10 -> 3" in sign.remedy
    assert codes(Curves(points(losses), rises[:4])) == []  # once may be chance
    assert codes(Curves(points(losses), evaluated([1.5, 1.2, 1.0, 1.008, 1.009, 1.007]))) == []  # and that is no change
    flat = [*losses[:30], *[1.5] * 30]
    assert "overfitting" not in codes(Curves(points(flat), rises))  # the training loss does not fall


def test_both_losses_stand_still_and_high() -> None:
    dice = random.Random(0)
    losses = [3.0 + dice.gauss(0, 0.01) for _ in range(40)]
    assert codes(Curves(points(losses), evaluated([3.1, 3.1, 3.1]))) == ["plateau"]
    assert "plateau" not in codes(Curves(points(losses), evaluated([3.1, 2.9])))
    assert "plateau" not in codes(Curves(points([*learning(30), *[0.6] * 30])))  # still, and low: it has learned


def test_gradients_that_are_always_clipped_and_one_that_explodes() -> None:
    losses = learning(60)
    assert codes(Curves(points(losses, [2.0] * 60), clip=1.0)) == ["always_clipped"]
    assert codes(Curves(points(losses, [0.5] * 40 + [9.0] + [0.5] * 19), clip=1.0)) == ["exploding"]
    assert codes(Curves(points(losses, [0.01] * 40 + [0.5] + [0.01] * 19), clip=1.0)) == []  # large for it, and small


def test_a_loss_that_swings_without_falling() -> None:
    swinging = [2.0 + (-1) ** at for at in range(40)]
    assert "oscillation" in codes(Curves(points(swinging)))
    falling = [4.0 * math.exp(-at / 8) + 0.4 * (-1) ** at * math.exp(-at / 8) for at in range(40)]
    assert "oscillation" not in codes(Curves(points(falling)))


def test_signs_of_a_whole_run() -> None:
    falling, still = [3.0 - 0.04 * at for at in range(40)], [3.0 - 1e-5 * at for at in range(40)]
    validation = evaluated([2.8, 2.4, 2.0, 1.6])
    assert codes(Curves(points(falling), validation)) == []
    assert codes(Curves(points(falling), validation, finished=True)) == ["still_falling"]
    assert "barely_moves" in codes(Curves(points(still), finished=True))
    assert "barely_moves" not in codes(Curves(points(falling), finished=True))


def test_rewards_are_no_losses() -> None:
    still = [0.0] * 40
    assert codes(Curves(points(still), finished=True, losses=False)) == []


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([], False),
        ([2.0, 1.0, 1.0, 1.0], False),
        ([2.0, 1.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.1, 1.2, 1.3], True),
        ([1.0, 0.995, 0.985, 0.98, 0.97], False),  # small steps that add up
        ([1.0, 0.999, 0.998, 0.997], True),
        ([1.0, math.nan, math.nan, math.nan], True),
    ],
)
def test_patience(losses: list[float], stops: bool) -> None:
    assert stops_early(losses, patience=3, threshold=0.01) is stops
    assert stops_early(losses, patience=0, threshold=0.01) is False


# --- rules/training.yaml ---


def test_a_repository_says_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "training.yaml").write_text(
        "version: 1\nsigns:\n  spike: {severity: 'off'}\n  plateau: {window: 20}\n", "utf-8"
    )
    rules = load_sign_rules(Folders(tmp_path))
    assert rules.plateau.window == 20
    assert rules.plateau.fall == RULES.plateau.fall
    losses = learning(60)
    losses[40] = 50
    assert "spike" in codes(Curves(points(losses)))
    assert "spike" not in [sign.code for sign in signs(Curves(points(losses)), rules)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\nsigns:\n  spikes: {severity: 'off'}\n", "training.yaml:3: .*spikes"),
        ("version: 1\nsigns:\n  spike: {window: 1}\n", "training.yaml:3: .*window"),
        ("version: 1\nsigns:\n  spike: {severity: loud}\n", "training.yaml:3: .*severity"),
        ("version: 2\n", "training.yaml:1: .*version"),
    ],
)
def test_what_a_file_cannot_say(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "training.yaml").write_text(text, "utf-8")
    with pytest.raises(PolicyError, match=message):
        load_sign_rules(Folders(tmp_path))
