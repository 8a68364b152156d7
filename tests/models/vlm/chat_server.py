"""A server on 127.0.0.1 that speaks the chat completions protocol and vLLM's extensions, and misbehaves on command."""

import base64
import contextlib
import gzip
import io
import json
import socket
import struct
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}
GOOD = json.dumps({"word": "hello"})


class FixedScorer:
    """Seven tokens with fixed log-probabilities; " YES"-like variants are several tokens, as in real vocabularies."""

    vocabulary = ("yes", "Yes", " yes", "no", "No", "maybe", "hm")

    def __init__(self, logprobs=(-1.0, -2.0, -3.0, -1.5, -2.5, -0.5, -9.0)):
        self.fixed = list(logprobs)

    def tokenize(self, text):
        return [self.vocabulary.index(text)] if text in self.vocabulary else [0, 1]

    def logprobs(self, body):
        return self.fixed


class ModelScorer:
    """Real log-probabilities of a transformers model, reached without the project's own code."""

    def __init__(self, folder):
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32").eval()
        self.vocabulary = [self.processor.tokenizer.decode([i]) for i in range(len(self.processor.tokenizer))]
        self.lock = threading.Lock()

    def tokenize(self, text):
        return self.processor.tokenizer.encode(text, add_special_tokens=False)

    def logprobs(self, body):
        import PIL.Image
        import torch

        messages = []
        for message in body["messages"]:
            parts = []
            for part in message["content"]:
                if part["type"] == "image_url":
                    data = base64.b64decode(part["image_url"]["url"].split("base64,")[1])
                    parts.append({"type": "image", "image": PIL.Image.open(io.BytesIO(data)).convert("RGB")})
                else:
                    parts.append(part)
            messages.append({"role": message["role"], "content": parts})
        with self.lock, torch.inference_mode():
            inputs = self.processor.apply_chat_template(
                messages,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                **body.get("chat_template_kwargs", {}),
            )
            return self.model(**inputs).logits[0, -1].float().log_softmax(-1).tolist()


