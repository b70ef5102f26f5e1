"""Downloads from a real server that breaks off, lies and fails."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finesight import zoo
from finesight.errors import CancelledError, Error, ModelError, OutputError
from finesight.progress import Cancel
from finesight.zoo import cards, files
from finesight.zoo.cache import locked, verified
from finesight.zoo.download import download
from finesight.zoo.model import Card
from tests.zoo.server import Answers, serving

CONTENT = bytes(range(256)) * 2000
HASH = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def answers() -> Iterator[Answers]:
    told = Answers(files={"/w.pth": CONTENT})
    with serving(told):
        yield told


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "w.pth"


def fetch(answers: Answers, target: Path, **changes: Any) -> tuple[str, str]:
    settings: dict[str, Any] = {"expected": HASH[:8], "pause": 0.0, "timeout": 5.0} | changes
    return download([f"{answers.address}/w.pth"], target, **settings)


def left_over(target: Path) -> set[str]:
    return {file.name for file in target.parent.iterdir()}


def test_a_file_comes_whole_and_alone(answers: Answers, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    measured, source = fetch(answers, target, progress=lambda done, total, _: seen.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert measured == HASH
    assert source.endswith("/w.pth")
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert left_over(target) == {"w.pth"}


def test_a_connection_that_breaks_off_is_continued(answers: Answers, target: Path) -> None:
    answers.breaks = [100_000, 200_000]
    fetch(answers, target)
    assert target.read_bytes() == CONTENT
    assert [wanted for _, wanted in answers.requests] == ["", "bytes=100000-", "bytes=300000-"]
    assert answers.sent == len(CONTENT)


def test_a_later_call_continues(answers: Answers, target: Path) -> None:
    answers.breaks = [100_000]
    with pytest.raises(ModelError, match=r"broke off after 100000 of 512000 bytes.*100000 bytes are kept"):
        fetch(answers, target, attempts=1)
    assert not target.exists()
    fetch(answers, target)
    assert target.read_bytes() == CONTENT
    assert answers.sent == len(CONTENT)


def test_a_file_that_changed_meanwhile_is_fetched_anew(answers: Answers, target: Path) -> None:
    answers.breaks = [100_000]
    with pytest.raises(ModelError):
        fetch(answers, target, attempts=1)
    answers.etag, answers.files["/w.pth"] = '"two"', CONTENT[::-1]
    fetch(answers, target, expected="")
    assert target.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("change", [{"ranges": False}, {"etag": ""}, {"etag": 'W/"weak"'}], ids=str)
def test_servers_that_cannot_continue_are_asked_for_all(answers: Answers, target: Path, change: dict[str, Any]) -> None:
    for name, value in change.items():
        setattr(answers, name, value)
    answers.breaks = [100_000]
    fetch(answers, target)
    assert target.read_bytes() == CONTENT


def test_a_wrong_part_is_not_joined(answers: Answers, target: Path) -> None:
    answers.breaks, answers.shift = [100_000], 10
    fetch(answers, target)
    assert target.read_bytes() == CONTENT


def test_a_whole_part_is_not_asked_for_again_in_vain(answers: Answers, target: Path) -> None:
    part = target.with_name("w.pth.part")
    part.write_bytes(CONTENT)
    part.with_name("w.pth.part.json").write_text(json.dumps({"url": f"{answers.address}/w.pth", "validator": '"one"'}))
    fetch(answers, target)
    assert target.read_bytes() == CONTENT


def test_wrong_bytes_are_deleted(answers: Answers, target: Path) -> None:
    answers.files["/w.pth"] = b"x" + CONTENT[1:]
    with pytest.raises(ModelError, match=rf"SHA-256 begins with [0-9a-f]{{8}}, expected {HASH[:8]}; they were deleted"):
        fetch(answers, target)
    assert left_over(target) == set()


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_an_error_page_with_status_200(answers: Answers, target: Path, kind: str) -> None:
    answers.html = kind
    with pytest.raises(ModelError, match=r"answered with a web page instead of the file"):
        fetch(answers, target, expected="")
    assert not target.exists()


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (410, 1), (500, 3), (503, 3), (429, 3)])
def test_errors_of_the_server(answers: Answers, target: Path, status: int, asked: int) -> None:
    answers.status = status
    with pytest.raises(ModelError, match=rf"answered {status} "):
        fetch(answers, target, attempts=3)
    assert len(answers.requests) == asked


def test_redirects_are_followed(answers: Answers, target: Path) -> None:
    answers.redirect["/old.pth"] = "/w.pth"
    download([f"{answers.address}/old.pth"], target, expected=HASH)
    assert target.read_bytes() == CONTENT


def test_endless_redirects_end(answers: Answers, target: Path) -> None:
    answers.redirect["/w.pth"] = "/w.pth"
    with pytest.raises(ModelError, match=r"could not be fetched"):
        fetch(answers, target, attempts=1)


def test_a_server_that_does_not_answer(answers: Answers, target: Path) -> None:
    answers.delay = 1.0
    with pytest.raises(ModelError, match=r"timed out"):
        fetch(answers, target, timeout=0.1, attempts=1)


def test_a_server_that_is_not_there(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ModelError, match=r"cannot be reached") as caught:
        download([f"http://127.0.0.1:{port}/w.pth"], target, attempts=2, pause=0.0)
    assert "\n" not in str(caught.value)


def test_nothing_is_not_a_file(answers: Answers, target: Path) -> None:
    answers.files["/w.pth"] = b""
    with pytest.raises(ModelError, match=r"answered with nothing"):
        fetch(answers, target, expected="", attempts=1)
    assert not target.exists()


def test_mirrors_are_asked_in_turn(answers: Answers, target: Path) -> None:
    answers.files["/bad.pth"] = b"other"
    base = answers.address
    urls = [f"{base}/gone.pth", f"{base}/bad.pth", f"{base}/w.pth"]
    assert download(urls, target, expected=HASH, pause=0.0) == (HASH, f"{base}/w.pth")
    with pytest.raises(ModelError, match=r"gone\.pth answered 404.*bad\.pth gave 5 bytes"):
        download(urls[:2], target.with_name("other.pth"), expected=HASH, pause=0.0)


def test_stopping_keeps_what_came(answers: Answers, target: Path) -> None:
    answers.files["/w.pth"] = bytes(5 << 20)
    cancel = Cancel()
    with pytest.raises(CancelledError):
        fetch(answers, target, expected="", cancel=cancel, progress=lambda *_: cancel.set())
    assert not target.exists()
    assert target.with_name("w.pth.part").stat().st_size >= 1 << 20


def test_a_full_disk(answers: Answers, target: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from finesight.zoo.download import download\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from finesight.errors import OutputError\n"
        "try:\n    download([sys.argv[1]], Path(sys.argv[2]), pause=0.0)\n"
        "except OutputError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"{answers.address}/w.pth", str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "w.pth cannot be written: File too large." in done.stdout, done.stderr
    assert left_over(target) == set()


def test_a_file_larger_than_the_free_space_is_not_begun(
    answers: Answers, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OutputError, match=r"512000 bytes are needed, 1000 are free"):
        fetch(answers, target)
    assert left_over(target) == set()


# the catalog's files


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FINESIGHT_OFFLINE", raising=False)
    monkeypatch.delenv("FINESIGHT_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def offer(answers: Answers, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put one card into the catalog, served by the server."""

    def put(**changes: Any) -> Card:
        facts: dict[str, Any] = {
            "name": "w",
            "architecture": "edsr",
            "url": f"{answers.address}/w.pth",
            "sha256": HASH[:8],
        }
        card = Card(**(facts | changes))
        known = {**cards.catalog(), card.name: card}
        for module in (cards, files):
            monkeypatch.setattr(module, "catalog", lambda: known)
        return card

    return put


