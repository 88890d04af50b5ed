"""A base is a folder of files from outside: what is accepted, and what is refused with which words."""

from __future__ import annotations

import contextlib
import json
import random
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.errors import GateError, InputError, UsageError
from gate.training.base_files import base_hashes, check_base, verify_base
from gate.training.model_files import hashed_files, model_digest
from gate.training.weights import read_header


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def edit(path: Path, **keys: object) -> None:
    said = json.loads(path.read_bytes())
    path.write_text(json.dumps({key: value for key, value in {**said, **keys}.items() if value != "gone"}), "utf-8")


def header_of(path: Path) -> tuple[dict[str, dict[str, object]], bytes]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_safetensors(path: Path, header: object, body: bytes) -> None:
    said = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(said)) + said + body)


def shard(base: Path) -> Path:
    """The same weights in two files, with an index."""
    header, body = header_of(base / "model.safetensors")
    header.pop("__metadata__", None)
    names = sorted(header, key=lambda name: header[name]["data_offsets"][0])  # type: ignore[index]
    placed = {}
    for at, part in enumerate((names[:5], names[5:])):
        start = header[part[0]]["data_offsets"][0]  # type: ignore[index]
        stop = header[part[-1]]["data_offsets"][1]  # type: ignore[index]
        moved = {}
        for name in part:
            begin, end = header[name]["data_offsets"]  # type: ignore[misc]
            moved[name] = {**header[name], "data_offsets": [begin - start, end - start]}  # type: ignore[has-type]
            placed[name] = f"model-{at + 1:05}-of-00002.safetensors"
        write_safetensors(base / f"model-{at + 1:05}-of-00002.safetensors", moved, body[start:stop])
    (base / "model.safetensors").unlink()
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placed}), "utf-8")
    return base


def test_a_base_is_known_by_the_digest_of_its_files(base: Path, tiny_base: Path) -> None:
    used = check_base(str(base))
    assert used.files == hashed_files(base)
    assert used.digest == model_digest(used.files) == check_base(str(tiny_base)).digest
    assert (used.path, used.name, used.revision, used.remote_code) == (str(base.resolve()), str(base), None, False)
    (base / "README.md").write_text("# Nothing that is loaded\n", "utf-8")
    assert check_base(str(base)).digest == used.digest
    edit(base / "generation_config.json", temperature=0.7)
    assert check_base(str(base)).digest != used.digest


def test_the_weights_may_lie_in_several_files(base: Path) -> None:
    used = check_base(str(shard(base)))
    assert {"model-00001-of-00002.safetensors", "model.safetensors.index.json"} <= used.files.keys()


def test_links_are_followed_as_the_cache_of_the_hub_has_them(base: Path, tmp_path: Path) -> None:
    linked = tmp_path / "snapshots"
    linked.mkdir()
    for path in base.iterdir():
        (linked / path.name).symlink_to(path)
    assert check_base(str(linked)).files == check_base(str(base)).files


# --- What is refused ---


def _truncate(base: Path) -> None:
    path = base / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def _append(base: Path) -> None:
    with (base / "model.safetensors").open("ab") as file:
        file.write(b"x" * 7)


def _empty(base: Path) -> None:
    (base / "model.safetensors").write_bytes(b"")


def _overlap(base: Path) -> None:
    header, body = header_of(base / "model.safetensors")
    one, other = (f"model.layers.0.{name}_layernorm.weight" for name in ("input", "post_attention"))
    header[one]["data_offsets"] = header[other]["data_offsets"]  # of one size: where `one` lay, something may hide
    write_safetensors(base / "model.safetensors", header, body)


def _strange_type(base: Path) -> None:
    header, body = header_of(base / "model.safetensors")
    header["model.norm.weight"]["dtype"] = "PICKLE"
    write_safetensors(base / "model.safetensors", header, body)


def _wrong_shape(base: Path) -> None:
    header, body = header_of(base / "model.safetensors")
    header["model.norm.weight"]["shape"] = [64]
    write_safetensors(base / "model.safetensors", header, body)


def _lose_a_shard(base: Path) -> None:
    (shard(base) / "model-00002-of-00002.safetensors").unlink()


def _index_outside(base: Path) -> None:
    path = shard(base) / "model.safetensors.index.json"
    said = json.loads(path.read_bytes())
    said["weight_map"]["model.norm.weight"] = "../elsewhere.safetensors"
    path.write_text(json.dumps(said), "utf-8")


def _index_misplaces(base: Path) -> None:
    path = shard(base) / "model.safetensors.index.json"
    said = json.loads(path.read_bytes())
    said["weight_map"]["model.embed_tokens.weight"] = "model-00002-of-00002.safetensors"
    path.write_text(json.dumps(said), "utf-8")


