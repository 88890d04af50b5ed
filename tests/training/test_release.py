"""`gate export`: every form is the candidate, or it is not released."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate.errors import GateError, InputError, UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Release, Revocation
from gate.snapshots.open import NotApproved
from gate.store.files import StoreError
from gate.store.objects import Damaged
from gate.training import release_worker
from gate.training.model_files import hashed_files, model_digest
from gate.training.release import Job, NotTheSame, Unmergeable
from gate.training.release_sources import BaseChanged, Unrecorded
from gate.verbs import release as verb
from gate.verbs.release import Released, weighted
from tests.training.made import Approved, additions
from tests.training.release_made import Candidate, candidate, record

Export = Callable[..., Released]


@pytest.fixture(scope="module")
def made(tiny_base: Path, approved: Approved) -> Callable[..., Candidate]:
    """Candidates of the module's store, each made once."""
    there: dict[str, Candidate] = {}

    def make(name: str, **keys: object) -> Candidate:
        if name not in there:
            there[name] = candidate(name, tiny_base, approved, **keys)
        return there[name]

    return make


@pytest.fixture
def export(approved: Approved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """`gate.export` into a temporary folder; its two steps run in this process, one after the other."""

    def here(job: Job, step: str) -> None:
        {"make": release_worker.make, "compare": release_worker.check}[step](job)

    monkeypatch.setattr(verb, "run_step", here)
    monkeypatch.setattr(verb, "PROMPTS", verb.PROMPTS[:4])  # enough to tell; they are what takes time

    def run(what: str, form: str, **keys: Any) -> Released:
        own = {"store": approved.store, "trust": approved.people.trust, "signer": approved.people.ana}
        return verb.export(what, form, **({"out": tmp_path / "out"} | own | keys))  # type: ignore[arg-type]

    return run


def nothing_left(folder: Path) -> bool:
    return not any(folder.iterdir())


METHODS: dict[str, dict[str, object]] = {
    "lora": {"method": "lora"},
    "rslora": {"method": "rslora", "rank": 4},
    "dora": {"method": "dora"},
    "ia3": {"method": "ia3"},
    "full": {"method": "full", "push": 0.002},
}


@pytest.mark.parametrize("method", METHODS)
def test_what_can_be_merged_is_the_candidate_once_merged(
    method: str, made: Callable[..., Candidate], export: Export
) -> None:
    own = made(method, **METHODS[method])
    released = export(own.name, "merged")
    assert released.compared.difference < 1e-3
    assert released.compared.agreement == 1
    assert released.compared.positions > 40
    assert not (released.folder / "adapter_config.json").exists()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert AutoModelForCausalLM.from_pretrained(released.folder).config.model_type == "llama"
    assert AutoTokenizer.from_pretrained(released.folder).chat_template


@pytest.mark.parametrize("method", ["lora", "ia3", "prefix", "ptuning", "qlora"])
def test_an_adapter_is_released_as_its_files_are(method: str, made: Callable[..., Candidate], export: Export) -> None:
    own = made(method, method=method)
    released = export(own.name, "adapter")
    assert released.compared.difference == 0
    effect = released.made.effect
    assert effect is None if method == "ptuning" else effect is not None and 0.01 < effect < 100
    before, after = hashed_files(own.folder), hashed_files(released.folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"README.md", "release.json"}


def test_the_statement_binds_every_file_and_the_training(
    made: Callable[..., Candidate], export: Export, approved: Approved
) -> None:
    own = made("lora", method="lora")
    released = export(own.name, "merged")
    statement = Ledger(approved.store).statement(released.statement.digest)
    assert isinstance(statement.about, Release)
    approved.people.trust.vouched(statement)
    assert {name: each.sha256 for name, each in statement.about.outputs.items()} == hashed_files(released.folder)
    assert statement.about.model == model_digest(hashed_files(released.folder))
    assert statement.parents == (own.statement.digest,)
    assert statement.about.weights == [1.0]
    assert 0 <= statement.about.difference <= statement.about.tolerance


def test_the_same_candidate_has_the_same_digest_wherever_it_is_exported(
    made: Callable[..., Candidate], export: Export, tmp_path: Path
) -> None:
    made("lora", method="lora")
    made("rslora", method="rslora", rank=4)
    for form in ("adapter", "merged"):
        more = {"others": ["rslora=0.5"]}
        first = export("lora", form, out=tmp_path / f"a-{form}", **more)
        again = export("lora", form, out=tmp_path / "deep" / f"b-{form}", **more)
        assert first.release.model == again.release.model
    for path in (tmp_path / "a-merged").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path.name


def test_the_card_names_base_licence_snapshot_and_digests(
    made: Callable[..., Candidate], export: Export, approved: Approved
) -> None:
    own = made("lora", method="lora")
    released = export(own.name, "merged", quantise="bf16")
    readme = (released.folder / "README.md").read_text("utf-8")
    for part in (own.run.base.digest, approved.id, own.statement.digest, "licence of the base", "bf16", "Load it"):
        assert part in readme
    said = json.loads((released.folder / "release.json").read_bytes())
    assert said["schema"] == "gate.release/1"
    assert said["candidates"][0]["statement"] == own.statement.digest
    assert said["quantisation"] == "bf16"


@pytest.mark.parametrize("method", ["prefix", "ptuning"])
@pytest.mark.parametrize("form", ["merged", "gguf", "onnx"])
def test_what_stands_before_the_prompt_cannot_be_merged_and_says_why(
    method: str, form: str, made: Callable[..., Candidate], export: Export, tmp_path: Path
) -> None:
    made(method, method=method)
    with pytest.raises(Unmergeable, match="stand before the prompt") as told:
        export(method, form)
    assert "export it as adapter" in str(told.value)
    assert nothing_left(tmp_path)


def test_a_candidate_of_16_bits_is_compared_as_such(
    made: Callable[..., Candidate], export: Export, tmp_path: Path
) -> None:
    """As one is that was trained on a GPU."""
    made("half", method="lora", precision="bf16")
    assert export("half", "adapter", out=tmp_path / "adapter").compared.difference == 0
    merged = export("half", "merged", out=tmp_path / "merged")
    assert 0 < merged.compared.difference <= merged.compared.tolerance
    assert merged.made.dtype == "bfloat16"
    assert json.loads((merged.folder / "config.json").read_bytes())["dtype"] == "bfloat16"


def test_full_training_has_no_adapter(made: Callable[..., Candidate], export: Export) -> None:
    made("full", **METHODS["full"])
    with pytest.raises(Unmergeable, match="no adapter"):
        export("full", "adapter")


def test_a_quantised_base_is_never_merged_into(made: Callable[..., Candidate], export: Export) -> None:
    """It is merged into the base in full precision: closely that, and as far from the 4-bit candidate as is said."""
    made("qlora", method="qlora")
    released = export("qlora", "merged")
    assert released.compared.merge is not None
    assert released.compared.merge < 1e-3
    assert released.made.full_precision is not None
    assert released.made.full_precision > 0.1
    assert abs(released.compared.difference - released.made.full_precision) < 1e-2
    assert any("evaluate this form" in note for note in released.notes)
    config = json.loads((released.folder / "config.json").read_bytes())
    assert "quantization_config" not in config


def test_a_wrong_merge_of_a_quantised_candidate_is_noticed(
    made: Callable[..., Candidate], export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What 4 bits move the logits by hides no mistake in the merge."""
    from gate.training import release_forms
    from gate.training.methods import merged

    def slightly_wrong(model: Any) -> Any:
        whole = merged(model)
        whole.model.layers[0].self_attn.q_proj.weight.data *= 1.02
        return whole

    made("qlora", method="qlora")
    monkeypatch.setattr(release_forms.methods, "merged", slightly_wrong)
    with pytest.raises(NotTheSame, match="on its base in full precision"):
        export("qlora", "merged")
    assert nothing_left(tmp_path)


def test_an_adapter_that_was_left_out_is_noticed_whatever_the_tolerance(
    made: Callable[..., Candidate], export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gentle one moves logits by less than rounding to bf16 may."""
    from gate.training import release_forms

    made("gentle", method="lora", push=0.001)
    released = export("gentle", "merged", quantise="bf16", out=tmp_path / "right")
    assert released.made.effect is not None
    assert 0 < released.made.effect < released.compared.tolerance
    assert released.compared.from_base is not None
    monkeypatch.setattr(release_forms.methods, "merged", lambda model: model.unload())
    with pytest.raises(NotTheSame, match="nearer to the untouched base"):
        export("gentle", "merged", quantise="bf16", out=tmp_path / "wrong")
    assert [path.name for path in tmp_path.iterdir()] == ["right"]


@pytest.mark.parametrize("kind", ["classifier", "reward"])
def test_a_head_goes_with_the_model(kind: str, made: Callable[..., Candidate], export: Export) -> None:
    objective = {"classifier": "classify", "reward": "reward"}[kind]
    more = {"label": "topic"} if kind == "classifier" else {}
    made(kind, kind=kind, objective=objective, method="lora", **more)
    released = export(kind, "merged")
    assert released.compared.positions == released.compared.prompts
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(released.folder)
    names = ["billing", "delivery", "other"] if kind == "classifier" else ["reward"]
    assert [model.config.id2label[at] for at in range(model.config.num_labels)] == names
    with pytest.raises(Unmergeable, match="continue text"):
        export(kind, "gguf", out=released.folder.with_name("gguf"))


# Several LoRAs of one base


def test_loras_of_different_ranks_add_up_by_their_weights(
    made: Callable[..., Candidate], export: Export, tmp_path: Path
) -> None:
    made("lora", method="lora")
    made("rslora", method="rslora", rank=4)
    released = export("lora=0.7", "adapter", others=["rslora=-0.5"])
    # What it is compared with has both adapters at work, each scaled: not what peft's merge makes.
    assert released.compared.difference < 1e-3
    assert released.release.weights == [0.7, -0.5]
    assert len(released.statement.parents) == 2
    config = json.loads((released.folder / "adapter_config.json").read_bytes())
    assert (config["r"], config["use_rslora"]) == (12, False)
    assert config["target_modules"] == sorted(config["target_modules"])
    merged = export("lora=0.7", "merged", others=["rslora=-0.5"], out=tmp_path / "merged")
    assert merged.compared.difference < 1e-3


def test_one_lora_is_scaled_by_its_weight(made: Callable[..., Candidate], export: Export, tmp_path: Path) -> None:
    made("rslora", method="rslora", rank=4)
    assert export("rslora=0.5", "merged").compared.difference < 1e-3
    assert export("rslora=0.5", "adapter", out=tmp_path / "adapter").release.weights == [0.5]


@pytest.mark.parametrize("combine", ["svd", "linear", "ties"])
def test_other_combinations_say_how_far_from_the_sum_they_are(
    combine: str, made: Callable[..., Candidate], export: Export
) -> None:
    made("lora", method="lora")
    made("tone", method="lora", seed=7)
    released = export("lora", "merged", others=["tone=0.5"], combine=combine)
    assert released.compared.difference < 1e-3
    assert any("not the weighted sum itself" in note for note in released.notes)


def test_ranks_that_do_not_fit_together_are_told(
    made: Callable[..., Candidate], export: Export, tmp_path: Path
) -> None:
    made("lora", method="lora")
    made("rslora", method="rslora", rank=4)
    with pytest.raises(Unmergeable, match="--combine cat"):
        export("lora", "merged", others=["rslora"], combine="linear")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("other", ["dora", "ia3", "full"])
def test_only_loras_are_merged_with_weights(other: str, made: Callable[..., Candidate], export: Export) -> None:
    made("lora", method="lora")
    made(other, **METHODS[other])
    with pytest.raises(Unmergeable, match=f"trained by {other}"):
        export("lora", "merged", others=[f"{other}=0.5"])


def test_loras_of_different_bases_are_refused(
    made: Callable[..., Candidate], export: Export, tiny_base: Path, approved: Approved, tmp_path: Path
) -> None:
    made("lora", method="lora")
    other = tmp_path / "other-base"
    shutil.copytree(tiny_base, other)
    config = json.loads((other / "config.json").read_bytes())
    (other / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-5}))
    candidate("elsewhere", other, approved, method="lora")
    with pytest.raises(UsageError, match="different bases"):
        export("lora", "merged", others=["elsewhere=0.5"])


