"""Which files a command works on and what it calls its results; nothing is opened for writing here."""

from __future__ import annotations

import difflib
import glob
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from finesight.errors import InputError, OutputError, SettingError

from .atomic import PART
from .files import shown
from .formats import FORMATS, HEAD, find_format, format_of_suffix, sniff

__all__ = ["Item", "Job", "expand_inputs", "plan_outputs"]

PIPE = "-"
_INSTEAD = "png"  # for inputs whose format is not written: loses nothing


@dataclass(frozen=True)
class Item:
    """One picture to work on.

    Attributes:
        source: its path, or "-" for standard input.
        relative: its place below the folder it was found in; only its name where it was named itself.
        named: whether the user named this very file rather than a folder or a pattern.
        problem: why there is nothing to work on ("" where there is), for instance a pattern that matches no file. A
            file that is missing has no problem here: reading it says so.
    """

    source: str
    relative: PurePath
    named: bool = True
    problem: str = ""


@dataclass(frozen=True)
class Job:
    """One picture and the file its result goes to.

    Attributes:
        item: the input.
        target: the output's path, or "-" for standard output.
        format: name of the output's format.
    """

    item: Item
    target: str
    format: str


def expand_inputs(inputs: Sequence[str | os.PathLike[str]]) -> list[Item]:
    """Turn files, folders, patterns and "-" into single pictures, each once, in the order given, folders sorted.

    Folders are searched with all below them for names with the ending of a picture; hidden files and folders and
    unfinished ``.part`` files are left out. Of several folders each keeps its own name in `Item.relative`, as ``cp -r``
    does. Patterns (``*``, ``?``, ``[...]``, ``**``) work where the shell did not expand them.

    Raises:
        InputError: no inputs at all.
    """
    if not inputs:
        raise InputError("No input was given: name files, folders, patterns, or - for standard input.")
    folders = sum(os.path.isdir(entry) for entry in inputs)
    items: list[Item] = []
    seen: set[str] = set()
    for entry in inputs:
        for item in _expand(os.fspath(entry), keep_name=folders > 1):
            key = item.source if item.source == PIPE or item.problem else os.path.realpath(item.source)
            if key not in seen:
                seen.add(key)
                items.append(item)
    return items


def _expand(entry: str, *, keep_name: bool) -> Iterator[Item]:
    if entry == PIPE:
        yield Item(PIPE, PurePath("stdin"))
    elif os.path.isdir(entry):
        yield from _search(Path(entry), keep_name=keep_name)
    elif not os.path.lexists(entry) and glob.has_magic(entry):
        matches = sorted(glob.glob(entry, recursive=True))
        if not matches:
            yield Item(entry, PurePath("none"), problem=f"No file matches {shown(entry)}.")
        for match in matches:
            if os.path.isdir(match):
                yield from _search(Path(match), keep_name=True) if "**" not in entry else ()
            elif "**" not in entry or _is_picture(Path(match).name):
                yield Item(match, PurePath(Path(match).name), named=False)
    else:
        problem = "" if os.path.lexists(entry) else _missing(Path(entry))
        yield Item(entry, PurePath(Path(entry).name or entry), problem=problem)


def _missing(path: Path) -> str:
    """That a file does not exist, with the nearest names in its folder."""
    try:
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=2)
    except OSError:
        return f"{shown(path)} does not exist, nor does its folder {shown(path.parent)}."
    hint = f" Did you mean {' or '.join(shown(path.parent / name) for name in near)}?" if near else ""
    return f"{shown(path)} does not exist.{hint}"


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(PART) and format_of_suffix(PurePath(name).suffix) is not None


def _search(folder: Path, *, keep_name: bool) -> Iterator[Item]:
    found = False
    refused: list[OSError] = []
    for where, below, names in os.walk(folder, onerror=refused.append):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if _is_picture(name):
                found = True
                path = Path(where) / name
                relative = PurePath(path.relative_to(folder))
                own = Path(os.path.abspath(folder)).name
                yield Item(str(path), PurePath(own) / relative if keep_name and own else relative, named=False)
    for error in refused:
        name = shown(error.filename or folder)
        yield Item(
            str(error.filename or folder), PurePath("none"), problem=f"{name} cannot be listed: {error.strerror}."
        )
    if not found and not refused:
        yield Item(str(folder), PurePath("none"), problem=f"{shown(folder)} holds no pictures.")


