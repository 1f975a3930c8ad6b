"""Snapshot and restore of small stateful parts, without pickle: plain values in, the same plain values out.

A part lists its mutable attributes in `STATE`. `state()` copies them into msgpack-able values; `load_state()` puts them
back on a part built with the same settings. Nested parts, deques, tuples, sets of scalars, numpy arrays and dataclasses
registered with `@record` are carried exactly (array dtype and shape, tuple against list).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Any, ClassVar, TypeVar

import msgpack
import numpy as np

_RECORDS: dict[str, type] = {}
_ENUMS: dict[str, type[Enum]] = {}
T = TypeVar("T", bound=type)


def record(cls: T) -> T:
    """Register a dataclass or an enum, so that a snapshot may hold its instances (by its class name)."""
    registry: dict[str, Any] = _ENUMS if issubclass(cls, Enum) else _RECORDS
    if registry.get(cls.__name__, cls).__module__ != cls.__module__:
        raise TypeError(f"two classes named {cls.__name__} cannot both be snapshot records")
    registry[cls.__name__] = cls
    return cls


class Stateful:
    """A part whose attributes named in `STATE` are all that a restart must bring back."""

    STATE: ClassVar[tuple[str, ...]] = ()

    def state(self) -> dict[str, Any]:
        return {name: _plain(getattr(self, name)) for name in self.STATE}

    def load_state(self, state: dict[str, Any]) -> None:
        for name in self.STATE:
            setattr(self, name, _restored(state[name], getattr(self, name, None)))


def layout(*modules: str) -> str:
    """Names the form that snapshots of these modules' parts (a package: those right in it) have.

    It is another where a part or a record has other fields; whoever saves snapshots across releases keeps it beside
    them. What only the meaning of a value tells (seconds that become milliseconds) it does not see: that takes a
    version of one's own.
    """
    lines = []
    for part in set(_below(Stateful)):
        if _in(part, modules):
            lines.append(f"{part.__module__}.{part.__qualname__}: {part.STATE}")
    for cls in _RECORDS.values():
        if _in(cls, modules):
            fields = [(field.name, str(field.type)) for field in dataclasses.fields(cls)]
            lines.append(f"{cls.__module__}.{cls.__qualname__}= {fields}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]


def _in(cls: type, modules: tuple[str, ...]) -> bool:
    return cls.__module__ in modules or cls.__module__.rpartition(".")[0] in modules


def _below(cls: type[Stateful]) -> Iterator[type[Stateful]]:
    for below in cls.__subclasses__():
        yield below
        yield from _below(below)


def pack(value: Any) -> bytes:
    """Plain values (as `state()` returns them) as bytes; equal values give equal bytes."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, raw=False, strict_map_key=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Stateful):
        return {"!": "part", "v": value.state()}
    if isinstance(value, Enum):
        if type(value).__name__ not in _ENUMS:
            raise TypeError(f"{type(value).__name__} is not registered with @record")
        return {"!": "enum", "c": type(value).__name__, "v": value.value}
    if isinstance(value, np.ndarray):
        return {"!": "array", "d": value.dtype.str, "s": list(value.shape), "v": value.tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if type(value).__name__ not in _RECORDS:
            raise TypeError(f"{type(value).__name__} is not registered with @record")
        fields = [_plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
        return {"!": "record", "c": type(value).__name__, "v": fields}
    if isinstance(value, deque):
        return {"!": "deque", "m": value.maxlen, "v": [_plain(item) for item in value]}
    if isinstance(value, tuple):
        return {"!": "tuple", "v": [_plain(item) for item in value]}
    if isinstance(value, set | frozenset):
        return {"!": "set", "v": sorted(value)}
    if isinstance(value, dict):
        return {"!": "dict", "v": [[_plain(key), _plain(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise TypeError(f"a snapshot cannot hold a {type(value).__name__}")


def _restored(value: Any, current: Any) -> Any:
    """The value behind `_plain`'s form; `current` is the part that a nested state is loaded into."""
    if isinstance(value, list):
        currents = current if isinstance(current, list) and len(current) == len(value) else [None] * len(value)
        return [_restored(item, now) for item, now in zip(value, currents, strict=True)]
    if not isinstance(value, dict):
        return value
    kind, inner = value["!"], value["v"]
    match kind:
        case "part":
            current.load_state(inner)
            return current
        case "enum":
            return _ENUMS[value["c"]](inner)
        case "array":
            return np.frombuffer(inner, dtype=value["d"]).reshape(value["s"]).copy()
        case "record":
            names = (field.name for field in dataclasses.fields(_RECORDS[value["c"]]))
            return _RECORDS[value["c"]](
                **{name: _restored(item, None) for name, item in zip(names, inner, strict=True)}
            )
        case "deque":
            return deque((_restored(item, None) for item in inner), maxlen=value["m"])
        case "tuple":
            parts = list(current) if isinstance(current, tuple) and len(current) == len(inner) else [None] * len(inner)
            return tuple(_restored(item, now) for item, now in zip(inner, parts, strict=True))
        case "set":
            return set(inner)
        case "dict":
            known = current if isinstance(current, dict) else {}
            pairs = ((_restored(key, None), item) for key, item in inner)
            return {key: _restored(item, known.get(key)) for key, item in pairs}
    raise TypeError(f"unknown snapshot value {kind!r}")