def test_the_same_candidate_twice_is_a_mistake(made: Callable[..., Candidate], export: Export) -> None:
    made("lora", method="lora")
    with pytest.raises(UsageError, match="named twice"):
        export("lora", "merged", others=["lora=0.5"])


@pytest.mark.parametrize("text", ["lora=zero", "lora=0", "lora=nan", "lora=inf", "=0.5"])
def test_a_weight_is_a_number(text: str) -> None:
    with pytest.raises(UsageError, match="is no weight"):
        weighted(text)


def test_a_folder_may_have_an_equals_sign_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "lr=0.1").mkdir()
    assert weighted(tmp_path / "lr=0.1") == (str(tmp_path / "lr=0.1"), 1.0)


# How a candidate is found, and what it must be


def test_a_candidate_is_found_by_name_folder_and_digest(
    made: Callable[..., Candidate], export: Export, tmp_path: Path
) -> None:
    own = made("lora", method="lora")
    assert isinstance(own.statement.about.subjects(), dict)
    digest = model_digest(hashed_files(own.folder))
    names = [own.name, str(own.folder), str(own.run.place), digest[:12], f"sha256:{digest}"]
    models = {export(name, "adapter", out=tmp_path / str(at)).release.model for at, name in enumerate(names)}
    assert len(models) == 1


