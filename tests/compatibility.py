"""Whether a schema's next version stays readable for readers of this one: what it allows, this one allowed.

For JSON Schema the rule is looked up keyword by keyword, as far as our schemas use them; a keyword that is not known
here counts as a break unless both versions have it alike, so that the answer is never a lucky yes. For Avro the next
version's records are written at random and read through this version, as Avro's resolution has it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import fastavro
from fastavro.utils import generate_many

NOTES = {"$schema", "$id", "$defs", "title", "description", "x-version", "$comment", "examples"}
LOWER, UPPER = {"minimum", "minLength", "minItems", "minProperties"}, {"maximum", "maxLength", "maxItems"}
KINDS = {"null", "boolean", "integer", "number", "string", "array", "object"}


def json_breaks(old: Any, new: Any) -> list[str]:
    """What a reader of `old` might not take of a record that is valid under `new`; empty: nothing."""
    return list(_compare(old, new, old, new, "$"))


def _compare(old: Any, new: Any, old_root: Any, new_root: Any, path: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    if extra := _kinds(new) - _kinds(old):
        yield f"{path}: also {', '.join(sorted(extra))}"
    for key in sorted((set(old) - NOTES) - {"type"}):
        yield from _keyword(key, old, new, old_root, new_root, path)


def _keyword(key: str, old: Any, new: Any, old_root: Any, new_root: Any, path: str) -> Iterator[str]:
    was, now = old[key], new.get(key)
    if key == "properties":
        for name, schema in was.items():
            if name not in (now or {}):
                yield f"{path}.{name}: gone"
            else:
                yield from _compare(schema, now[name], old_root, new_root, f"{path}.{name}")
    elif key == "required":
        yield from (f"{path}.{name}: may be missing" for name in was if name not in (now or []))
    elif key == "enum":
        values = now if now is not None else [new["const"]] if "const" in new else None
        if values is None or any(value not in was for value in values):
            yield f"{path}: more values than {was}"
    elif key in LOWER | UPPER:
        looser = now is None or (now < was if key in LOWER else now > was)
        if looser:
            yield f"{path}: {key} was {was}, is {now}"
    elif key == "items" and now is not None:
        yield from _compare(was, now, old_root, new_root, f"{path}[]")
    elif key == "prefixItems" and now is not None and len(now) == len(was):
        for number, (before, after) in enumerate(zip(was, now, strict=True)):
            yield from _compare(before, after, old_root, new_root, f"{path}[{number}]")
    elif key == "additionalProperties":
        if was is not True:
            added = [now, *(s for n, s in new.get("properties", {}).items() if n not in old.get("properties", {}))]
            for schema in added:
                if not isinstance(schema, dict) or not isinstance(was, dict):
                    yield f"{path}: additional properties were {was}"
                else:
                    yield from _compare(was, schema, old_root, new_root, f"{path}.*")
    elif key == "oneOf" and now is not None:
        for branch in now:
            if all(list(_compare(before, branch, old_root, new_root, path)) for before in was):
                yield f"{path}: a form that was not"
    elif was != now:
        yield f"{path}: {key} was {was}, is {now}"


def _kinds(schema: Any) -> set[str]:
    if "type" not in schema:
        values = schema.get("enum", [schema["const"]] if "const" in schema else None)
        return set(KINDS) if values is None else set()  # of an enum, its values are compared
    kinds = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
    return kinds | ({"integer"} if "number" in kinds else set())


def _resolved(schema: Any, root: Any) -> Any:
    """The schema behind a reference, with what stands beside it."""
    if "$ref" not in schema:
        return schema
    target = root
    for step in schema["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def avro_breaks(old: Any, new: Any, seed: int = 0, count: int = 200) -> list[str]:
    """What a reader of `old` cannot take, or loses, of records written under `new`; empty: nothing."""
    reader, writer = fastavro.parse_schema(old), fastavro.parse_schema(new)
    random.seed(seed)
    problems = {}
    # Branch by branch, each by its own record type, so that none is left out by chance.
    for branch in writer:
        for record in generate_many(branch, count // len(writer)):
            out = BytesIO()
            fastavro.schemaless_writer(out, writer, (branch["name"], record))
            # The plain reading tells a value that resolution would quietly replace by a default.
            plain = fastavro.schemaless_reader(BytesIO(out.getvalue()), writer)
            try:
                seen = fastavro.schemaless_reader(BytesIO(out.getvalue()), writer, reader)
            except Exception as error:  # whatever it is, the old reader cannot go on
                problems[f"{branch['name']}: {type(error).__name__}"] = None
                continue
            problems |= dict.fromkeys(f"{branch['name']}.{name}: changed" for name in _changed(seen, plain))
    return list(problems)


def _changed(seen: Any, plain: Any) -> Iterator[str]:
    for name, value in seen.items():
        if name not in plain:
            yield name
        elif isinstance(value, dict) and isinstance(plain[name], dict):
            yield from (f"{name}.{inner}" for inner in _changed(value, plain[name]))
        elif value != plain[name]:
            yield name
