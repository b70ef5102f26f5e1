"""Getting, checking and moving the files of the catalog: ``finesight models get``, ``check``, ``import`` and so on."""

from __future__ import annotations

import logging
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal
from urllib.parse import quote

from finesight.errors import InputError, ModelError, OutputError
from finesight.progress import Cancel, Progress, silent
from finesight.zoo.cache import cache_folder, locked, remember, sha256, verified
from finesight.zoo.cards import WEIGHTS, card, catalog
from finesight.zoo.download import download
from finesight.zoo.model import Card

__all__ = ["Checked", "bundle", "check", "get", "import_file", "path"]

Say = Callable[[str], None]
log = logging.getLogger("finesight")


def path(name: str) -> Path:
    """Where the file of a model lies, or would lie once it is there.

    Raises:
        ModelError: the name is not in the catalog.
    """
    return _place(card(name))


def _place(found: Card) -> Path:
    return WEIGHTS / found.packaged if found.packaged else cache_folder() / found.filename


def _is_offline(offline: bool | None) -> bool:
    return os.environ.get("FINESIGHT_OFFLINE", "").lower() in ("1", "true", "yes", "on") if offline is None else offline


def get(
    name: str,
    *,
    offline: bool | None = None,
    again: bool = False,
    progress: Progress = silent,
    cancel: Cancel | None = None,
    say: Say = log.warning,
) -> Path:
    """The file of a model, fetched into the cache if it is not there yet, and verified.

    Args:
        name: of the catalog.
        offline: never use the network; default: what ``$FINESIGHT_OFFLINE`` says.
        again: fetch it even if it is there.
        progress: bytes done, bytes in all (0 where not known), host.
        cancel: stops between blocks; what came is continued by the next call.
        say: called with one line for people: a licence that forbids commercial use, a hash that is not published.

    Raises:
        ModelError: the name is unknown, the file cannot be fetched, or it is not the published one.
        OutputError: the cache cannot be written.
    """
    found = card(name)
    target = _place(found)
    if found.packaged:
        if not target.is_file():
            raise ModelError(f"{name} should ship with finesight, but {target} is missing; install finesight again.")
        return target
    if target.is_file() and not again:
        verified(found, target)
        return target
    if found.manual:
        raise ModelError(_by_hand(found, target))
    if _is_offline(offline):
        raise ModelError(_not_offline(found, target))
    if found.non_commercial:
        say(f"The weights of {name} may not be used commercially: {found.licence or found.notes}")
    with locked(target, say=say):
        if not target.is_file() or again:  # another process may have fetched it while we waited
            _fetch(found, target, progress, cancel, say)
    return target


def _described(found: Card) -> str:
    facts = [f"{found.size / 1e6:.0f} MB"] if found.size else []
    begins = "begins with " if len(found.sha256) < 64 else ""
    facts.append(f"SHA-256 {begins}{found.sha256}" if found.sha256 else "no hash published")
    return ", ".join(facts)


def _by_hand(found: Card, target: Path) -> str:
    return (
        f"The weights of {found.name} cannot be fetched by an address. Get {found.filename} ({_described(found)}) from "
        f"{found.manual}, then run: finesight models import {found.filename}   (or put it into {target.parent})"
    )


def _not_offline(found: Card, target: Path) -> str:
    inside = f" (member {found.archive_member})" if found.archive_member else ""
    return (
        f"The weights of {found.name} have not been downloaded and --offline is set. Put {found.filename} "
        f"({_described(found)}) from {found.url}{inside} into {target.parent}, or with a network run: "
        f"finesight models get {found.name}"
    )


def _addresses(found: Card) -> list[str]:
    """The published address, then mirrors: of the catalog, and folders in ``$FINESIGHT_MIRROR`` (parted by spaces)."""
    name = PurePosixPath(found.url).name
    own = [f"{base.rstrip('/')}/{quote(name)}" for base in os.environ.get("FINESIGHT_MIRROR", "").split()]
    return [found.url, *found.mirrors, *own]


def _fetch(found: Card, target: Path, progress: Progress, cancel: Cancel | None, say: Say) -> None:
    """Download, and unpack where the weights are a member of an archive; the caller holds the lock."""
    if not found.archive_member:
        measured, source = download(_addresses(found), target, expected=found.sha256, progress=progress, cancel=cancel)
        remember(target, measured=measured, source=source)
        if not found.sha256:
            say(f"No hash of {found.name} is published. The file has the SHA-256 {measured}; it is recorded.")
        return
    archive = target.with_name(PurePosixPath(found.url).name)
    with locked(archive, say=say):
        if not archive.is_file():
            measured, source = download(
                _addresses(found), archive, expected=found.sha256, progress=progress, cancel=cancel
            )
            remember(archive, measured=measured, source=source)
    measured = _unpack(archive, found.archive_member, target)
    remember(target, measured=measured, source=f"{found.url}: {found.archive_member}")
    if not found.sha256:
        say(f"No hash of {found.name} is published. Its file has the SHA-256 {measured}; it is recorded.")


