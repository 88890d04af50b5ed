"""`engine: transformers` with a real model: a tiny BERT that learns here to tell two people's names."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `ner` is not installed")
transformers = pytest.importorskip("transformers", reason="the extra `ner` is not installed")

TEXT = "[PAD] [UNK] [CLS] [SEP] ada lovelace grace hopper wrote to me and the in on a b c d e f"
WORDS = TEXT.split()
NAMES = {WORDS.index(name) for name in ("ada", "lovelace", "grace", "hopper")}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    folder = tmp_path_factory.mktemp("ner")
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names)
    torch.manual_seed(0)
    configuration = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        id2label={0: "O", 1: "PER"},
        label2id={"O": 0, "PER": 1},
    )
    network = transformers.BertForTokenClassification(configuration)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(120):
        tokens = torch.randint(1, len(WORDS), (16, 12))
        labels = torch.isin(tokens, torch.tensor(sorted(NAMES))).long()
        loss = network(input_ids=tokens, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
    network.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def test_it_finds_the_names_that_the_model_knows(gate, model: Path, tmp_path, write_jsonl) -> None:
    write_jsonl(tmp_path / "d.jsonl", [{"text": "to me Ada Lovelace wrote"}, {"text": "the a b c d in the e f"}])
    (tmp_path / "p.yaml").write_text(
        'version: 1\nname: p\nextends: "@kind"\nrules:\n  - id: pii\n'
        f"    with: {{engine: transformers, model: {model}, entities: {{PERSON: 0.5}}}}\n"
    )
    done = gate("check", "d.jsonl", "--policy", "p.yaml", "--select", "pii", "-o", "parquet=f.parquet")
    assert done.returncode == 1, done.stderr
    assert "Loading weights" not in done.stderr
    assert "Warning" not in done.stderr
    import polars as pl

    findings = pl.read_parquet(tmp_path / "f.parquet").filter(pl.col("code") == "PERSON")
    assert findings.select("row", "start", "end").rows() == [(1, 6, 18)]
