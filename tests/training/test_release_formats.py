"""GGUF and ONNX: what other programs read of a candidate is the candidate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate.errors import MissingDependency
from gate.training import release, release_gguf, release_gguf_vocabulary, release_worker
from gate.training.release import (
    COARSENESS,
    COMBINATIONS,
    QUANTISATIONS,
    Compared,
    Ingredient,
    Job,
    Made,
    Unmergeable,
    merge_tolerance,
    tolerance,
)
from gate.training.release_prompts import PROMPTS

SAID = {
    "kind": "causal", "objective": "sft", "method": "full", "base": {"name": "tiny", "digest": "0" * 64},
    "snapshots": [], "recipe": "0" * 64, "precision": "fp32",
}  # fmt: skip

Try = Callable[..., tuple[Path, Compared, Made]]


def whole(folder: Path, family: str, **more: object) -> Path:
    """An untrained model of two layers, of an architecture, with grouped keys and an output of its own."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family, vocab_size=1056, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=False, bos_token_id=None,
        eos_token_id=1, pad_token_id=0, **more,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name or "bias" in name:
                weight.add_(torch.randn_like(weight) * 0.3)  # ones and zeros would hide that one is left out
            else:
                weight.mul_(8)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def form(tiny_base: Path, tmp_path: Path) -> Try:
    """Make a form of a whole model (the tiny base, where none is named), and compare."""

    def make(kind: str, quantise: str | None = None, model: Path | None = None, tokenizer: Path | None = None) -> Any:
        folder = tmp_path / f"candidate-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for source in (tiny_base if tokenizer is None else tokenizer, model or tiny_base):
            for path in source.iterdir():
                (folder / path.name).unlink(missing_ok=True)
                (folder / path.name).symlink_to(path)
        (folder / "gate.json").write_text(json.dumps(SAID))
        work = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
        work.mkdir()
        job = Job(
            form=kind,  # type: ignore[arg-type]
            quantise=quantise,
            kind="causal",
            ingredients=[Ingredient(name="candidate", folder=str(folder), method="full")],
            base=str(tiny_base),
            prompts=list(PROMPTS[:6]),
            work=str(work),
        )
        release_worker.make(job)
        release_worker.check(job)
        compared = Compared.model_validate_json((work / "compared.json").read_bytes())
        return work / "form", compared, Made.model_validate_json((work / "made.json").read_bytes())

    return make


# GGUF


@pytest.mark.parametrize(
    ("quantise", "most"),
    [("f32", 1e-3), ("f16", 0.05), ("bf16", 1.4), ("q8_0", 1.4), ("q5_1", 2.8), ("q4_0", 9.0)],
)
def test_a_gguf_is_the_candidate_as_far_as_its_bits_go(quantise: str, most: float, form: Try) -> None:
    pytest.importorskip("gguf")
    folder, compared, _ = form("gguf", quantise)
    assert [path.name for path in folder.iterdir()] == ["model.gguf"]
    assert compared.difference <= min(most, compared.tolerance)
    if quantise != "f32":
        assert compared.difference > 0  # something was quantised


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("llama", {}),
        ("mistral", {"sliding_window": None}),
        ("qwen2", {}),
        ("qwen3", {"head_dim": 32}),
    ],
)
def test_a_gguf_of_every_family_has_all_its_tensors(
    family: str, more: dict[str, object], form: Try, tmp_path: Path
) -> None:
    pytest.importorskip("gguf")
    _, compared, made = form("gguf", "f32", whole(tmp_path / family, family, **more))
    assert made.largest > 1
    assert compared.difference < 1e-3


def test_what_a_gguf_cannot_say_is_noticed(form: Try, tmp_path: Path) -> None:
    """A bias of llama's attention is lost on the way: the comparison says so."""
    pytest.importorskip("gguf")
    _, compared, _ = form("gguf", "f32", whole(tmp_path / "biased", "llama", attention_bias=True))
    assert compared.difference > compared.tolerance


