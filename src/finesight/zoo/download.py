"""Fetching one file over HTTP: resumed where it broke off, whole or not there, and never taken for what it is not."""

from __future__ import annotations

import errno
import http.client
import json
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from finesight import __version__
from finesight.errors import ModelError, OutputError
from finesight.progress import Cancel, Progress, silent
from finesight.zoo.cache import sha256

__all__ = ["download"]

BLOCK = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _AttemptError(Exception):
    """One attempt failed. ``again``: another attempt at the same address may help."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


@dataclass(frozen=True, slots=True)
class _Partial:
    """A file that is being fetched, and what is needed to go on with it later."""

    path: Path

    @property
    def notes(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    def begin(self, url: str, validator: str) -> None:
        """Forget what was fetched, remember where the next bytes come from."""
        self.path.write_bytes(b"")
        self.notes.write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")

    def validator(self, url: str) -> str | None:
        """What the server called the version of which a part is here; ``None`` where nothing of this address is."""
        try:
            notes = json.loads(self.notes.read_text(encoding="utf-8"))
            return str(notes["validator"]) if notes["url"] == url and self.size() > 0 else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


class _Response(Protocol):
    status: int
    headers: http.client.HTTPMessage

    def read(self, amount: int, /) -> bytes: ...


def download(
    urls: Sequence[str],
    target: Path,
    *,
    expected: str = "",
    progress: Progress = silent,
    cancel: Cancel | None = None,
    timeout: float = 30.0,
    attempts: int = 4,
    pause: float = 1.0,
) -> tuple[str, str]:
    """Fetch ``target`` from the first of ``urls`` that gives it; it appears only when it is whole and verified.

    What was fetched before a failure stays in ``target.part`` and is continued by the next call (HTTP ranges, guarded
    by ``If-Range``). Proxies are taken from the environment.

    Args:
        urls: address and mirrors.
        target: file in the cache.
        expected: SHA-256, or its beginning; empty to take what comes.
        progress: called with bytes done, bytes in all (0 where not known) and the host.
        cancel: stops between blocks.
        timeout: seconds without an answer or a byte.
        attempts, pause: for each address; seconds before the second attempt, doubled for each further one.

    Returns:
        The measured SHA-256 and the address that gave it.

    Raises:
        ModelError: no address gave the file; says what each of them did.
        OutputError: the cache cannot be written (disk full).
    """
    partial = _Partial(target.with_name(target.name + ".part"))
    reasons = []
    for url in urls:
        for attempt in range(attempts):
            try:
                _attempt(url, partial, timeout, progress, cancel)
                measured = _accept(partial, target, expected)
                return measured, url
            except _AttemptError as failure:
                reason, again = str(failure), failure.again
            except OSError as error:
                if error.errno in FULL:
                    partial.discard()
                raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
            if not again or attempt == attempts - 1:
                reasons.append(f"{url} {reason}")
                break
            time.sleep(pause * 2**attempt)
    kept = f" {partial.size()} bytes are kept and the next call continues with them." if partial.size() else ""
    raise ModelError(f"{target.name} could not be fetched: {'; '.join(reasons)}.{kept}")


def _accept(partial: _Partial, target: Path, expected: str) -> str:
    """Verify a file that came whole and give it its name."""
    measured = sha256(partial.path)
    if not measured.startswith(expected):
        size = partial.size()
        partial.discard()
        raise _AttemptError(
            f"gave {size} bytes whose SHA-256 begins with {measured[:8]}, expected {expected[:8]}; they were deleted",
            again=False,
        )
    with partial.path.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial.path, target)
    partial.notes.unlink(missing_ok=True)
    return measured


def _attempt(url: str, partial: _Partial, timeout: float, progress: Progress, cancel: Cancel | None) -> None:
    """Ask once, and append what comes."""
    validator = partial.validator(url)
    request = urllib.request.Request(
        url, headers={"User-Agent": f"finesight/{__version__}", "Accept-Encoding": "identity"}
    )
    if validator:
        request.add_header("Range", f"bytes={partial.size()}-")
        request.add_header("If-Range", validator)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            total = _begin(response, url, partial)
            _append(response, partial, total, progress, cancel, url.split("/")[2])
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.discard()
        again = error.code >= 500 or error.code in (408, 416, 429)
        raise _AttemptError(f"answered {error.code} {error.reason}", again=again) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            raise _AttemptError(f"has no valid certificate ({error.reason})", again=False) from error
        raise _AttemptError(f"cannot be reached ({error.reason})", again=True) from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _AttemptError(
            f"broke off after {partial.size()} bytes ({error or type(error).__name__})", again=True
        ) from error
    except ValueError as error:
        raise _AttemptError(f"is not an address ({error})", again=False) from error


def _begin(response: _Response, url: str, partial: _Partial) -> int:
    """Decide whether the answer continues the part or starts anew; gives the size of the whole file, 0 if not known."""
    length = int(response.headers.get("Content-Length") or 0)
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        span, _, whole = (response.headers.get("Content-Range") or "").removeprefix("bytes ").partition("/")
        if span.partition("-")[0] == str(partial.size()):
            return int(whole) if whole.isdigit() else partial.size() + length
        partial.discard()
        raise _AttemptError(f"answered with another part ({span}) than the one asked for", again=True)
    kind = response.headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        raise _AttemptError("answered with a web page instead of the file", again=False)
    etag = response.headers.get("ETag") or ""
    partial.begin(url, etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified") or "")
    free = shutil.disk_usage(partial.path.parent).free
    if length > free:
        partial.discard()
        raise OSError(errno.ENOSPC, f"No space left on device ({length} bytes are needed, {free} are free)")
    return length


def _append(
    response: _Response, partial: _Partial, total: int, progress: Progress, cancel: Cancel | None, host: str
) -> None:
    done = partial.size()
    with partial.path.open("ab") as file:
        while block := _read(response):
            if cancel is not None:
                cancel.check()
            if done == 0:
                _look(block)
            file.write(block)
            file.flush()  # what is on disk is what a later call continues
            done += len(block)
            progress(done, total, host)
    if total and done != total:
        raise _AttemptError(f"broke off after {done} of {total} bytes", again=True)
    if done == 0:
        raise _AttemptError("answered with nothing", again=True)


def _read(response: _Response) -> bytes:
    try:
        return response.read(BLOCK)
    except http.client.IncompleteRead as error:
        return error.partial
    except OSError as error:  # of the connection, not of the disk
        raise _AttemptError(f"broke off ({error or type(error).__name__})", again=True) from error


def _look(block: bytes) -> None:
    """An error page that came with status 200 and a wrong content type."""
    head = block[:200].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise _AttemptError("answered with a web page instead of the file", again=False)