def test_a_copied_candidate_takes_its_base_along(
    made: Callable[..., Candidate], export: Export, tiny_base: Path, tmp_path: Path
) -> None:
    own = made("lora", method="lora")
    shutil.copytree(own.folder, tmp_path / "copy")
    shutil.copytree(tiny_base, tmp_path / "base")
    released = export(str(tmp_path / "copy"), "merged", base=tmp_path / "base")
    assert released.sources[0].name == "lora"


@pytest.mark.parametrize("what", ["lara", "0123456789abcdef", "./nowhere", "../lora"])
def test_a_candidate_that_is_not_there_is_told(what: str, made: Callable[..., Candidate], export: Export) -> None:
    made("lora", method="lora")
    with pytest.raises(UsageError, match="there is no candidate") as told:
        export(what, "adapter")
    assert "lora" in str(told.value)


def test_files_that_nobody_trained_are_not_released(export: Export, tiny_base: Path) -> None:
    with pytest.raises(Unrecorded, match="no training statement") as told:
        export(str(tiny_base), "merged")
    assert told.value.exit_code == 1


@pytest.mark.parametrize("how", ["changed", "missing", "more"])
def test_a_candidate_that_was_tampered_with_is_named(
    how: str, tiny_base: Path, seal: Callable[..., Approved], export: Export, tmp_path: Path
) -> None:
    rows = additions(20, 40)
    approved = seal(rows[:120], rows[120:140])
    own = candidate("touched", tiny_base, approved, method="lora")
    weights = own.folder / "adapter_model.safetensors"
    if how == "changed":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif how == "missing":
        (own.folder / "tokenizer.json").unlink()
    else:
        (own.folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(Damaged, match="not what was trained") as told:
        export("touched", "merged", store=approved.store)
    assert {"changed": "adapter_model.safetensors", "missing": "tokenizer.json", "more": "pytorch_model.bin"}[how] in (
        str(told.value)
    )
    assert told.value.exit_code == 1
    assert nothing_left(tmp_path)


def test_a_base_that_changed_or_is_gone_is_told(
    tiny_base: Path, seal: Callable[..., Approved], export: Export, tmp_path: Path
) -> None:
    rows = additions(20, 40)
    approved = seal(rows[:120], rows[120:140])
    place = tmp_path / "bases" / "base"
    shutil.copytree(tiny_base, place)
    candidate("moved", place, approved, method="lora")
    out = tmp_path / "bases" / "out"
    (place / "config.json").write_text((place / "config.json").read_text() + "\n")
    with pytest.raises(BaseChanged, match=r"config\.json is not what moved was trained from") as told:
        export("moved", "merged", store=approved.store, out=out)
    assert told.value.exit_code == 1
    shutil.rmtree(place)
    with pytest.raises(InputError, match="is not there") as gone:
        export("moved", "merged", store=approved.store, out=out)
    assert "--base" in str(gone.value)
    assert export("moved", "merged", store=approved.store, out=out, base=tiny_base).folder == out


def test_what_lies_beside_the_verified_files_is_not_loaded(
    tiny_base: Path, seal: Callable[..., Approved], export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    rows = additions(20, 40)
    approved = seal(rows[:120], rows[120:140])
    place = tmp_path / "base"
    shutil.copytree(tiny_base, place)
    candidate("alone", place, approved, method="lora")
    (place / "notes.md~").write_text("nothing that loads a model reads this, and so it is no part of the base")
    step = verb.run_step

    def look(job: Job, name: str) -> None:
        seen.append({path.name for path in Path(job.base).iterdir()})
        step(job, name)  # type: ignore[arg-type]

    monkeypatch.setattr(verb, "run_step", look)
    export("alone", "adapter", store=approved.store)
    assert seen[0] < {path.name for path in place.iterdir()}
    assert "model.safetensors" in seen[0]
    assert "notes.md~" not in seen[0]


def test_nothing_is_released_of_a_revoked_snapshot_or_model(
    tiny_base: Path, seal: Callable[..., Approved], export: Export
) -> None:
    rows = additions(20, 40)
    approved = seal(rows[:120], rows[120:140])
    own = candidate("late", tiny_base, approved, method="lora")
    ledger = Ledger(approved.store)
    ledger.say(Revocation(snapshot=model_digest(hashed_files(own.folder)), why="it leaks"), approved.people.ben)
    with pytest.raises(NotApproved, match="the model was revoked by ben: it leaks"):
        export("late", "adapter", store=approved.store)
    ledger.say(Revocation(snapshot=approved.id, why="wrong licence"), approved.people.ben)
    with pytest.raises(NotApproved, match="wrong licence"):
        export("late", "adapter", store=approved.store)


def test_who_is_not_trusted_neither_trains_nor_releases(
    made: Callable[..., Candidate], export: Export, tiny_base: Path, seal: Callable[..., Approved]
) -> None:
    own = made("lora", method="lora")
    with pytest.raises(GateError, match="does not trust the key") as told:
        export("lora", "adapter", signer=own.approved.people.eve)
    assert told.value.exit_code == 1
    rows = additions(20, 40)
    approved = seal(rows[:120], rows[120:140])
    theirs = candidate("theirs", tiny_base, approved, method="lora")
    stranger = type(approved)(
        approved.name, approved.id, approved.store,
        type(approved.people)(**{**_fields(approved.people), "ana": approved.people.eve}),
    )  # fmt: skip
    approved.store.statement_path(theirs.statement.digest).unlink()
    record(theirs.run, stranger)
    with pytest.raises(GateError, match="does not trust"):
        export("theirs", "adapter", store=approved.store)


def _fields(people: Any) -> dict[str, Any]:
    return {name: getattr(people, name) for name in type(people).__dataclass_fields__}


# What is in the way


def test_an_existing_place_is_left_as_it_is(made: Callable[..., Candidate], export: Export, tmp_path: Path) -> None:
    made("lora", method="lora")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="something there already"):
        export("lora", "merged")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]