def _pickle(base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")


def _gguf(base: Path) -> None:
    (base / "model.safetensors").rename(base / "model-q4.gguf")


def _other_name(base: Path) -> None:
    (base / "model.safetensors").rename(base / "weights.safetensors")


def _adapter(base: Path) -> None:
    (base / "adapter_config.json").write_text("{}", "utf-8")


def _without(name: str) -> Callable[[Path], None]:
    return lambda base: (base / name).unlink()


def _config(**keys: object) -> Callable[[Path], None]:
    return lambda base: edit(base / "config.json", **keys)


def _text(name: str, content: str) -> Callable[[Path], None]:
    def write(base: Path) -> None:
        (base / name).write_text(content, "utf-8")

    return write


def _add_token(base: Path) -> None:
    said = json.loads((base / "tokenizer.json").read_bytes())
    said["added_tokens"].append({**said["added_tokens"][0], "id": 1024, "content": "<|new|>"})
    (base / "tokenizer.json").write_text(json.dumps(said), "utf-8")


def _new_token_ends(base: Path) -> None:
    _add_token(base)
    edit(base / "tokenizer_config.json", eos_token="<|new|>")


def _new_token_in_template(base: Path) -> None:
    _add_token(base)
    with (base / "chat_template.jinja").open("a", encoding="utf-8") as file:
        file.write("<|new|>")


def _longer_vocabulary(base: Path) -> None:
    said = json.loads((base / "tokenizer.json").read_bytes())
    said["model"]["vocab"]["quite-new"] = 1024
    (base / "tokenizer.json").write_text(json.dumps(said), "utf-8")


def _fewer_tokens(base: Path) -> None:
    said = json.loads((base / "tokenizer.json").read_bytes())
    said["model"]["vocab"] = {word: number for word, number in said["model"]["vocab"].items() if number < 500}
    (base / "tokenizer.json").write_text(json.dumps(said), "utf-8")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(_truncate, "1,000 bytes are missing at its end", id="cut off"),
        pytest.param(_append, "7 bytes too many", id="something behind the weights"),
        pytest.param(_empty, "it is empty", id="empty"),
        pytest.param(_overlap, "do not lie where its header says", id="tensors that overlap"),
        pytest.param(_strange_type, "does not describe `model.norm.weight`", id="unknown type"),
        pytest.param(_wrong_shape, "bytes of `model.norm.weight` do not lie", id="a shape that the bytes do not have"),
        pytest.param(_lose_a_shard, "names `model-00002-of-00002.safetensors`, which is not there", id="lost shard"),
        pytest.param(_index_outside, "no safetensors file beside it", id="an index that leads outside"),
        pytest.param(_index_misplaces, "lies in model-00002-of-00002.safetensors, where it is not", id="wrong index"),
        pytest.param(_pickle, r"pytorch_model\.bin, which can run code.*save_pretrained", id="pickles"),
        pytest.param(_gguf, "GGUF, which is for inference.*converted from", id="GGUF"),
        pytest.param(_other_name, "rename weights.safetensors to model.safetensors", id="another name"),
        pytest.param(_without("model.safetensors"), "it has no weights", id="no weights"),
        pytest.param(_adapter, "adapter, and not a whole model.*--as merged", id="an adapter"),
        pytest.param(_without("config.json"), "it has no config.json", id="no configuration"),
        pytest.param(_text("config.json", "{"), "it is not JSON", id="half a configuration"),
        pytest.param(_text("config.json", "[" * 100_000), "it is not JSON", id="a configuration nested too deeply"),
        pytest.param(_text("config.json", " " * (5 << 20)), "none of its kind has more", id="a huge configuration"),
        pytest.param(_config(model_type="gone"), "does not say its `model_type`", id="no model type"),
        pytest.param(_config(hidden_size="gone"), "does not say `hidden_size`", id="no shape"),
        pytest.param(_config(is_encoder_decoder=True), "an encoder and a decoder", id="encoder-decoder"),
        pytest.param(_config(vocab_size=2048), "no embedding in the weights has as many rows", id="other config"),
        pytest.param(_config(_attn_implementation="someone/kernel"), "names code to fetch", id="a kernel to fetch"),
        pytest.param(_config(transformers_weights="x.safetensors"), "weights file of its own", id="other weights"),
        pytest.param(
            _config(auto_map={"AutoConfig": "other/repo--x.Config"}), "another repository", id="code from elsewhere"
        ),
        pytest.param(_without("tokenizer.json"), "it has no tokenizer", id="no tokenizer"),
        pytest.param(_text("tokenizer.json", "{}"), "it holds no vocabulary", id="an empty tokenizer"),
        pytest.param(_longer_vocabulary, "1,025 tokens, and the embedding only 1,024 rows", id="more tokens than rows"),
        pytest.param(_new_token_ends, r"there is none for '<\|new\|>'.*resize_token", id="no row for the end token"),
        pytest.param(_new_token_in_template, r"there is none for '<\|new\|>'", id="no row for a token of the template"),
        pytest.param(_fewer_tokens, "500 tokens.*another model's", id="another model's tokenizer"),
    ],
)
def test_refused(damage: Callable[[Path], None], says: str, base: Path) -> None:
    damage(base)
    with pytest.raises(InputError, match=re.compile(says, re.DOTALL)) as caught:
        check_base(str(base))
    assert caught.value.where


