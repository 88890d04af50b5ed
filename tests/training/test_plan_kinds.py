"""A plan for every kind of example, few or many, on devices of any size: its recipe is one that can be run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gate.errors import InputError, PolicyError, UsageError
from gate.folders import Folders
from gate.training.plan import Plan
from gate.training.recipe_files import load_recipe
from gate.verbs.plan import plan
from tests.training.made import Approved, additions
from tests.training.plan_made import seven_billion

ROWS = {
    "chat": [{"instruction": f"Say {at}.", "output": f"It is {at}."} for at in range(60)],
    "preference": [{"prompt": f"Say {at}.", "chosen": f"yes {at}", "rejected": "no"} for at in range(60)],
    "feedback": [{"prompt": f"Say {at}.", "completion": f"It is {at}.", "label": at % 2 == 0} for at in range(60)],
    "text": [{"text": f"The lamp of harbour {at} is lit. " * (at + 1)} for at in range(60)],
}
OBJECTIVES = {"chat": "sft", "preference": "dpo", "feedback": "kto", "text": "pretrain"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seven_billion(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def sealed(seal: Callable[..., Approved]) -> Callable[[str, int], Approved]:
    made: dict[tuple[str, int], Approved] = {}

    def of(kind: str, count: int) -> Approved:
        if (kind, count) not in made:
            made[kind, count] = seal(ROWS[kind][:count], ROWS[kind][count : count + 2], name=f"{kind}{count}")
        return made[kind, count]

    return of


def planned(approved: Approved, base: Path, **keys: object) -> Plan:
    return plan(approved.id, base, store=approved.store, trust=approved.people.trust, **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [3, 50])
@pytest.mark.parametrize("kind", list(ROWS))
def test_its_recipe_can_be_run(kind: str, count: int, base: Path, sealed: Callable[[str, int], Approved]) -> None:
    for memory in (None, "3GB", "12GB", "24GB", "1TB"):
        found = planned(sealed(kind, count), base, memory=memory)
        assert found.recipe.objective == OBJECTIVES[kind]
        assert found.recipe == load_recipe(found.named, Folders(), found.sets).recipe
        assert found.recipe.batch % found.recipe.device_batch == 0
        if found.option.fits:
            assert found.option.memory.total <= (found.room.usable or 0)
            assert found.option.memory.recipe.device_batch == found.recipe.device_batch
        assert (found.option.fits is None) == (memory is None)


def test_its_method_follows_the_memory(base: Path, sealed: Callable[[str, int], Approved]) -> None:
    for kind in ROWS:
        methods = [planned(sealed(kind, 50), base, memory=memory).recipe.method for memory in ("12GB", "40GB")]
        assert methods == ["qlora", "lora"], kind


def test_a_flag_of_the_users_wins_over_gates(base: Path, sealed: Callable[[str, int], Approved]) -> None:
    found = planned(sealed("chat", 50), base, memory="24GB", overrides=["rank=3", "device_batch=1"])
    assert (found.recipe.rank, found.recipe.device_batch) == (3, 1)
    assert not {"rank", "device_batch"} & {each.key for each in found.settings}
    assert planned(sealed("preference", 50), base, overrides=["method=qlora"]).recipe.quantisation == "nf4"


def test_what_cannot_be_trained_on_is_said(base: Path, seal: Callable[..., Approved]) -> None:
    chats = seal(additions(0, 5)[:10], name="few")
    with pytest.raises(UsageError, match="learns from preference examples"):
        planned(chats, base, recipe="dpo")
    with pytest.raises(PolicyError, match="rank"):
        planned(chats, base, overrides=["rank=none"])
    held = seal((), additions(0, 5)[:10], name="held")
    with pytest.raises(InputError, match="no train split"):
        planned(held, base)


def test_data_that_is_too_long_for_the_base_is_said(base: Path, seal: Callable[..., Approved]) -> None:
    rows = [{"instruction": f"Say {at}.", "output": "yes " * (5000 if at < 5 else 5) + f"{at}"} for at in range(40)]
    found = planned(seal(rows, name="long"), base)
    context = next(each for each in found.facts if each.name == "context")
    assert context.level == "failed"
    assert "5 (12 %) are longer" in context.why
    assert found.length == 4096
    assert found.shorter is None  # more than one in twenty is that long: nothing is saved


def test_what_cutting_the_longest_would_save_is_said(base: Path, seal: Callable[..., Approved]) -> None:
    rows = [{"instruction": f"Say {at}.", "output": "yes " * (3000 if at == 0 else 5) + f"{at}"} for at in range(40)]
    found = planned(seal(rows, name="one"), base, recipe="lora")
    assert found.shorter is not None
    assert (found.shorter.length, found.shorter.cut) == (found.lengths.percentile(0.95), 1)
    assert found.shorter.bytes < found.option.memory.total
    cut = planned(seal(rows, name="cut"), base, recipe="lora", overrides=[f"max_length={found.shorter.length}"])
    assert cut.option.memory.total == found.shorter.bytes
