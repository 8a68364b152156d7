"""A server in place of the Hub that answers every request with the same bytes, for the real client."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

from huggingface_hub import HfApi

TOKEN = "hf_secretsecretsecret"
NONSENSE = {
    "empty object": b"{}",
    "list": b"[]",
    "null": b"null",
    "no JSON": b"<html>welcome</html>",
    "nested": b"[" * 100_000,
    "number": b'{"url": 5, "branches": 5}',
    "another host": b'{"url": "https://elsewhere.example/"}',
    "the token": b'{"url": "https://elsewhere.example/' + TOKEN.encode() + b'"}',
}


@contextlib.contextmanager
def nonsense_hub(body: bytes) -> Iterator[HfApi]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with patch("huggingface_hub.constants.HF_HUB_OFFLINE", False):  # this Hub is no network
                yield HfApi(token=TOKEN, endpoint=f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