def test_get_fetches_once_and_records(offer: Any, answers: Answers, cache: Path) -> None:
    offer()
    assert zoo.get("w") == cache / "w.pth" == zoo.path("w")
    assert zoo.get("w").read_bytes() == CONTENT
    assert len(answers.requests) == 1
    record = json.loads((cache / "w.pth.json").read_text())
    assert record["sha256"] == HASH
    assert record["source"] == f"{answers.address}/w.pth"
    zoo.get("w", again=True)
    assert len(answers.requests) == 2


def test_a_hash_that_is_not_published_is_shown_and_recorded(offer: Any, answers: Answers, cache: Path) -> None:
    offer(sha256="")
    said: list[str] = []
    zoo.get("w", say=said.append)
    assert said == [f"No hash of w is published. The file has the SHA-256 {HASH}; it is recorded."]
    assert zoo.check("w").state == "recorded"
    (cache / "w.pth").write_bytes(CONTENT[:-1])
    found = zoo.check("w")
    assert found.state == "bad"
    assert "was changed after it was fetched" in found.message
    with pytest.raises(ModelError, match="was changed after it was fetched"):
        zoo.get("w")


def test_a_licence_that_forbids_commercial_use_is_said_before_anything_is_fetched(offer: Any, answers: Answers) -> None:
    offer(non_commercial=True, licence="CC BY-NC-SA 4.0")

    def say(line: str) -> None:
        assert "may not be used commercially: CC BY-NC-SA 4.0" in line
        assert not answers.requests

    zoo.get("w", say=say)
    assert answers.requests


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_says_what_to_put_where(
    offer: Any, answers: Answers, cache: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(size=25_000_000)
    if how == "environment":
        monkeypatch.setenv("FINESIGHT_OFFLINE", "1")
    with pytest.raises(ModelError) as caught:
        zoo.get("w", offline=True if how == "argument" else None)
    for part in ("w.pth", "25 MB", HASH[:8], f"{answers.address}/w.pth", str(cache), "finesight models get w"):
        assert part in str(caught.value)
    assert not answers.requests
    cache.mkdir()
    (cache / "w.pth").write_bytes(CONTENT)  # as the message says
    assert zoo.get("w", offline=True).read_bytes() == CONTENT


def test_a_page_to_visit(offer: Any, cache: Path, tmp_path: Path) -> None:
    offer(url="", manual="the authors' page", file="hand.pth")
    with pytest.raises(
        ModelError, match=r"Get hand\.pth \(SHA-256 begins with .*\) from the authors' page.*models import"
    ):
        zoo.get("w")
    (tmp_path / "hand.pth").write_bytes(CONTENT)
    assert zoo.import_file(tmp_path / "hand.pth") == ["w"]
    assert zoo.get("w").read_bytes() == CONTENT
    assert zoo.check("w").state == "good"


def test_import_knows_a_renamed_file_by_its_hash(offer: Any, cache: Path, tmp_path: Path) -> None:
    offer()
    (tmp_path / "download (1)").write_bytes(CONTENT)
    assert zoo.import_file(tmp_path / "download (1)") == ["w"]
    assert zoo.path("w").read_bytes() == CONTENT


def test_import_refuses_what_is_not_published(offer: Any, cache: Path, tmp_path: Path) -> None:
    offer()
    (tmp_path / "w.pth").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"not the published file of w"):
        zoo.import_file(tmp_path / "w.pth")
    (tmp_path / "unheard.pth").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"not the name of any model's file"):
        zoo.import_file(tmp_path / "unheard.pth")
    with pytest.raises(Error, match=r"absent\.pth cannot be read"):
        zoo.import_file(tmp_path / "absent.pth")
    assert not zoo.path("w").exists()