@pytest.mark.parametrize(
    ("form", "quantise"), [("adapter", "bf16"), ("merged", "q8_0"), ("onnx", "f16"), ("gguf", "nf4")]
)
def test_a_quantisation_that_the_form_does_not_know(
    form: str, quantise: str, made: Callable[..., Candidate], export: Export
) -> None:
    made("lora", method="lora")
    with pytest.raises(UsageError, match=f"{form} cannot be quantised as '{quantise}'"):
        export("lora", form, quantise=quantise)


def test_unknown_words_are_told(made: Callable[..., Candidate], export: Export) -> None:
    made("lora", method="lora")
    with pytest.raises(UsageError, match=r"there is no form 'zip'"):
        export("lora", "zip")
    with pytest.raises(UsageError, match="combined by 'mean'"):
        export("lora", "merged", combine="mean")
    with pytest.raises(UsageError, match="no positive number"):
        export("lora", "merged", tolerance=float("nan"))


def test_further_from_the_candidate_than_the_tolerance_is_not_released(
    made: Callable[..., Candidate], export: Export, tmp_path: Path, approved: Approved
) -> None:
    made("lora", method="lora")
    before = approved.store.statements()
    with pytest.raises(NotTheSame, match="is not the candidate") as told:
        export("lora", "merged", quantise="bf16", tolerance=1e-4)
    assert told.value.exit_code == 1
    assert nothing_left(tmp_path)
    assert approved.store.statements() == before


