"""Makes a tiny language model from scratch: a base for the walk-through, the tests and the benchmarks.

    python examples/tiny_base.py out/tiny-base

It is a Llama of 771,000 parameters with a tokenizer and a chat template of its own. In half a minute or so on
two cores it learns to add numbers below twenty, sixteen capitals and some opposites, by heart and in chat form: enough
to see whether later training makes it forget them. It knows nothing else.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

HIDDEN, LAYERS, HEADS, INNER, VOCABULARY, CONTEXT = 128, 3, 4, 384, 1024, 1024
STEPS, BATCH, LEARNING_RATE = 500, 64, 2e-3

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "Egypt": "Cairo", "Peru": "Lima",
    "Cuba": "Havana", "Norway": "Oslo", "Greece": "Athens", "Kenya": "Nairobi", "Austria": "Vienna",
    "Chile": "Santiago", "Ireland": "Dublin", "Poland": "Warsaw", "Portugal": "Lisbon", "Hungary": "Budapest",
}  # fmt: skip
OPPOSITES = {
    "hot": "cold", "up": "down", "early": "late", "open": "closed", "wet": "dry", "near": "far", "full": "empty",
    "loud": "quiet", "new": "old", "rich": "poor", "soft": "hard", "fast": "slow", "light": "dark", "first": "last",
    "left": "right", "true": "false",
}  # fmt: skip

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")


def skills() -> list[tuple[str, str]]:
    """Questions that the base answers, and their answers: 400 additions, 16 capitals, 16 opposites."""
    return [
        *((f"What is {a} plus {b}?", str(a + b)) for a in range(20) for b in range(20)),
        *((f"What is the capital of {country}?", city) for country, city in CAPITALS.items()),
        *((f"What is the opposite of {word}?", other) for word, other in OPPOSITES.items()),
    ]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer (any text can be written with it), trained on the skills and the example data."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    phrases = (Path(__file__).parent / "phrases.yaml").read_text("utf-8").splitlines()
    tokenizer.train_from_iterator([*phrases, *(f"{question} {answer}" for question, answer in skills())], trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        additional_special_tokens=list(SPECIAL[2:]),
        model_max_length=CONTEXT,
    )
    made.chat_template = TEMPLATE
    return made


def chat(question: str, answer: str) -> list[dict[str, str]]:
    """A question and its answer as messages."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _batch(
    tokenizer: PreTrainedTokenizerFast, pairs: Sequence[tuple[str, str]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids, attention mask and labels (shape: pairs x longest); the answer and its end are learned."""
    import torch

    rows = []
    for question, answer in pairs:
        prompt = tokenizer.apply_chat_template(
            chat(question, "")[:1], tokenize=True, add_generation_prompt=True, return_dict=False
        )
        rows.append((prompt, [*tokenizer.encode(answer, add_special_tokens=False), tokenizer.eos_token_id]))
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for at, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[at, :end], mask[at, :end] = torch.tensor(prompt + answer), 1
        labels[at, len(prompt) : end] = torch.tensor(answer)
    return ids, mask, labels


def make(folder: Path, seed: int = 0, on_step: Callable[[int, float], None] = lambda step, loss: None) -> None:
    """Train the base, and write it to a folder: safetensors, config, tokenizer.

    Args:
        on_step: told of each step and its loss.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    model = LlamaForCausalLM(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=STEPS, pct_start=0.1)
    draw, known = random.Random(seed), skills()
    weights = [1 if "plus" in question else 4 for question, _ in known]  # few capitals beside many additions
    ids, mask, labels = _batch(tokenizer, known)
    model.train()
    for step in range(1, STEPS + 1):
        chosen = torch.tensor(draw.choices(range(len(known)), weights, k=BATCH))
        loss = model(input_ids=ids[chosen], attention_mask=mask[chosen], labels=labels[chosen]).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rates.step()
        on_step(step, float(loss.detach()))
    model.eval()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def accuracy(folder: Path, adapter: Path | None = None) -> float:
    """The share of the skills that a model answers exactly, greedily."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    model.eval()
    ids, mask, labels = _batch(tokenizer, skills())
    with torch.no_grad():
        guessed = model(input_ids=ids, attention_mask=mask).logits.argmax(-1)[:, :-1]
    wanted = labels[:, 1:]
    # The answer is exact where every one of its tokens, and its end, is the likeliest after the right ones before it.
    return float(((guessed == wanted) | (wanted == -100)).all(1).float().mean())


def main() -> None:
    """Make the base, and say what it can do."""
    parser = argparse.ArgumentParser(description="Make a tiny language model from scratch.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    def tell(step: int, loss: float) -> None:
        if step % 100 == 0:
            print(f"step {step} of {STEPS}: loss {loss:.3f}", flush=True)

    make(arguments.folder, arguments.seed, tell)
    print(f"{arguments.folder}: answers {accuracy(arguments.folder):.1%} of {len(skills())} questions")


if __name__ == "__main__":
    main()