def test_a_bundle_carries_files_to_a_machine_without_a_network(
    offer: Any, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer()
    said: list[str] = []
    written = zoo.bundle(["w", "finesight-x2"], tmp_path / "stick", say=said.append)
    assert written == [tmp_path / "stick" / "w.pth"]
    assert said == ["finesight-x2 ships with finesight and is not copied."]
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "elsewhere"))
    assert zoo.import_file(tmp_path / "stick") == ["w"]
    assert zoo.get("w", offline=True).read_bytes() == CONTENT


def test_a_damaged_file_is_found_at_once_and_by_check(offer: Any, cache: Path) -> None:
    offer()
    zoo.get("w")
    (cache / "w.pth").write_bytes(b"x" + CONTENT[1:])
    with pytest.raises(ModelError, match=r"not the published file of w.*finesight models get w --again"):
        zoo.get("w")
    assert zoo.check("w").state == "bad"
    zoo.get("w", again=True)
    assert zoo.check("w").state == "good"


def test_check_of_what_is_absent_or_shipped(offer: Any) -> None:
    offer()
    assert zoo.check("w").state == "absent"
    assert zoo.check("finesight-x2").state in ("shipped", "absent")
    with pytest.raises(ModelError, match="neither a model of the catalog nor a file"):
        zoo.check("unheard-of")


