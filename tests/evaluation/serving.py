"""A small server that speaks the OpenAI protocol and serves the tiny model: completions with log-probabilities, and
chat completions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server on the loopback interface."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lock = threading.Lock()

    def tokens(prompt: str | list[int]) -> torch.Tensor:
        ids = tokenizer(prompt, add_special_tokens=False).input_ids if isinstance(prompt, str) else prompt
        return torch.tensor([ids])

    def generate(prompt: str | list[int], most: int, stop: list[str]) -> str:
        ids = tokens(prompt)
        with torch.no_grad():
            out = model.generate(ids, max_new_tokens=most, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        said = str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
        for each in stop:
            said = said.split(each)[0] if each else said
        return said

    def choice(index: int, prompt: str | list[int], asked: dict[str, Any]) -> dict[str, Any]:
        if not asked.get("echo"):
            return {"index": index, "text": generate(prompt, asked.get("max_tokens", 16), asked.get("stop") or [])}
        ids = tokens(prompt)
        with torch.no_grad():
            likely = model(ids).logits[0].log_softmax(-1)
        own = [None, *(float(likely[at, int(ids[0, at + 1])]) for at in range(ids.shape[1] - 1))]
        top = [None, *({"top": float(likely[at].max())} for at in range(ids.shape[1] - 1))]
        # The one token that is asked for beyond the text, which lm-eval leaves out again.
        last = float(likely[-1].max())
        probabilities = {"token_logprobs": [*own, last], "top_logprobs": [*top, {"top": last}]}
        return {"index": index, "text": tokenizer.decode(ids[0]), "logprobs": probabilities}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                if self.path.endswith("/chat/completions"):
                    text = tokenizer.apply_chat_template(
                        asked["messages"], tokenize=False, add_generation_prompt=True
                    )  # fmt: skip
                    said = generate(text, asked.get("max_tokens", 16), asked.get("stop") or [])
                    found = {"choices": [{"index": 0, "message": {"role": "assistant", "content": said}}]}
                else:
                    given = asked["prompt"]
                    prompts = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
                    found = {"choices": [choice(at, each, asked) for at, each in enumerate(prompts)]}
            content = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
