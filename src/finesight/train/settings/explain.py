"""What is wrong with a recipe, in one line that names the nearest setting."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Tag, ValidationError

from finesight.errors import SettingError, nearest

__all__ = ["problem"]


def problem(model: type[BaseModel], error: ValidationError, source: str) -> SettingError:
    """The first thing that is wrong: what lies deepest, since a union reports every member that does not fit."""
    first = min(_meant(error.errors()), key=lambda one: (-len(one["loc"]), one["type"] != "extra_forbidden"))
    path, known = _walk(model, list(first["loc"]))
    where = ".".join(path)
    if first["type"] == "extra_forbidden":
        return SettingError(f"{source}: {where} is not a setting. {nearest(path[-1], known)}".rstrip())
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _choice(f"{source}: {where}.kind", sorted(known), first.get("ctx", {}).get("tag", ""))
    if first["type"] == "literal_error" and isinstance(first.get("input"), str):
        choices = re.findall(r"'([^']*)'", first.get("ctx", {}).get("expected", ""))
        return _choice(f"{source}: {where}", choices, str(first["input"]))
    message = first["msg"].removeprefix("Value error, ")
    found = f" (found {_short(first.get('input'))})" if path else ""
    return SettingError(": ".join(part for part in (source, where, message + found) if part))


def _meant(errors: Sequence[Any]) -> list[Any]:
    """Without what members of a union say that are of another ``kind`` than the one written."""
    placed = [one for one in errors if one["loc"]]
    strange = [one["loc"][:-1] for one in placed if one["type"] == "literal_error" and one["loc"][-1] == "kind"]
    for word in (one for one in placed if str(one["loc"][-1]).startswith("literal[")):
        if isinstance(word.get("input"), str):  # a word was meant, not settings
            strange += [one["loc"] for one in placed if one["loc"][:-1] == word["loc"][:-1] and one is not word]
        else:
            strange.append(word["loc"])
    left = [one for one in errors if not any(one["loc"][: len(place)] == place for place in strange)]
    return left or list(errors)


def _choice(where: str, choices: Sequence[str], found: str) -> SettingError:
    text = f"{where}: expected one of {', '.join(choices)}, found '{found}'. {nearest(found, choices)}"
    return SettingError(text.rstrip())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _walk(model: Any, location: Sequence[int | str]) -> tuple[list[str], list[str]]:
    """The place as a user writes it, without the tags of unions; and the names (or kinds) that are known there."""
    path: list[str] = []
    place: Any = model
    known: list[str] = []
    for part in location:
        if isinstance(part, int):
            path.append(str(part))
            place = _element(place)
            continue
        members = _members(place)
        if part in members:  # the tag of a union: not written in the recipe
            place = members[part]
            continue
        fields = _fields(place)
        if not fields or part.startswith("literal["):  # a member of a union that is no model, such as a word
            continue
        known = list(fields)
        path.append(part)
        place = fields.get(part)
    tags = [name for name, member in _members(place).items() if name != member.__name__]
    return path, known if place is None else tags or known


def _fields(place: Any) -> dict[str, Any]:
    """The settings of a model by name; of a union that has no tags, those of all its members."""
    if isinstance(place, type) and issubclass(place, BaseModel):
        return {name: _annotation(place, name) for name in place.model_fields}
    return {name: found for one in _options(place) for name, found in _fields(one).items()}


def _annotation(model: type[BaseModel], name: str) -> Any:
    field = model.model_fields[name]
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _options(place: Any) -> tuple[Any, ...]:
    """The members of a union, without what is said about it."""
    if typing.get_origin(place) is Annotated:
        return _options(typing.get_args(place)[0])
    if typing.get_origin(place) in (typing.Union, types.UnionType):
        return typing.get_args(place)
    return ()


def _members(place: Any) -> dict[str, Any]:
    """The models of a union by tag or by the value of their ``kind``, and by class name, as pydantic reports them."""
    found: dict[str, Any] = {}
    for one in _options(place):
        bare = typing.get_args(one)[0] if typing.get_origin(one) is Annotated else one
        for told in typing.get_args(one)[1:] if typing.get_origin(one) is Annotated else ():
            if isinstance(told, Tag):
                found[told.tag] = bare
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            kind = bare.model_fields.get("kind")
            if kind is not None and isinstance(kind.default, str):
                found.setdefault(kind.default, bare)
            found.setdefault(bare.__name__, bare)
    return found


def _element(place: Any) -> Any:
    """What a list or tuple of settings holds."""
    if typing.get_origin(place) is Annotated:
        return _element(typing.get_args(place)[0])
    arguments = typing.get_args(place)
    return arguments[0] if arguments else None