class ChatServer:
    """`misbehave("429", "reset")` decides what the next chat requests get; without a plan they are answered.

    extensions: "known" (vLLM), "ignored" (unknown fields are dropped) or "refused" (unknown fields are a 400).
    tokenize: True, False (a 404), "hang", or a status.

    models: the only names it answers to, and lists; None: any, without a list. most_images: of one request. refuses:
    fields of a request that are a 400. thinks: "tags" or "reasoning", where its thoughts stand before an answer.
    """

    models: tuple[str, ...] | None = None
    most_images: int | None = None
    refuses: tuple[str, ...] = ()
    thinks = ""

    def __init__(self, scorer=None, *, tokenize=True, extensions="known", delay_s=0.0, answer=GOOD):
        self.scorer, self.tokenize, self.extensions = scorer or FixedScorer(), tokenize, extensions
        self.delay_s, self.answer, self.gives_logprobs = delay_s, answer, True
        self.plan: deque[str] = deque()
        self.bodies: list[dict] = []
        self.headers: list[dict] = []
        self.tokenized: list[str] = []
        self.answered: list[str] = []  # texts of the requests whose whole answer was sent
        self.in_flight = self.most_in_flight = self.sent = 0
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.http = Server(("127.0.0.1", 0), type("Handler", (Handler,), {"server_state": self}))
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.base_url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def misbehave(self, *plan):
        self.plan.extend(plan)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # a busy machine accepts late; the default of 5 makes a client connect a second time


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: ChatServer

    def log_message(self, *_):
        pass

    def do_GET(self):
        models = self.server_state.models
        if self.path != "/v1/models" or models is None:
            return self.reply(404, {"error": {"message": f"no {self.path}"}})
        return self.reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in models]})

    def do_POST(self):
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with state.lock:
            state.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.path == "/tokenize" and state.tokenize:
            state.tokenized.append(body["prompt"])
            if state.tokenize == "hang":
                state.closing.wait(60)
                self.close_connection = True
                return None
            if state.tokenize is not True:
                return self.reply(int(state.tokenize), {"error": {"message": "not here"}})
            return self.reply(200, {"count": 1, "max_model_len": 1, "tokens": state.scorer.tokenize(body["prompt"])})
        if self.path != "/v1/chat/completions":
            return self.reply(404, {"error": {"message": f"no {self.path}"}})
        with state.lock:
            state.bodies.append(body)
            state.in_flight += 1
            state.most_in_flight = max(state.most_in_flight, state.in_flight)
            behaviour = state.plan.popleft() if state.plan else "good"
        try:
            time.sleep(state.delay_s)
            with contextlib.suppress(ConnectionError):
                self.behave(behaviour, body)
        finally:
            with state.lock:
                state.in_flight -= 1

    def behave(self, behaviour, body):
        state = self.server_state
        match behaviour.split("="):
            case [status, *retry_after] if status.isdigit():
                headers = {"Retry-After": retry_after[0]} if retry_after else {}
                echo = {"error": {"message": f"told to, to {self.headers['Authorization']}"}}
                self.reply(int(status), echo, headers)
            case ["hang"]:
                state.closing.wait(60)
                self.close_connection = True
            case ["reset"]:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
            case ["half"]:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"choices": [')
                self.close_connection = True
            case ["drip"]:
                text = json.dumps(self.completion(body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                for byte in text:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if state.closing.wait(0.1):
                        return
            case ["html"]:
                self.reply(200, None, {}, b"<html>Welcome to the proxy</html>", "text/html")
            case ["no_choices"]:
                self.reply(200, {**self.completion(body), "choices": []})
            case ["cut"]:
                self.reply(200, self.completion(body, '{"word": "hel', finish_reason="length"))
            case ["refusal"]:
                self.reply(200, self.completion(body, None, refusal="I would rather not."))
            case ["filtered"]:
                self.reply(200, self.completion(body, "", finish_reason="content_filter"))
            case ["aborted"]:
                self.reply(200, self.completion(body, '{"wo', finish_reason="abort"))
            case ["text", *text]:
                self.reply(200, self.completion(body, "=".join(text)))
            case ["raw", *text]:
                self.reply(200, None, {}, "=".join(text).encode())
            case ["gzip", *text]:
                packed = gzip.compress("=".join(text).encode() or b" " * 600_000_000, 1)
                self.reply(200, None, {"Content-Encoding": "gzip"}, packed)
            case ["charset", name, *status]:
                kind = f"application/json; charset={name}"
                data = json.dumps(self.completion(body)).encode()
                self.reply(int(status[0]) if status else 200, None, {}, data, kind)
            case ["crowd", number]:  # answers once so many requests are here
                while state.most_in_flight < int(number) and not state.closing.wait(0.005):
                    pass
                self.reply(200, self.completion(body))
            case ["header", value]:
                self.reply(200, self.completion(body), {"X-Said": value})
            case ["packed", name]:
                self.reply(200, None, {"Content-Encoding": name}, b"{}")
            case ["endless", *status]:
                self.send_response(int(status[0]) if status else 200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.close_connection = True
                for _ in range(4000):  # 256 MB
                    self.wfile.write(b" " * 65536)
                    self.server_state.sent += 65536
            case ["redirect", status, *place]:
                self.reply(int(status), {}, {"Location": "=".join(place)})
            case _:
                if state.models is not None and body["model"] not in state.models:
                    self.reply(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
                    return
                extended = {"logprob_token_ids", "return_tokens_as_token_ids"} if state.extensions == "refused" else ()
                if unknown := {*extended, *state.refuses} & body.keys():
                    self.reply(400, {"error": {"message": f"Unrecognized request arguments: {sorted(unknown)}"}})
                    return
                images = sum(part["type"] == "image_url" for part in body["messages"][0]["content"])
                if state.most_images is not None and images > state.most_images:
                    words = f"At most {state.most_images} image(s) may be provided in one prompt."
                    self.reply(400, {"error": {"message": words}})
                    return
                self.reply(200, self.completion(body))
                with state.lock:
                    state.answered.append(body["messages"][0]["content"][-1]["text"])

    def completion(self, body, text="", finish_reason="stop", refusal=None):
        state = self.server_state
        choice = {"index": 0, "finish_reason": finish_reason}
        if text == "":
            asked = body.get("response_format", {}).get("json_schema", {}).get("name")
            text = json.dumps({"colour": "red"}) if asked == "preflight_json" and state.answer == GOOD else state.answer
        choice["message"] = {"role": "assistant", "content": text, "refusal": refusal}
        if state.thinks == "tags":
            choice["message"]["content"] = "<think>The user wants"
        elif state.thinks:
            choice["message"] |= {"content": None, "reasoning_content": "The user wants"}
        if body.get("logprobs") and state.gives_logprobs:
            logprobs = state.scorer.logprobs(body)
            ranked = sorted(range(len(logprobs)), key=logprobs.__getitem__, reverse=True)
            chosen = ranked[: body.get("top_logprobs", 0)]
            extended = state.extensions == "known" and "logprob_token_ids" in body
            if extended:
                chosen = list(dict.fromkeys([ranked[0], *body["logprob_token_ids"]]))

            def name(i):
                return f"token_id:{i}" if extended else state.scorer.vocabulary[i]

            top = [{"token": name(i), "logprob": max(logprobs[i], -9999.0), "bytes": None} for i in chosen]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}

    def reply(self, status, value, headers=(), data=None, kind="application/json"):
        data = json.dumps(value).encode() if data is None else data
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, text in dict(headers).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)
