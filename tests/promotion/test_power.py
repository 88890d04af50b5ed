"""Power: Miller's example, every table for small n, and that what is promised comes true."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gate.errors import UsageError
from gate.promotion.compare import compare
from gate.promotion.forgetting import sample_forgetting
from gate.promotion.power import (
    POWER,
    detectable_loss,
    failing_power,
    miller_n,
    passing_power,
    required_n,
)
from gate.promotion.size import critical
from gate.promotion.tango import lower_bound, upper_bound


def test_millers_example() -> None:
    """Miller 2024, section 5: three points, power 80 %, alpha 5 %, ω² = 1/9."""
    assert miller_n(0.03, variance=1 / 9) == 969


def test_samples_count_as_miller_says() -> None:
    one = miller_n(0.03, variance=1 / 9, before_variance=1 / 6, after_variance=1 / 6)
    ten = miller_n(0.03, variance=1 / 9, before_variance=1 / 6, after_variance=1 / 6, samples=10)
    assert one == pytest.approx(4 * 969, abs=2)
    assert ten == pytest.approx(1.3 * 969, abs=1)


@pytest.mark.parametrize("bad", [{"effect": 0.0}, {"variance": -1.0}, {"samples": 0}])
def test_what_has_no_power_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        miller_n(**{"effect": 0.03, "variance": 0.1, **bad})  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 4, 9, 12])
@pytest.mark.parametrize(("difference", "discordance"), [(0.0, 0.0), (0.2, 0.4), (-0.3, 0.3), (-0.1, 0.9), (-1.0, 1.0)])
def test_it_is_the_sum_over_all_tables(n: int, difference: float, discordance: float) -> None:
    lost_share, gained_share = (discordance - difference) / 2, (discordance + difference) / 2
    low, high = critical(n, -0.1, 0.05), critical(n, 0.1, 0.05)
    passing = failing = 0.0
    for lost in range(n + 1):
        for gained in range(n + 1 - lost):
            chance = math.comb(n, lost) * math.comb(n - lost, gained)
            chance *= lost_share**lost * gained_share**gained * max(0.0, 1 - discordance) ** (n - lost - gained)
            passing += chance * (lower_bound(lost, gained, n, low) > -0.1)
            failing += chance * (upper_bound(lost, gained, n, high) < -0.1)
    assert passing_power(n, difference, discordance, 0.1, 0.05) == pytest.approx(passing, abs=1e-9)
    assert failing_power(n, difference, discordance, 0.1, 0.05) == pytest.approx(failing, abs=1e-9)


@pytest.mark.parametrize("n", [60, 150, 400, 900])
@pytest.mark.parametrize("discordance", [0.0, 0.1, 0.3])
def test_the_detectable_loss_is_noticed(n: int, discordance: float) -> None:
    loss = detectable_loss(n, discordance, 0.03, 0.05)
    assert loss > 0.03
    assert failing_power(n, -loss, discordance, 0.03, 0.05) == pytest.approx(POWER, abs=0.03)
    assert failing_power(n, -loss + 0.02, discordance, 0.03, 0.05) < POWER


def test_nothing_is_noticed_on_one_item() -> None:
    assert detectable_loss(1, 0.0, 0.03, 0.05) == 1.0


@pytest.mark.parametrize(
    ("difference", "discordance", "margin"),
    [(0.0, 0.05, 0.03), (0.01, 0.1, 0.05), (-0.01, 0.02, 0.03), (-0.12, 0.2, 0.03), (0.0, 0.1, 0.03)],
)
def test_the_required_number_settles_it(difference: float, discordance: float, margin: float) -> None:
    n = required_n(difference, discordance, margin, 0.05)
    assert n is not None
    power = passing_power if difference > -margin else failing_power
    assert power(n, difference, discordance, margin, 0.05) == pytest.approx(POWER, abs=0.04)
    assert power(n // 2, difference, discordance, margin, 0.05) < POWER - 0.1


def test_it_takes_more_where_more_changes() -> None:
    few, many = required_n(0.0, 0.05, 0.03, 0.05), required_n(0.0, 0.4, 0.03, 0.05)
    assert few is not None
    assert many is not None
    assert few < many


def test_the_margin_itself_is_never_settled() -> None:
    assert required_n(-0.03, 0.1, 0.03, 0.05) is None
    assert compare(*_table(6, 3, 100), binary=True, margin=0.03).required_n is None


def test_where_nothing_changed_it_is_the_smallest_that_passes() -> None:
    assert compare(np.ones(50), np.ones(50), binary=True, margin=0.03).required_n == 99


def test_a_mean_needs_what_its_error_says() -> None:
    before = np.linspace(0, 1, 40)
    after = before + np.tile([0.1, -0.1], 20)
    found = compare(before, after, binary=False, margin=0.02)
    assert found.verdict == "inconclusive"
    assert found.required_n is not None
    times = found.required_n // 40
    wider = compare(np.tile(before, times), np.tile(after, times), binary=False, margin=0.02)
    assert wider.verdict == "pass"


def _table(lost: int, gained: int, n: int) -> tuple[list[float], list[float]]:
    same = [1.0] * (n - lost - gained)
    return [1.0] * lost + [0.0] * gained + same, [0.0] * lost + [1.0] * gained + same


class TestForgetting:
    def test_what_guessing_would_show_is_taken_off(self) -> None:
        """Half of the answers right before and after, four choices: by luck 0.5 · 0.5 / 3 each way."""
        found = sample_forgetting(20, 20, 100, 200, 0.25)
        assert found.forgotten_by_chance == found.learned_by_chance == pytest.approx(1 / 12)
        assert found.adjusted_forgotten == pytest.approx(0.1 - 1 / 12)

    def test_two_guessers_forget_nothing(self) -> None:
        """Simulated: neither knows anything, and each guesses for itself."""
        rng = np.random.default_rng(0)
        one, other = rng.random(100_000) < 0.25, rng.random(100_000) < 0.25
        lost, gained = int((one & ~other).sum()), int((~one & other).sum())
        found = sample_forgetting(lost, gained, int(one.sum()), 100_000, 0.25)
        assert found.forgotten == pytest.approx(0.1875, abs=0.005)
        assert found.adjusted_forgotten == pytest.approx(0.0, abs=0.005)
        assert found.adjusted_learned == pytest.approx(0.0, abs=0.005)

    def test_it_finds_what_was_really_forgotten(self) -> None:
        """Simulated: 60 % known, a sixth of that forgotten; what is unknown is guessed from four choices each time."""
        rng = np.random.default_rng(1)
        n = 200_000
        knows = rng.random(n) < 0.6
        still = knows & (rng.random(n) >= 1 / 6)
        one, other = knows | (rng.random(n) < 0.25), still | (rng.random(n) < 0.25)
        lost, gained = int((one & ~other).sum()), int((~one & other).sum())
        found = sample_forgetting(lost, gained, int(one.sum()), n, 0.25)
        # 0.1 was forgotten, of which a quarter is guessed again; luck adds less than it seems, as the same items are
        # unknown to both, so the figure lies between the truth and what was observed.
        assert 0.075 < found.adjusted_forgotten < found.forgotten
        assert found.forgotten == pytest.approx(0.075 + 0.4 * 0.25 * 0.75, abs=0.003)

    def test_an_open_question_is_not_guessed(self) -> None:
        found = sample_forgetting(3, 1, 50, 100, 0.0)
        assert (found.forgotten, found.adjusted_forgotten, found.forgotten_by_chance) == (0.03, 0.03, 0.0)

    @pytest.mark.parametrize(("right", "chance"), [(2, 0.25), (100, 0.25), (50, 1.0), (50, -0.1), (50, math.nan)])
    def test_what_does_not_fit_is_refused(self, right: int, chance: float) -> None:
        with pytest.raises(UsageError):
            sample_forgetting(3, 1, right, 100, chance)