@pytest.mark.parametrize("quantise", ["f32", "q8_0", "q4_0"])
def test_heads_in_another_order_are_noticed(quantise: str, form: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gguf")
    monkeypatch.setattr(release_gguf, "_neighbours", lambda weights, heads: weights)
    _, compared, _ = form("gguf", quantise)
    assert compared.difference > compared.tolerance


def test_the_vocabulary_of_a_gguf_cuts_text_as_the_tokenizer_does(form: Try, tiny_base: Path) -> None:
    pytest.importorskip("gguf")
    from transformers import AutoTokenizer

    folder, _, made = form("gguf")
    assert made.notes == []
    own = AutoTokenizer.from_pretrained(tiny_base)
    read = AutoTokenizer.from_pretrained(folder, gguf_file="model.gguf")
    for text in ("What is the capital of Norway?", "<|user|>wet and dry<|end|>\n<|assistant|>", "naïve 🫖"):
        assert read(text)["input_ids"] == own(text)["input_ids"]
    assert read.chat_template == own.chat_template
    assert read.eos_token_id == own.eos_token_id


def _described(tokenizer: Path) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((tokenizer / "tokenizer.json").read_bytes())
    return described


def test_the_way_text_is_cut_is_named_as_llama_cpp_names_it(tiny_base: Path) -> None:
    own = _described(tiny_base)
    assert release_gguf_vocabulary._pre(own) == "smollm"
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    assert release_gguf_vocabulary._pre({"pre_tokenizer": level}) == "gpt-2"
    from transformers.integrations.gguf import gguf_tokenizer_mapping

    pattern = gguf_tokenizer_mapping.GGUF_PRE_TOKENIZER_SPLITS["llama-bpe"]
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    steps = {"type": "Sequence", "pretokenizers": [split, level | {"use_regex": False}]}
    assert release_gguf_vocabulary._pre({"pre_tokenizer": steps}) == "llama-bpe"
    split["pattern"] = {"Regex": r"\d+"}
    assert release_gguf_vocabulary._pre({"pre_tokenizer": steps}) is None


def test_a_way_of_cutting_that_has_no_name_is_noted(form: Try, tiny_base: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    odd = tmp_path / "odd"
    odd.mkdir()
    described = _described(tiny_base)
    described["pre_tokenizer"]["pretokenizers"].insert(0, {"type": "WhitespaceSplit"})
    (odd / "tokenizer.json").write_text(json.dumps(described))
    (odd / "tokenizer_config.json").write_bytes((tiny_base / "tokenizer_config.json").read_bytes())
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        (model / name).symlink_to(tiny_base / name)
    _, _, made = form("gguf", None, model, odd)
    assert any("llama.cpp has no name" in note for note in made.notes)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model_type": "gpt2"}, "this is gpt2"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, "positions are scaled"),
        ({"hidden_act": "gelu"}, "activation is gelu"),
        ({"model_type": "mistral", "sliding_window": 4096}, "sliding window"),
        ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": True}, "sliding window"),
    ],
)
def test_what_would_be_written_wrongly_is_refused(change: dict[str, object], why: str) -> None:
    from types import SimpleNamespace

    plain = {"model_type": "llama", "hidden_act": "silu", "rope_parameters": {"rope_theta": 1e4}}
    with pytest.raises(Unmergeable, match=why) as told:
        release_gguf._family(SimpleNamespace(**(plain | change)))  # type: ignore[arg-type]
    assert "convert_hf_to_gguf" in str(told.value)


def test_scores_rank_tokens_by_their_merge() -> None:
    scores = release_gguf_vocabulary._scores(["<unk>", "a", "b", "ab", "abb"], ["a b", "ab b"])
    assert scores == [-2, -2, -2, 0, -1]


# ONNX


@pytest.fixture
def onnx() -> None:
    for each in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(each)


