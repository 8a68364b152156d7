"""A web server of one folder that answers with ranges, counts what it sends, and misbehaves when told to."""

import contextlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fsspec
import pytest

import media.http_ranges
import media.remote
from media.errors import MediaError


class Web:
    """`sent`: bytes of bodies; `ranges`: what was asked for; `fault`: (path, start) -> a status, a body, an address
    to be sent to, or None for the right answer."""

    def __init__(self, folder: Path):
        self.folder, self.sent, self.ranges, self.url = folder, 0, [], ""
        self.counting = threading.Lock()
        self.fault, self.ranged, self.etag = (lambda name, start: None), True, '"one"'

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        name = unquote(urlsplit(handler.path).path).lstrip("/")
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.ranges.append((name, start))
        fault = self.fault(name, start)
        path = self.folder / name
        if isinstance(fault, str):
            return self.send(handler, 302, b"", 10, Location=fault)  # whose body never comes
        if isinstance(fault, int) or not path.is_file():
            return self.send(handler, fault or 404, b"")
        data = path.read_bytes()
        if not (asked and self.ranged):
            return self.send(handler, 200, data, ETag=self.etag)
        if start >= len(data):
            return self.send(handler, 416, b"", **{"Content-Range": f"bytes */{len(data)}"})
        part = data[start : int(asked[2]) + 1]
        place = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
        return self.send(
            handler, 206, part if fault is None else fault, len(part), ETag=self.etag, **{"Content-Range": place}
        )

    def send(
        self, handler: BaseHTTPRequestHandler, status: int, body: bytes, length: int | None = None, **headers
    ) -> None:
        with self.counting:
            self.sent += len(body)  # before anything is sent: who asked may look at once
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        with contextlib.suppress(OSError):  # who asked may have gone
            handler.wfile.write(body)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Web]:
    web = Web(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            web.reply(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def quickly(folder: Path, monkeypatch) -> Iterator[Web]:
    """`serving`, reached without a proxy and without pauses between tries."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(media.http_ranges, "PAUSE_S", 0)
    with serving(folder) as web:
        yield web


@contextlib.contextmanager
def memory_files(monkeypatch) -> Iterator:
    """fsspec's filesystem in memory, allowed inside alone."""
    monkeypatch.setitem(media.remote.SCHEMES, "memory", "fsspec")
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


def reason(question) -> tuple[str, str]:
    """Reason and detail of the MediaError that a question ends in."""
    with pytest.raises(MediaError) as told:
        question()
    return told.value.reason, told.value.detail
