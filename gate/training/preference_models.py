"""The models beside the one that is trained: the reference that it is held to, and the judge of its answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate.errors import InputError, UsageError
from gate.training.events import Events
from gate.training.model_files import hashed_files, model_digest
from gate.training.recipe import Recipe
from gate.training.run_file import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Reward = Callable[..., list[float]]
"""(prompts: messages, completions: messages, completion_ids: token ids, …) -> a score for each answer."""


def reference(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, run: Run) -> dict[str, Any]:
    """What a trainer of trl's takes to hold the model to the base: a second copy of it where all weights are trained;
    under an adapter none, since the model with its adapter off is the base; for ORPO nothing."""
    from gate.training.model import load_model

    if run.recipe.objective == "orpo":
        return {}
    adapted = hasattr(model, "peft_config")
    return {"ref_model": None if adapted else load_model(run, tokenizer).eval().requires_grad_(False)}


def reward_folder(recipe: Recipe) -> Path:
    """The folder of the reward model that a recipe names, which has to be there before anything is started.

    Raises:
        UsageError: it is not.
    """
    folder = Path(recipe.reward_model or "")
    configured = any((folder / name).is_file() for name in ("config.json", "adapter_config.json"))
    if recipe.reward_model is None or not configured:
        raise UsageError(
            f"there is no reward model {recipe.reward_model or ''}".strip(),
            where="reward_model",
            remedy="train one (`--recipe reward`), and name its `candidate` folder: --set reward_model=FOLDER",
        )
    return folder


def judge_of(run: Run, tokenizer: PreTrainedTokenizerBase, events: Events) -> Reward:
    """The reward model that the recipe names, as a function that scores answers.

    Where it reads the same tokens as the model, it gets the very tokens that were drawn: an answer that was cut off
    before its end looks cut off to it. Another one gets the conversation in its own words.

    Raises:
        UsageError: there is no such model, or it gives no score.
        InputError: it is an adapter on another base, or its files are not safe to load.
    """
    folder = reward_folder(run.recipe)
    judge, own = _loaded(folder, run)
    events.say("stage", name="reward_model", folder=folder.name, digest=model_digest(hashed_files(folder)))
    return _scoring(judge, own, tokenizer, run)


def _loaded(folder: Path, run: Run) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from gate.training.model import Loading, load_weights, read_tokenizer, weights_dtype
    from gate.training.saving import FILE, load_candidate, read_candidate_file

    remedy = "name the `candidate` folder of a run whose recipe is `reward`"
    if (folder / FILE).exists():
        said = read_candidate_file(folder)
        if said.kind != "reward":
            raise UsageError(f"it is a {said.kind} model, and gives no score", where=str(folder), remedy=remedy)
        try:
            judge, tokenizer = load_candidate(folder, Path(run.base.path))
        except InputError as error:
            raise InputError(
                error.what, where=error.where, remedy="an adapter of another base: train the reward model in full"
            ) from None
        return judge, tokenizer
    tokenizer = read_tokenizer(str(folder), str(folder))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    judge = load_weights(
        Loading(
            path=str(folder),
            name=str(folder),
            kind="reward",
            dtype=weights_dtype(run),
            labels=("reward",),
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    return judge, tokenizer


def _scoring(
    judge: PreTrainedModel, own: PreTrainedTokenizerBase, tokenizer: PreTrainedTokenizerBase, run: Run
) -> Reward:
    import torch
    from accelerate import PartialState
    from torch.nn.utils.rnn import pad_sequence

    judge = judge.eval().requires_grad_(False).to(PartialState().device)
    same = own.get_vocab() == tokenizer.get_vocab()
    room = getattr(judge.config, "max_position_embeddings", None)

    def tokens(prompt: list[dict[str, str]], answer: list[dict[str, str]], ids: list[int]) -> list[int]:
        if same:
            asked = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=False)
            return [*asked, *ids][-room:] if room else [*asked, *ids]
        return list(own.apply_chat_template([*prompt, *answer], tokenize=True, return_dict=False))

    def reward(prompts: Any, completions: Any, completion_ids: Any, **_: object) -> list[float]:
        rows = [torch.tensor(tokens(*each)) for each in zip(prompts, completions, completion_ids, strict=True)]
        scores: list[float] = []
        for start in range(0, len(rows), run.recipe.device_batch):
            part = rows[start : start + run.recipe.device_batch]
            ids = pad_sequence(part, batch_first=True, padding_value=judge.config.pad_token_id)
            mask = pad_sequence([torch.ones_like(row) for row in part], batch_first=True)
            with torch.no_grad():
                logits = judge(input_ids=ids.to(judge.device), attention_mask=mask.to(judge.device)).logits
            scores += logits[:, 0].float().tolist()
        return scores

    return reward