def test_an_onnx_graph_is_the_candidate(form: Try, onnx: None) -> None:
    """In any number of rows of any length, padding included."""
    folder, compared, _ = form("onnx")
    assert compared.difference < 1e-3
    import numpy
    import onnxruntime
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    given = tokenizer(["What is 3 plus 4?", "wet", "The capital of Peru"], padding=True, return_tensors="np")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    named = {each: given[each].astype(numpy.int64) for each in ("input_ids", "attention_mask")}
    (found,) = session.run(["logits"], named)
    with torch.inference_mode():
        model = AutoModelForCausalLM.from_pretrained(Path(folder).parents[1] / "candidate-0")
        wanted = model(**{each: torch.from_numpy(value) for each, value in named.items()}).logits.numpy()
    real = named["attention_mask"] == 1
    assert numpy.abs(found - wanted)[real].max() < 1e-3


@pytest.mark.slow
def test_an_onnx_graph_in_8_bits_is_smaller_and_near(form: Try, onnx: None) -> None:
    exact, _, _ = form("onnx")
    folder, compared, _ = form("onnx", "int8")
    assert 0 < compared.difference <= compared.tolerance
    assert (folder / "model.onnx").stat().st_size < 0.6 * (exact / "model.onnx").stat().st_size


# Packages that are not there


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "find_spec", lambda name: None if name in ("gguf", "onnxscript") else object())
    release.check_packages("merged")
    with pytest.raises(MissingDependency, match="gguf is not installed") as told:
        release.check_packages("gguf")
    assert "pip install gguf" in str(told.value)
    with pytest.raises(MissingDependency, match="onnxscript is not installed") as told:
        release.check_packages("onnx")
    assert "pip install onnxscript" in str(told.value)


# Tolerances


def _job(**keys: object) -> Job:
    plain = {"form": "merged", "kind": "causal", "ingredients": [Ingredient(name="a", folder="/a", method="lora")],
             "base": "/b", "prompts": ["x"], "work": "/w"}  # fmt: skip
    return Job.model_validate(plain | keys)


def test_the_tolerance_is_that_of_the_coarsest_step() -> None:
    made = Made(largest=10.0, dtype="float32")
    assert tolerance(_job(form="adapter"), made) == pytest.approx(1e-5)
    assert tolerance(_job(), made) == pytest.approx(1e-3)
    assert tolerance(_job(), Made(largest=10.0, dtype="bfloat16")) == pytest.approx(1.0)
    assert tolerance(_job(quantise="bf16"), made) == pytest.approx(1.0)
    assert tolerance(_job(form="gguf"), made) == pytest.approx(0.1)
    assert tolerance(_job(form="gguf", quantise="q8_0"), Made(largest=10.0, dtype="bfloat16")) == pytest.approx(1.0)
    assert tolerance(_job(tolerance=0.25), made) == 0.25
    quantised = Made(largest=10.0, dtype="float32", full_precision=1.0)
    assert tolerance(_job(quantisation="nf4-double"), quantised) == pytest.approx(4.0)
    assert merge_tolerance(_job(quantisation="nf4-double"), quantised) == pytest.approx(1e-3)


def test_the_page_tells_every_form_quantisation_and_tolerance() -> None:
    page = (Path(__file__).parents[2] / "docs" / "release.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    for form, known in QUANTISATIONS.items():
        (row,) = [line for line in rows if line.startswith(f"| `{form}` |")]
        assert all(f"`{each}`" in row for each in known)
    names = {"same": "the same files", "fp32": "merged, `f32`, ONNX", "f32": "merged, `f32`, ONNX",
             "int8": "ONNX `int8`", "base int8": "8-bit base", "base nf4": "4-bit base"}  # fmt: skip
    for step, share in COARSENESS.items():
        name = names.get(step, f"`{step}`")
        (row,) = [line for line in rows if name in line.split("|")[1] and "%" in line.split("|")[2]]
        assert f"| {share * 100:.4f}".rstrip("0").rstrip(".") + " % |" in row, step
    for combination in COMBINATIONS:
        assert f"`{combination}`" in page or f"--combine {combination}`" in page
