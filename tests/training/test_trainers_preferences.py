"""Preferences are learned: margins grow, a reward model tells good answers from bad, and RL raises what it is told is
good."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.training.events import Events
from gate.training.model import load_tokenizer
from gate.training.model_files import hashed_files, model_digest
from gate.training.preference_models import judge_of
from tests.training.made import Approved, run_of
from tests.training.scripts import Finished, train
from tests.training.tasks import judged, pairs

Seal = Callable[..., Approved]
QUICK = {"evaluate_every": 1000, "log_every": 5, "samples": 0, "batch": 8, "device_batch": 8, "max_steps": 15}


def says_low_numbers(base: Path) -> bool:
    """Whether the base answers sums that it cannot do by numbers below 20: that hangs on the last digits of what its
    training computed, and so on the machine."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModelForCausalLM.from_pretrained(base)
    said = []
    for row in pairs()[:40]:
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": row["prompt"]}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=False,
        )
        answer = model.generate(asked, max_new_tokens=4, do_sample=False)[0, asked.shape[1] :]
        said.append(tokenizer.decode(answer, skip_special_tokens=True))
    numbers = [int(each) for each in said if each.isdigit()]
    return sum(number < 20 for number in numbers) * 2 > len(numbers)


@pytest.fixture(scope="module")
def preferred(seal: Seal, tiny_base: Path) -> Approved:
    """What the base would not say by itself is preferred, so that there is something to learn."""
    rows = pairs(low=not says_low_numbers(tiny_base))
    return seal(rows[:120], rows[120:140], name="preferred")


@pytest.fixture(scope="module")
def liked(seal: Seal) -> Approved:
    rows = judged()
    return seal(rows[:120], rows[120:140], name="liked")


@pytest.mark.parametrize(
    ("objective", "method", "lr"),
    [
        ("dpo", "lora", 2e-3),
        ("dpo", "full", 3e-4),
        ("orpo", "lora", 2e-3),
        ("kto", "lora", 3e-3),
        ("kto", "full", 5e-4),
    ],
)
def test_what_is_preferred_becomes_likelier(
    tmp_path: Path, tiny_base: Path, preferred: Approved, liked: Approved, objective: str, method: str, lr: float
) -> None:
    approved = liked if objective == "kto" else preferred
    keys = QUICK | {"objective": objective, "method": method, "lr": lr}
    finished = train(run_of(tmp_path / "run", tiny_base, approved, **keys))
    margins, losses = finished.figures("rewards/margins"), finished.figures("loss")
    assert margins[-1] > margins[0] + 0.1
    assert losses[-1] < losses[0]
    (figures,) = finished.accounting["snapshots"]
    assert (figures["rows"], figures["trained"], figures["unseen"]) == (120, 120, 0)
    assert not list(finished.run.place.rglob("ref")), "trl's copy of the adapter is not kept"


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, preferred: Approved) -> Finished:
    keys = QUICK | {"objective": "reward", "method": "full", "lr": 1e-3}
    return train(run_of(tmp_path_factory.mktemp("reward") / "run", tiny_base, preferred, **keys))


def test_a_reward_model_tells_good_answers_from_bad(judge: Finished) -> None:
    assert judge.figures("eval_accuracy")[-1] >= 0.95
    assert judge.figures("eval_margin")[-1] > 1


@pytest.mark.parametrize(("objective", "method", "lr"), [("rloo", "lora", 5e-3), ("grpo", "full", 5e-4)])
def test_answers_come_to_score_better(
    tmp_path: Path, tiny_base: Path, preferred: Approved, judge: Finished, objective: str, method: str, lr: float
) -> None:
    keys = {"objective": objective, "method": method, "lr": lr, "reward_model": str(judge.run.candidate), "beta": 0.02}
    more = {"generations": 4, "batch": 32, "device_batch": 32, "max_new_tokens": 4}
    finished = train(run_of(tmp_path / "run", tiny_base, preferred, **(QUICK | keys | more)))
    rewards = finished.figures("reward")
    (told,) = [fields for fields in finished.of("stage") if fields["name"] == "reward_model"]
    assert told["digest"] == model_digest(hashed_files(judge.run.candidate))
    assert rewards[-1] > rewards[0] + 1
    (figures,) = finished.accounting["snapshots"]
    assert (figures["rows"], figures["trained"], figures["unseen"]) == (120, 120, 0)


def test_a_reward_model_reads_the_very_tokens_that_were_drawn(
    tmp_path: Path, tiny_base: Path, preferred: Approved, judge: Finished
) -> None:
    run = run_of(
        tmp_path / "run", tiny_base, preferred, objective="rloo", reward_model=str(judge.run.candidate), device_batch=2
    )
    tokenizer = load_tokenizer(run)
    score = judge_of(run, tokenizer, Events(run.place))
    prompt = [{"role": "user", "content": "What is 23 plus 31?"}]
    drawn = [[*tokenizer.encode("12"), tokenizer.eos_token_id], tokenizer.encode("12"), tokenizer.encode("33 33 33")]
    answers = [[{"role": "assistant", "content": tokenizer.decode(ids)}] for ids in drawn]
    together = score(prompts=[prompt] * 3, completions=answers, completion_ids=drawn)
    alone = [
        score(prompts=[prompt], completions=[answer], completion_ids=[ids])[0]
        for answer, ids in zip(answers, drawn, strict=True)
    ]
    assert together == pytest.approx(alone, rel=1e-4)  # whatever it is padded with
    assert together[0] != pytest.approx(together[1], rel=1e-3), "one that was cut off looks cut off"


def test_what_gives_no_score_judges_nothing(
    tmp_path: Path, tiny_base: Path, preferred: Approved, judge: Finished
) -> None:
    def asked(folder: Path | str) -> None:
        run = run_of(tmp_path / "run", tiny_base, preferred, objective="rloo", reward_model=str(folder))
        judge_of(run, load_tokenizer(run), Events(run.place))

    with pytest.raises(UsageError, match="there is no reward model"):
        asked(tmp_path / "nothing")
    with pytest.raises(UsageError, match=r"cannot be loaded|not in its files"):
        asked(tiny_base)
    unsafe = shutil.copytree(judge.run.candidate, tmp_path / "unsafe")
    (unsafe / "model.safetensors").rename(unsafe / "pytorch_model.bin")
    with pytest.raises(UsageError, match="cannot be loaded"):
        asked(unsafe)
    words = shutil.copytree(judge.run.candidate, tmp_path / "words")
    said = json.loads((words / "gate.json").read_text())
    (words / "gate.json").write_text(json.dumps(said | {"kind": "causal"}))
    with pytest.raises(UsageError, match="gives no score"):
        asked(words)


def test_gates_own_process_misses_the_reward_model_before_anything_starts(approved: Approved, tiny_base: Path) -> None:
    from gate.verbs.train import prepare

    with pytest.raises(UsageError, match="there is no reward model nowhere"):
        prepare(
            approved.id, base=tiny_base, recipe="rloo", overrides=["reward_model=nowhere"], store=approved.store,
            trust=approved.people.trust_file, signer=approved.people.ana,
        )  # fmt: skip