def plan_outputs(
    items: Sequence[Item],
    output: str | os.PathLike[str] | None = None,
    *,
    suffix: str = "",
    format: str | None = None,  # noqa: A002 (the user's word)
) -> list[Job]:
    """Say where each result goes; no two results share a name, also where upper and lower case are the same.

    Items with a problem get no job. An item that was found in a folder and is another item's result (of an earlier run)
    gets none either.

    Args:
        items: what `expand_inputs` gave.
        output: a file (for one item), a folder (existing, ending with a slash, without a picture's ending, or for
            several items), "-" for standard output, or None: beside each input.
        suffix: put between name and ending (``photo.jpg`` to ``photo_x4.jpg``), not where `output` names the file.
        format: the format of all results; None takes the ending of `output`, else the format of each input, or PNG
            where that is not written.

    Raises:
        SettingError: an unknown format, one not written, several results for one file, or a suffix with a slash.
        OutputError: a result would replace an input.
    """
    if format is not None and not find_format(format).writable:
        raise SettingError(f"{find_format(format).name} is read but not written. Choose another --format.")
    if os.sep in suffix or "/" in suffix:
        raise SettingError(f"A suffix must not hold a slash; {suffix!r} does.")
    ready = [item for item in items if not item.problem]
    single = _single_target(ready, output)
    if single is not None:
        jobs = [_to_single(item, single, format) for item in ready]
    else:
        jobs = [_beside_or_below(item, output, suffix, format) for item in ready]
        jobs = _without_results(jobs)
        jobs = _apart(jobs, suffix)
    _keep_inputs(jobs)
    return jobs


def _single_target(items: Sequence[Item], output: str | os.PathLike[str] | None) -> str | None:
    """The output where it names one file or standard output, None where it is a folder or not given."""
    if output is None:
        return PIPE if len(items) == 1 and items[0].source == PIPE else None
    text = os.fspath(output)
    if text == PIPE:
        if len(items) > 1:
            raise SettingError(f"{len(items)} results cannot go to standard output. Give a folder with -o.")
        return text
    if text.endswith(("/", os.sep)) or os.path.isdir(text):
        return None
    if format_of_suffix(Path(text).suffix) is None:
        return None
    if len(items) > 1 or (items and not items[0].named):
        raise SettingError(f"{len(items)} results cannot go into the one file {shown(text)}. Give a folder with -o.")
    return text


def _to_single(item: Item, target: str, name: str | None) -> Job:
    ending = format_of_suffix(Path(target).suffix) if target != PIPE else None
    form = find_format(name or ending or _format_of(item))
    if not form.writable and name is None and ending is None:
        form = FORMATS[_INSTEAD]
    if not form.writable:
        raise SettingError(f"{form.name} is read but not written. Choose another ending or --format.")
    return Job(item, target, form.name)


def _format_of(item: Item) -> str:
    """The format that an input's content says, its name where it cannot be looked at yet."""
    if item.source == PIPE:
        return _INSTEAD
    path = Path(item.source)
    named = format_of_suffix(path.suffix) or _INSTEAD
    try:
        if not path.is_file():
            return named
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return named
    return sniff(head, suffix=path.suffix) or named


def _beside_or_below(item: Item, output: str | os.PathLike[str] | None, suffix: str, name: str | None) -> Job:
    found = _format_of(item)
    form = find_format(name) if name else FORMATS[found] if FORMATS[found].writable else FORMATS[_INSTEAD]
    ending = item.relative.suffix
    if format_of_suffix(ending) != form.name:
        ending = form.suffixes[0]
    place = Path(item.source).parent if output is None else Path(output) / item.relative.parent
    if item.source == PIPE:
        place = Path(output or ".")
    return Job(item, str(place / f"{item.relative.stem}{suffix}{ending}"), form.name)


def _key(path: str) -> str:
    """The same for names that some file system takes for the same."""
    folder, name = os.path.split(path)
    return unicodedata.normalize("NFC", os.path.join(os.path.realpath(folder), name)).casefold()


def _without_results(jobs: list[Job]) -> list[Job]:
    """Leave out what an earlier run wrote into a folder that is searched again."""
    targets = {_key(job.target): job for job in jobs}
    return [
        job
        for job in jobs
        if job.item.named
        or job.item.source == PIPE
        or (other := targets.get(_key(job.item.source))) is None
        or other is job
    ]


def _apart(jobs: list[Job], suffix: str) -> list[Job]:
    """Rename results that would share a name: first by the ending of their input, then by counting."""
    counts = Counter(_key(job.target) for job in jobs)
    renamed = []
    for job in jobs:
        if counts[_key(job.target)] > 1:
            old = Path(job.target)
            kind = job.item.relative.suffix.lstrip(".").lower() or "file"
            job = replace(job, target=str(old.with_name(f"{job.item.relative.stem}_{kind}{suffix}{old.suffix}")))
        renamed.append(job)
    taken: set[str] = set()
    result = []
    for job in renamed:
        path, number = Path(job.target), 1
        while _key(str(path)) in taken:
            number += 1
            path = Path(job.target).with_name(f"{Path(job.target).stem}_{number}{path.suffix}")
        taken.add(_key(str(path)))
        result.append(replace(job, target=str(path)))
    return result


def _keep_inputs(jobs: Sequence[Job]) -> None:
    inputs = {_key(job.item.source): job.item.source for job in jobs if job.item.source != PIPE}
    inputs |= {_key(os.path.realpath(source)): source for source in inputs.values()}
    for job in jobs:
        if job.target == PIPE:
            continue
        clash = inputs.get(_key(job.target)) or inputs.get(_key(os.path.realpath(job.target)))
        if clash is not None:
            raise OutputError(
                f"The result of {shown(job.item.source)} would replace the input {shown(clash)}. "
                "Inputs are never overwritten: choose another -o or --suffix."
            )