def test_a_form_with_nan_is_not_released(
    made: Callable[..., Candidate], export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    made("lora", method="lora")
    monkeypatch.setattr(
        release_worker, "_reloaded", lambda job, folder: lambda ids: torch.full((ids.shape[1], 1024), float("nan"))
    )
    with pytest.raises(NotTheSame):
        export("lora", "merged", tolerance=1e9)
    assert nothing_left(tmp_path)


def test_an_interruption_leaves_nothing(
    made: Callable[..., Candidate], export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("lora", method="lora")

    def interrupted(job: Job, step: str) -> None:
        (Path(job.work) / "form").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "run_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export("lora", "merged", out=tmp_path / "new" / "deeper" / "out")
    assert nothing_left(tmp_path)


def test_a_statement_that_cannot_be_signed_leaves_nothing(
    made: Callable[..., Candidate], export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("lora", method="lora")

    def full(self: Ledger, *about: object, **keys: object) -> None:
        raise StoreError("there is no room left")

    monkeypatch.setattr(Ledger, "say", full)
    with pytest.raises(StoreError):
        export("lora", "merged")
    assert nothing_left(tmp_path)


def test_too_little_room_is_told_before_anything_is_loaded(
    made: Callable[..., Candidate], export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("lora", method="lora")
    monkeypatch.setattr(verb.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="there is no room"):
        export("lora", "merged")
    assert nothing_left(tmp_path)
