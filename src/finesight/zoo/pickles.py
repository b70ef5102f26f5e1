"""Pickles without running anything: tensors, numpy values and plain containers are built, all other classes stay inert.

A pickle is a small program that may call any function. Here every name that it mentions is looked up in ``ALLOWED``,
whose functions are all ours and only build values. A class of another package (an optimizer, a logger, a configuration)
becomes an ``Inert`` object that records what it was given; calling a function that is not in ``ALLOWED`` is refused.
Nothing named in the file is ever imported.
"""

from __future__ import annotations

import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from finesight.errors import ModelError

__all__ = ["Inert", "Storage", "StorageType", "read_pickle", "rebuild_tensor"]

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}
LOWER_CASE_CLASSES = {"datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "uuid.UUID"}
EXECUTING = {
    "builtins", "code", "codeop", "ctypes", "importlib", "marshal", "multiprocessing", "nt", "os", "pickle", "posix",
    "pty", "runpy", "shutil", "socket", "subprocess", "sys", "webbrowser",
}  # fmt: skip
"""Modules of which not even a class may be called: calling ``Popen`` runs a program."""


class Inert:
    """Stands for an object of a class that is not ours: it keeps what the file gave it and can do nothing."""

    origin = ""

    def __new__(cls, *arguments: Any, **_named: Any) -> Inert:
        made = super().__new__(cls)
        made.arguments = arguments
        made.state = None
        made.members = []
        made.items = {}
        return made

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Take anything; ``__new__`` has kept it."""

    arguments: tuple[Any, ...]
    state: Any
    members: list[Any]
    items: dict[Any, Any]

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, member: Any) -> None:
        """Keep one member of a list-like object."""
        self.members.append(member)

    def add(self, member: Any) -> None:
        """Keep one member of a set-like object."""
        self.members.append(member)

    def extend(self, members: Any) -> None:
        """Keep the members of a list-like object."""
        self.members.extend(members)

    def __repr__(self) -> str:
        return f"<inert {self.origin}>"


class Refused:
    """Stands for a function that may not be called; only mentioning it is harmless."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def __call__(self, *_arguments: Any, **_named: Any) -> Any:
        raise ModelError(f"it asks to call {self.origin}, which is code and not weights; nothing was executed")


class StorageType:
    """The element type of a storage, as named in the file."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class Storage:
    """A one-dimensional tensor that tensors are views of."""

    def __init__(self, flat: Tensor) -> None:
        self.flat = flat


class Array:
    """A numpy array while it is being read; numeric ones become arrays, others stay empty."""

    def __init__(self, *_arguments: Any) -> None:
        self.value: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, raw = state
        found = dtype.numeric() if isinstance(dtype, Dtype) else None
        if found is None or not isinstance(raw, bytes | str):
            return
        flat = np.frombuffer(_raw(raw), found)
        self.value = flat.reshape(shape, order="F" if fortran else "C").copy()


class Dtype:
    """A numpy element type while it is being read."""

    def __init__(self, code: Any = "", *_arguments: Any) -> None:
        self.code = code if isinstance(code, str) else ""
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "="

    def numeric(self) -> np.dtype[Any] | None:
        """The real type, or ``None`` where it is not a number of fixed size."""
        if self.code[:1] not in ("f", "i", "u", "b", "c") or not self.code[1:].isdigit():
            return None
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]  # one of "<", ">", "="


def _raw(values: bytes | str) -> bytes:
    """Bytes as they are; Python 2 wrote them as text."""
    return values.encode("latin1") if isinstance(values, str) else values


def _scalar(dtype: Any, raw: Any = b"") -> Any:
    found = dtype.numeric() if isinstance(dtype, Dtype) else None
    if found is None or not isinstance(raw, bytes | str) or len(raw) != found.itemsize:
        return None
    return np.frombuffer(_raw(raw), found)[0]


def _array_from_buffer(raw: Any, dtype: Any, shape: Any, order: Any = "C") -> Any:
    made = Array()
    made.__setstate__((1, shape, dtype, order == "F", bytes(raw)))
    return made


def _encode(text: Any, encoding: Any = "latin1", *_errors: Any) -> bytes:
    """``_codecs.encode``: how protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ModelError(f"it asks to encode text as {encoding!r}")
    return text.encode("latin1")


def rebuild_tensor(storage: Any, offset: int, size: Any, stride: Any, *_rest: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise ModelError("one of its tensors has no storage")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    positive = offset >= 0 and all(n >= 0 for n in size) and all(step >= 0 for step in stride)
    if not positive or (all(size) and last >= storage.flat.numel()):
        raise ModelError(
            f"a tensor of shape {tuple(size)} reaches outside its storage of {storage.flat.numel()} values"
        )
    return storage.flat.as_strided(tuple(size), tuple(stride), offset)


def _rebuild_tensor_v3(
    storage: Any, offset: int, size: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> Tensor:
    if not isinstance(storage, Storage) or not isinstance(dtype, torch.dtype):
        raise ModelError("one of its tensors has no storage")
    return rebuild_tensor(Storage(storage.flat.view(dtype)), offset, size, stride)


def _rebuild_parameter(tensor: Any, *_rest: Any) -> Any:
    return tensor


def _container(kind: type) -> Callable[..., Any]:
    def build(*arguments: Any) -> Any:
        return kind(*arguments[:1])

    return build


class Dictionary(dict[Any, Any]):
    """A plain dictionary in place of ``defaultdict`` and ``Counter``: the factory that the file names is dropped."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*(a for a in arguments if isinstance(a, Mapping)))


def _as_class(kind: Any) -> Any:
    """A name that the file uses as a class is one, however it is spelled; it becomes inert like any other."""
    if isinstance(kind, Refused) and kind.origin.partition(".")[0] not in EXECUTING:
        return type(kind.origin.rpartition(".")[2], (Inert,), {"origin": kind.origin})
    return kind


def _reconstructor(kind: Any, _base: Any = None, _state: Any = None) -> Any:
    kind = _as_class(kind)
    if not (isinstance(kind, type) and issubclass(kind, Inert | dict)):
        raise ModelError(f"it asks to build {kind!r}")
    return kind()


ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": Dictionary,
    "collections.Counter": Dictionary,
    "_codecs.encode": _encode,
    "copyreg._reconstructor": _reconstructor,
    "builtins.object": object,
    "builtins.slice": lambda *_: None,
    "builtins.bytes": lambda *_: b"",
    "numpy.dtype": Dtype,
    "numpy.ndarray": Array,
    "torch.Size": _container(tuple),
    "torch.device": _container(str),
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
}
for _numpy in ("numpy.core", "numpy._core"):
    ALLOWED[f"{_numpy}.multiarray._reconstruct"] = Array
    ALLOWED[f"{_numpy}.multiarray.scalar"] = _scalar
    ALLOWED[f"{_numpy}.numeric._frombuffer"] = _array_from_buffer
for _kind in (set, frozenset, list, tuple, dict, complex):
    ALLOWED[f"builtins.{_kind.__name__}"] = _container(_kind)
for _name, _dtype in vars(torch).items():
    if isinstance(_dtype, torch.dtype):
        ALLOWED[f"torch.{_name}"] = _dtype
for _name, _dtype in DTYPES.items():
    for _module in ("torch", "torch.cuda", "torch.storage"):
        ALLOWED[f"{_module}.{_name}"] = StorageType(_dtype)


def _stand_in(module: str, name: str) -> Any:
    """What a name outside ``ALLOWED`` becomes: a class by its spelling is inert, a function refuses to be called."""
    origin = f"{module}.{name}"
    looks_like_class = name.rpartition(".")[2].lstrip("_")[:1].isupper() or origin in LOWER_CASE_CLASSES
    if not looks_like_class or module.partition(".")[0] in EXECUTING:
        return Refused(origin)
    return type(name.rpartition(".")[2], (Inert,), {"origin": origin})


class Unpickler(pickle._Unpickler):  # the readable one: its memo is a dict, so no index can make it grow
    """Builds what the module's text says. ``persistent`` answers for the storages that the file mentions."""

    stack: list[Any]
    append: Callable[[Any], None]

    def __init__(self, file: IO[bytes], persistent: Callable[[Any], Any]) -> None:
        super().__init__(file, encoding="latin1")
        self._persistent = persistent

    def find_class(self, module: str, name: str) -> Any:
        """Never imports: the value of ``ALLOWED`` or a stand-in."""
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # Python 2's names
        found = ALLOWED.get(f"{module}.{name}")
        return _stand_in(module, name) if found is None else found

    def get_extension(self, code: int) -> None:
        """Extension codes name objects of the running program."""
        raise ModelError(f"it refers to a registered object of the running program (code {code})")

    def persistent_load(self, saved: Any) -> Any:
        """A storage by its key."""
        return self._persistent(saved)

    def load_build(self) -> None:
        """Give a state to an object, but only to those made for it: not to functions, classes or tensors."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Inert | Array | Dtype):
            target.__setstate__(state)

    def load_newobj(self) -> None:
        """Make an object of a class without calling anything of its own."""
        arguments = self.stack.pop()
        kind = _as_class(self.stack.pop())
        if isinstance(kind, Refused):
            kind()
        self.append(kind.__new__(kind, *arguments))

    def load_newobj_ex(self) -> None:
        """The same with named arguments."""
        named = self.stack.pop()
        arguments = self.stack.pop()
        kind = _as_class(self.stack.pop())
        if isinstance(kind, Refused):
            kind()
        self.append(kind.__new__(kind, *arguments, **named))

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
    }


def _no_storages(saved: Any) -> Any:
    raise ModelError(f"it refers to a storage {saved!r} where none is expected")


def read_pickle(file: IO[bytes], persistent: Callable[[Any], Any] = _no_storages) -> Any:
    """Read one pickle from where ``file`` stands.

    Raises:
        ModelError: it is broken, or asks to call a function.
    """
    try:
        return _Plain()(Unpickler(file, persistent).load())
    except ModelError:
        raise
    except (
        Exception
    ) as error:  # a hostile pickle can make any operation of the machine fail; none of them is ours to tell apart
        raise ModelError(f"its pickle is broken or cut off ({type(error).__name__}: {error})") from error


class _Plain:
    """Arrays that were read to numpy arrays, in the containers that hold them; each object is visited once."""

    def __init__(self) -> None:
        self.done: dict[int, Any] = {}
        self.kept: list[Any] = []  # ids are only unique among living objects

    def __call__(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, Array):
            return value.value
        if not isinstance(value, dict | list | tuple) or depth > 32:
            return value
        if id(value) in self.done:
            return self.done[id(value)]
        self.kept.append(value)
        self.done[id(value)] = value
        if isinstance(value, dict):
            for key, member in value.items():
                value[key] = self(member, depth + 1)
        elif isinstance(value, list):
            value[:] = [self(member, depth + 1) for member in value]
        else:
            self.done[id(value)] = tuple(self(member, depth + 1) for member in value)
        return self.done[id(value)]