def _unpack(archive: Path, member: str, target: Path) -> str:
    """Copy one member of a zip or tar archive: the one at this path, or the only one of this name."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened, opened.open(_member(opened.namelist(), member, archive)) as file:
                return _copy(file, target)
        with tarfile.open(archive) as opened_tar:
            names = [entry.name for entry in opened_tar.getmembers() if entry.isfile()]
            part = opened_tar.extractfile(_member(names, member, archive))
            assert part is not None  # it is a file
            with part:
                return _copy(part, target)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ModelError(f"{archive} is not a whole archive ({error}). Delete it and try again.") from error


def _member(names: Sequence[str], wanted: str, archive: Path) -> str:
    if wanted in names:
        return wanted
    alike = [name for name in names if PurePosixPath(name).name == PurePosixPath(wanted).name]
    if len(alike) != 1:
        raise ModelError(f"{archive} has {len(alike)} members named {PurePosixPath(wanted).name}, expected one.")
    return alike[0]


def _copy(source: IO[bytes], target: Path) -> str:
    """Copy beside ``target`` and rename; gives the SHA-256."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        measured = sha256(temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return measured


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found about one model's file.

    Args:
        name, path: model and file.
        state: ``good`` agrees with the published hash; ``recorded`` agrees with what was first fetched, no hash being
            published; ``shipped`` came with finesight; ``absent`` is not there; ``bad`` is another file.
        sha256: measured, empty if absent.
        message: what to do, for ``bad``.
    """

    name: str
    path: Path
    state: Literal["good", "recorded", "shipped", "absent", "bad"]
    sha256: str = ""
    message: str = ""


def check(name: str) -> Checked:
    """Read the whole file of a model again and compare its hash.

    Raises:
        ModelError: the name is not in the catalog.
    """
    found = card(name)
    file = _place(found)
    if not file.is_file():
        return Checked(name, file, "absent")
    if found.packaged:
        return Checked(name, file, "shipped", sha256(file))
    try:
        measured = verified(found, file, again=True)
    except ModelError as error:
        return Checked(name, file, "bad", sha256(file), str(error))
    return Checked(name, file, "good" if found.sha256 and not found.archive_member else "recorded", measured)


def import_file(source: str | Path) -> list[str]:
    """Put a file that was fetched by hand (or a folder made by ``bundle``) into the cache; gives the models it is for.

    It is known by its published name, else by its hash.

    Raises:
        InputError: it cannot be read.
        ModelError: no model of the catalog has such a file, or it is not the published one.
    """
    file = Path(source)
    if file.is_dir():
        names = []
        for member in sorted(file.iterdir()):
            if member.is_file() and any(c.filename == member.name for c in catalog().values()):
                names += import_file(member)
        if not names:
            raise ModelError(f"No file in {file} belongs to a model of the catalog.")
        return names
    try:
        measured = sha256(file)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}.") from error
    cards = [c for c in catalog().values() if not c.packaged]
    owners = [c for c in cards if c.filename == file.name] or [
        c for c in cards if c.sha256 and not c.archive_member and measured.startswith(c.sha256)
    ]
    if not owners:
        raise ModelError(
            f"{file.name} is not the name of any model's file, and no published hash begins like its own "
            f"({measured[:8]}). To use it as it is: finesight upscale --model {file}"
        )
    found = owners[0]
    published = "" if found.archive_member else found.sha256
    if not measured.startswith(published):
        raise ModelError(
            f"{file} is not the published file of {found.name}: its SHA-256 begins with {measured[:8]}, expected "
            f"{published[:8]}. Fetch it again."
        )
    target = _place(found)
    if not target.exists() or not target.samefile(file):
        with locked(target, say=log.warning), file.open("rb") as opened:
            _copy(opened, target)
    remember(target, measured=measured, source=f"imported from {file.resolve()}")
    return [c.name for c in owners]


def bundle(
    names: Iterable[str],
    folder: str | Path,
    *,
    offline: bool | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
    say: Say = log.warning,
) -> list[Path]:
    """Copy the files of models into a folder for a machine without a network, where ``import_file`` takes it in.

    Files that are not in the cache are fetched first. Nothing is copied unless every file is there.

    Raises:
        ModelError, OutputError: as ``get``.
    """
    place = Path(folder)
    sources: dict[Path, None] = {}
    for name in names:
        if card(name).packaged:
            say(f"{name} ships with finesight and is not copied.")
        else:
            sources[get(name, offline=offline, progress=progress, cancel=cancel, say=say)] = None
    written = []
    for source in sources:
        target = place / source.name
        with source.open("rb") as file:
            _copy(file, target)
        written.append(target)
    return written