def test_verification_reads_a_file_only_when_it_changed(
    offer: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = offer()
    file = zoo.get("w")

    def fail(_: Path) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr("finesight.zoo.cache.sha256", fail)
    assert verified(card, file) == HASH
    os.utime(file, ns=(1, 1))
    with pytest.raises(AssertionError, match="read again"):
        verified(card, file)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("member", ["models/w.pth", "w.pth"])
def test_members_of_archives(offer: Any, answers: Answers, cache: Path, kind: str, member: str) -> None:
    buffer = BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("models/w.pth", CONTENT)
            archive.writestr("models/x.pth", b"other")
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            entry = tarfile.TarInfo("models/w.pth")
            entry.size = len(CONTENT)
            archive.addfile(entry, BytesIO(CONTENT))
    answers.files["/all.zip"] = buffer.getvalue()
    published = hashlib.sha256(buffer.getvalue()).hexdigest()
    offer(url=f"{answers.address}/all.zip", archive_member=member, sha256=published[:8])
    assert zoo.get("w") == cache / "w.pth"
    assert zoo.get("w").read_bytes() == CONTENT
    assert zoo.check("w").state == "recorded"
    (cache / "w.pth").unlink()
    zoo.get("w")
    assert len(answers.requests) == 1, "the archive is kept"


def test_an_archive_without_the_member(offer: Any, answers: Answers) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.pth", b"other")
    answers.files["/all.zip"] = buffer.getvalue()
    offer(url=f"{answers.address}/all.zip", archive_member="w.pth", sha256="")
    with pytest.raises(ModelError, match=r"has 0 members named w\.pth"):
        zoo.get("w", say=lambda _: None)


def test_a_mirror_from_the_environment(offer: Any, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(url=f"{answers.address}/gone/w.pth")
    monkeypatch.setenv("FINESIGHT_MIRROR", f"{answers.address}/nothing {answers.address}/")
    assert zoo.get("w").read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written(offer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer()
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "file" / "inside"))
    with pytest.raises(OutputError, match=r"The cache folder .* cannot be written"):
        zoo.get("w")


def _hold(path: str, ready: Any, release: Any) -> None:
    with locked(Path(path), say=lambda _: None):
        ready.set()
        release.wait(20)


def test_two_processes_do_not_fetch_at_once(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, release = spawn.Event(), spawn.Event()
    process = spawn.Process(target=_hold, args=(str(tmp_path / "w.pth"), ready, release))
    process.start()
    assert ready.wait(20)
    said: list[str] = []
    with (
        pytest.raises(OutputError, match="Another process has held"),
        locked(tmp_path / "w.pth", say=said.append, wait=0.3),
    ):
        pass
    assert said == ["Another process is fetching w.pth; waiting for it."]
    release.set()
    process.join(20)
    with locked(tmp_path / "w.pth", say=said.append, wait=5):
        pass
