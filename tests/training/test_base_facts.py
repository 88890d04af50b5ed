"""What is known of a base before it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate.errors import InputError
from gate.training.base_facts import BaseFacts, base_facts

LLAMA_2_7B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008,
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096,
    "vocab_size": 32000, "tie_word_embeddings": False, "torch_dtype": "float16",
}  # fmt: skip
QWEN_HALF = {
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864,
    "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2, "max_position_embeddings": 32768,
    "vocab_size": 151936, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
}  # fmt: skip
GPT_2 = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12,
    "n_positions": 1024, "n_ctx": 1024, "vocab_size": 50257,
}  # fmt: skip
MIXTRAL = {
    "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "num_local_experts": 8,
    "num_experts_per_tok": 2, "vocab_size": 32000, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
FALCON_7B = {
    "architectures": ["FalconForCausalLM"], "model_type": "falcon", "hidden_size": 4544, "num_attention_heads": 71,
    "num_hidden_layers": 32, "multi_query": True, "new_decoder_architecture": False, "vocab_size": 65024,
    "torch_dtype": "bfloat16",
}  # fmt: skip
GEMMA_3_4B = {
    "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "torch_dtype": "bfloat16",
    "text_config": {
        "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208,
    },
}  # fmt: skip


def facts_from(folder: Path, config: object) -> BaseFacts:
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return base_facts(folder)


@pytest.mark.parametrize(
    ("config", "published"),
    [
        pytest.param(LLAMA_2_7B, 6_738_415_616, id="llama-2-7b"),
        pytest.param(QWEN_HALF, 494_032_768, id="qwen2.5-0.5b, shared keys and values, tied"),
        pytest.param(GPT_2, 124_439_808, id="gpt-2, other names for everything"),
        pytest.param(MIXTRAL, 46_702_792_704, id="mixtral, eight experts"),
        pytest.param(FALCON_7B, 6_921_720_704, id="falcon-7b, one head of keys and values"),
        pytest.param(GEMMA_3_4B, 3_880_263_168, id="gemma-3-4b, the language part of several"),
    ],
)
def test_parameters_reckoned_from_the_configuration_are_the_published_ones(
    config: object, published: int, tmp_path: Path
) -> None:
    facts = facts_from(tmp_path, config)
    assert not facts.counted
    assert facts.parameters == pytest.approx(published, rel=0.01)


def test_with_weights_the_parameters_are_counted(tiny_base: Path) -> None:
    facts = base_facts(tiny_base)
    assert facts.counted
    assert facts.bytes == 4 * facts.parameters
    assert (facts.layers, facts.hidden, facts.heads, facts.head_dim, facts.intermediate) == (3, 128, 4, 32, 384)
    assert (facts.vocabulary, facts.context, facts.dtype, facts.tied) == (1024, 1024, "float32", True)
    reckoned = facts_from_config_alone(tiny_base)
    assert reckoned.parameters == facts.parameters


def facts_from_config_alone(base: Path) -> BaseFacts:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return facts_from(Path(folder), json.loads((base / "config.json").read_bytes()))


def test_the_licence_is_what_the_card_says(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: Apache-2.0\n---\n# A model\n", "utf-8")
    assert facts_from(tmp_path, LLAMA_2_7B).licence == "apache-2.0"


@pytest.mark.parametrize("config", [{}, [], {**LLAMA_2_7B, "hidden_size": "4096"}, {**LLAMA_2_7B, "vocab_size": True}])
def test_a_configuration_that_does_not_say_its_shape_is_refused(config: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json"):
        facts_from(tmp_path, config)
