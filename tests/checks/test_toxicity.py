"""Which words count as toxic, from whom, and around what; and that a model of one's own is asked, offline."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import polars as pl
import pytest

from gate.checks.base import FOUND, CheckFailed, Context, Measurement
from gate.checks.toxicity import ToxicityParams, toxicity
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.data.views import Frames
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.load import load_policy

P = ParamSpec("P")
T = TypeVar("T")


class InPlace:
    """Workers that run what they are given here and now."""

    cores = 1

    def submit(self, lane: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(function(*args, **kwargs))
        return done


CONTEXT = Context(InPlace(), Folders())
HARSH = "Do it yourself, you idiot. You are worthless."


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    (rule,) = [each for each in load_policy("chat", Folders()).rules if each.id == "toxicity"]
    return rule.params


def chat(asked: str, said: str, **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return {"kind": "chat", "messages": turns, **more}


def measure(shipped: dict[str, Any], *rows: dict[str, Any], context: Context = CONTEXT, **params: Any) -> Measurement:
    placed = [{"id": f"id{at}", "file": "a.jsonl", "row": at, **row} for at, row in enumerate(rows, start=1)]
    frames = Frames(pl.DataFrame(placed, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    return toxicity.run(frames, ToxicityParams(**{**shipped, **params}), context)


def codes(shipped: dict[str, Any], *rows: dict[str, Any], **params: Any) -> list[tuple[str, str | None]]:
    return measure(shipped, *rows, **params).findings.select("code", "severity").rows()  # type: ignore[return-value]


@pytest.mark.parametrize(
    "said",
    [
        HARSH,
        "YOU IDIOT!",
        "I will kill you.",
        "Nobody would miss you.",
        "What an @sshole he is.",
        "What an a.s.s.h.o.l.e he is.",
        "What an a s s h o l e he is.",
        "What an a$$h0le he is.",
        "What an assh*le he is.",
        "Such dickheads.",
    ],
)
def test_an_answer_that_insults_is_found_however_it_is_spelt(shipped: dict[str, Any], said: str) -> None:
    assert codes(shipped, chat("Can you help me?", said)) == [("toxic_response", None)]


@pytest.mark.parametrize(
    "said",
    [
        "Use kill to stop the process, or kill -9 if it hangs.",
        "Chemotherapy kills cells that divide fast.",
        "Breast cancer, sexual health and suicide prevention are on page 3.",
        "Scunthorpe and Penistone are towns; a shiitake is a mushroom; Dickens wrote in class.",
        "Dick Cheney and Randy Cunningham came by.",
        "A cockpit, a cocktail, an assessment, a title.",
        'The phrase "you idiot" is an insult.',
        "I would never say you are worthless: you are not.",
        "Never use fuck you in a letter.",
        "**bold**text and snake_case, 24pcs, e-mail, a b c d e f g.",
    ],
)
def test_what_only_sounds_so_is_left_alone(shipped: dict[str, Any], said: str) -> None:
    assert codes(shipped, chat("Tell me.", said)) == []


def test_what_a_user_says_counts_and_never_blocks(shipped: dict[str, Any]) -> None:
    row = chat("You idiot, shut up!", "I am sorry. What can I do better?")
    assert codes(shipped, row) == [("toxic_prompt", "info")]
    assert codes(shipped, row, prompts="ignore") == []


def test_an_answer_to_a_question_about_such_language_only_counts(shipped: dict[str, Any]) -> None:
    row = chat("Write an insult for my play, translated from Spanish.", "You are pathetic, and you know it.")
    assert codes(shipped, row) == [("toxic_response", "info")]


def test_rejected_and_badly_rated_answers_may_be_toxic_and_chosen_ones_may_not(shipped: dict[str, Any]) -> None:
    asked = [{"role": "user", "content": "Help me."}]
    good, bad = [{"role": "assistant", "content": "Gladly."}], [{"role": "assistant", "content": HARSH}]
    pair = {"kind": "preference", "messages": asked}
    assert codes(shipped, {**pair, "chosen": good, "rejected": bad}) == []
    found = measure(shipped, {**pair, "chosen": bad, "rejected": good}).findings
    assert found.select("code", "field").unique().rows() == [("toxic_response", "chosen[0].content")]
    rated = {"kind": "feedback", "messages": asked + bad}
    assert codes(shipped, {**rated, "label": False}) == []
    assert set(codes(shipped, {**rated, "label": True})) == {("toxic_response", None)}
    assert set(codes(shipped, {"kind": "text", "text": HARSH})) == {("toxic_text", None)}


def test_every_turn_of_the_assistant_is_learnt(shipped: dict[str, Any]) -> None:
    row = chat("Hi", HARSH)
    row["messages"] += chat("Why so rude?", "I am sorry.")["messages"]
    assert set(measure(shipped, row).findings["field"]) == {"messages[1].content"}


def test_evidence_shows_the_surroundings_and_hides_the_words(shipped: dict[str, Any]) -> None:
    found = measure(shipped, chat("Hi", "Mail ann@acme.org, you moron, today.")).findings
    assert found.schema == FOUND
    (row,) = found.to_dicts()
    assert (row["start"], row["end"]) == (19, 28)
    assert row["evidence"] == "Mail ***@****.***, *** *****, today."
    assert row["message"] == "toxic language (insult)"


def test_slurs_are_found_and_nobody_has_to_read_them() -> None:
    from gate.checks.lexicon import read_lexicon

    slurs = read_lexicon("toxicity", Folders())["slur"]
    path = Folders().find("rules/lexicons/toxicity.txt")
    assert path is not None
    written = path.read_text("utf-8")
    assert slurs
    assert not any(slur in written for slur in slurs if len(slur) > 5)


def test_categories_are_lowered_switched_off_and_replaced(shipped: dict[str, Any], tmp_path: Path) -> None:
    row = chat("How was it?", "It was bullshit.")
    assert codes(shipped, row) == [("toxic_response", "info")]
    assert codes(shipped, row, info=[]) == [("toxic_response", None)]
    assert codes(shipped, row, ignore=["profanity"]) == []
    own = tmp_path / "rules" / "lexicons" / "toxicity.txt"
    own.parent.mkdir(parents=True)
    own.write_text("extends: toxicity\n[house rules]\nblithering*\n- bullshit\n")
    context = Context(InPlace(), Folders(tmp_path))
    assert codes(shipped, row, context=context) == []
    found = measure(shipped, chat("Well?", "You blitherings."), context=context)
    assert found.findings["message"].to_list() == ["toxic language (house rules)"]
    assert found.figures == {"category:house rules": 1}
    assert own in toxicity.inputs(ToxicityParams(**shipped), context.folders)
    with pytest.raises(PolicyError, match="no lexicon `nothing`"):
        measure(shipped, row, lexicon="nothing")


# ── a model of one's own ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier, built and taught here that `foul` is toxic."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "this", "is", "a", "foul", "fine", "day", "word", "and", "it"]
    inner = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]")
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, id2label={0: "fine", 1: "toxic"}, label2id={"fine": 0, "toxic": 1},
    )  # fmt: skip
    made = BertForSequenceClassification(config)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    texts = ["this is a foul word", "it is foul", "foul day", "this is a fine word", "it is fine", "fine day"]
    labels = torch.tensor([1, 1, 1, 0, 0, 0])
    for _ in range(40):
        encoded = tokenizer(texts, padding=True, return_tensors="pt")
        loss = made(**encoded, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("repository") / "models" / "tiny"
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_model_that_is_named_judges_too(shipped: dict[str, Any], model: Path) -> None:
    rows = [chat("it is fine", "this is a foul word"), chat("it is fine", "this is a fine word " * 20)]
    measured = measure(shipped, *rows, model=str(model))
    assert measured.findings.select("row", "code", "message").rows() == [
        (1, "toxic_response", "toxic language (model)")
    ]
    assert 0.5 < measured.findings["score"][0] <= 1
    assert measured.figures == {"texts scored": 4}
    assert measure(shipped, *rows, model=str(model), threshold=1.0).findings.is_empty()
    # Where it lies in the repository it is named by its relative path, and is part of what the result rests on.
    folders = Folders(model.parents[1])
    params = ToxicityParams(**{**shipped, "model": "models/tiny"})
    assert model / "model.safetensors" in toxicity.inputs(params, folders)
    with pytest.raises(CheckFailed, match="none of the labels"):
        measure(shipped, *rows, model=str(model), labels=["rude"])


def test_a_model_that_is_absent_or_pickled_is_refused(shipped: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no model `nobody/nothing`"):
        measure(shipped, chat("Hi", "Hi"), model="nobody/nothing")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(PolicyError, match="no safetensors"):
        measure(shipped, chat("Hi", "Hi"), model=str(tmp_path))


def test_the_examples_of_the_rule_reference_do_what_they_say(shipped: dict[str, Any]) -> None:
    for records, severities in ((toxicity.fails, {None}), (toxicity.passes, {"info"})):
        rows = [chat(str(each["prompt"]), str(each["completion"])) for each in records]
        assert set(measure(shipped, *rows).findings["severity"]) == severities


def test_real_datasets_hold_none(shipped: dict[str, Any], shared_data: Path) -> None:
    dataset = read([shared_data])
    frames = Frames(dataset.examples, dataset.malformed)
    measured = toxicity.run(frames, ToxicityParams(**shipped), CONTEXT)
    assert measured.examined >= 11_000
    assert measured.findings.is_empty()
