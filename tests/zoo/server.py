"""A real web server on this machine that misbehaves as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answers:
    """What the server does; a test changes it between requests.

    Args:
        files: content by path.
        breaks: for each of the next answers, after how many bytes of body it closes the connection.
        ranges: answer Range requests with parts (ignored otherwise).
        etag: sent with every file; empty to send none.
        status: answer everything with this.
        html: answer everything with an error page and status 200; its content type is this.
        redirect: path -> address.
        delay: seconds before anything is answered.
        shift: wrong answers to Range requests: begin so many bytes later.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str = '"one"'
    status: int = 200
    html: str = ""
    redirect: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    shift: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    answers: Answers

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        told = self.answers
        wanted = self.headers.get("Range") or ""
        told.requests.append((self.path, wanted))
        time.sleep(told.delay)
        if self.path in told.redirect:
            self.send_response(302)
            self.send_header("Location", told.redirect[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif told.html:
            self._send(b"<!DOCTYPE html><html><body>Sign in to go on</body></html>", told.html)
        elif told.status != 200 or self.path not in told.files:
            self.send_error(told.status if told.status != 200 else 404)
        else:
            self._file(told.files[self.path], wanted)

    def _file(self, content: bytes, wanted: str) -> None:
        told = self.answers
        begin = 0
        same = self.headers.get("If-Range") in (None, told.etag)
        if wanted and told.ranges and same:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(content):
                self.send_error(416)
                return
            begin += told.shift
        self._send(content, "application/octet-stream", begin)

    def _send(self, content: bytes, kind: str, begin: int = 0) -> None:
        told = self.answers
        self.send_response(206 if begin else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if told.etag:
            self.send_header("ETag", told.etag)
        self.end_headers()
        body = content[begin:]
        if told.breaks:
            body = body[: told.breaks.pop(0)]
            self.close_connection = True
        self.wfile.write(body)
        told.sent += len(body)


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1; gives the address without a trailing slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"answers": answers}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    answers.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield answers.address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