def test_an_added_token_that_nothing_says_needs_no_row(base: Path) -> None:
    """As in Gemma 3: a token for pictures, in the tokenizer of sizes that see none."""
    _add_token(base)
    check_base(str(base))


def test_a_header_of_noise_is_an_error_for_people(base: Path) -> None:
    path = base / "model.safetensors"
    whole, draw = path.read_bytes(), random.Random(0)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(2500)] = draw.randrange(256)
        path.write_bytes(content)
        with contextlib.suppress(GateError):  # any other exception fails the test
            read_header(path)


@pytest.mark.parametrize("name", ["./no/such", "/no/such", "base-that-is-not-there", "a/b/c", "~/no such"])
def test_what_is_not_there(name: str) -> None:
    with pytest.raises(InputError, match="no such folder"):
        check_base(name)


def test_a_file_is_no_base(base: Path) -> None:
    with pytest.raises(InputError, match="name the folder"):
        check_base(str(base / "model.safetensors"))
    _gguf(base)
    with pytest.raises(InputError, match="GGUF is for inference"):
        check_base(str(base / "model-q4.gguf"))


def test_a_file_that_is_a_folder_or_leads_nowhere(base: Path) -> None:
    (base / "vocab.json").symlink_to(base / "nowhere.json")  # no file, and so none of the base's
    check_base(str(base))
    (base / "model.safetensors").unlink()
    (base / "model.safetensors").mkdir()
    with pytest.raises(InputError, match=r"model\.safetensors"):
        check_base(str(base))


# --- A base's own Python ---


def test_code_runs_only_for_a_base_that_was_allowed_by_name_and_digest(base: Path) -> None:
    name = str(base)
    (base / "modeling_own.py").write_text("class Own: ...\n", "utf-8")
    edit(base / "config.json", auto_map={"AutoModelForCausalLM": "modeling_own.Own"})
    with pytest.raises(InputError, match=r"brings its own Python.*modeling_own\.Own") as caught:
        check_base(name)
    flag = re.search(r"--allow-code (\S+)", str(caught.value))
    assert flag is not None
    used = check_base(name, allow_code=[flag[1]])
    assert used.remote_code
    assert "modeling_own.py" in used.files
    for other in (flag[1].replace(name, "someone/else"), f"{name}@{'0' * 64}"):
        with pytest.raises(InputError, match="brings its own Python"):
            check_base(name, allow_code=[other])
    (base / "modeling_own.py").write_text("class Own: print('changed')\n", "utf-8")
    with pytest.raises(InputError, match="not those that were allowed"):
        check_base(name, allow_code=[flag[1]])


@pytest.mark.parametrize("said", ["name", "name@", "name@abc", "@" + "0" * 64])
def test_an_allowance_without_a_digest_is_none(said: str, base: Path) -> None:
    with pytest.raises(UsageError, match="NAME@DIGEST"):
        check_base(str(base), allow_code=[said])


def test_code_in_the_tokenizer_s_configuration_counts_too(base: Path) -> None:
    edit(base / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Slow", None]})
    with pytest.raises(InputError, match=r"own\.Slow"):
        check_base(str(base))


# --- Later ---


def test_a_base_that_changed_since_is_not_used(base: Path) -> None:
    used = check_base(str(base))
    verify_base(used)
    _append(base)
    verify_base(used, weights=False)
    with pytest.raises(InputError, match=r"model\.safetensors has changed"):
        verify_base(used)


@pytest.mark.parametrize("damage", [_without("tokenizer.json"), _text("special_tokens_map.json", "{}")])
def test_a_file_less_or_more_is_a_change(damage: Callable[[Path], None], base: Path) -> None:
    used = check_base(str(base))
    damage(base)
    with pytest.raises(InputError):
        verify_base(used, weights=False)


def test_nothing_of_it_imports_torch(tiny_base: Path) -> None:
    code = (
        "import sys; from gate.training.base_files import check_base; check_base(sys.argv[1]);"
        "print(sorted({'torch', 'transformers', 'peft', 'huggingface_hub'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code, str(tiny_base)], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_its_files_are_what_loading_reads_and_nothing_else(base: Path) -> None:
    before = base_hashes(base)
    for name in ("training_args.bin", "consolidated.safetensors", ".gitattributes", "picture.png", "own.py"):
        (base / name).write_bytes(b"x")
    assert base_hashes(base) == before
    assert set(base_hashes(base, code=True)) == {*before, "own.py"}
