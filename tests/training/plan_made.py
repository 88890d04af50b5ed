"""What plans are made of: a base without weights, and a small store."""

from __future__ import annotations

import json
from pathlib import Path

from gate.verbs.admit import admit
from tests.snapshots.made import POLICY, People, approve, write_rows
from tests.training.made import additions


def seven_billion(folder: Path, licence: str = "apache-2.0") -> Path:
    """A 7B model's small files: no weights, and a tokenizer that knows words by their spaces."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 32000, "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text(f"---\nlicense: {json.dumps(licence)}\n---\n")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.role }} {{ m.content }} end {% endfor %}")
    tokenizer = Tokenizer(models.WordLevel({"?": 0, "user": 1, "end": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def small_store(folder: Path, people: People) -> Path:
    """A store with `sums` (200 to train on, 100 to validate), which is approved, and `waiting`, which is not."""
    (folder / "policy.yaml").write_text(POLICY)
    rows = additions(0, 40)
    for name, start in (("sums", 0), ("waiting", 300)):
        write_rows(folder / name / "train.jsonl", rows[start : start + 200])
        write_rows(folder / name / "validation.jsonl", rows[start + 200 : start + 300])
        made = admit(
            [folder / name], name=name, signer=people.ana, trust=people.trust, policy=folder / "policy.yaml",
            report=False, store=folder / ".gate",
        )  # fmt: skip
        if name == "sums":
            approve(made, people)
    return folder / ".gate"
