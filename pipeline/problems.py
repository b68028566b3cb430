"""From a validation error to sentences a person can act on: key, value, expectation, nearest valid name."""

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def nearest(name: str, known: Iterable[str]) -> str:
    """A question naming the closest known name, with a leading space; empty where none is close."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """A sentence that `name` is not a known `kind`, with the nearest and all known names."""
    names = sorted(known)
    return f'"{name}" is not a {kind}.{nearest(name, names)} Known: {", ".join(names) if names else "none"}.'


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence a problem in `error`, in the order of the file's model."""
    return [_sentence(detail, model) for detail in error.errors()]


def _sentence(detail: Any, model: type[BaseModel]) -> str:
    place = [part for part in detail["loc"] if not _is_internal(part)]
    where = _spell(place)
    value, kind, context = detail.get("input"), detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_fields(model, detail["loc"][:-1])
        return f"{_spell(place[:-1]) or 'top level'}: {unknown('known key', str(place[-1]), known)}"
    if kind == "missing":
        return f"{where}: this key is required and missing"
    if kind in ("literal_error", "union_tag_invalid"):
        expected = context.get("expected", context.get("expected_tags", ""))
        names = [name.strip().strip("'") for name in expected.replace(" or ", ", ").split(",")]
        given = context.get("tag", value)
        return f"{where}: {unknown('known value here', str(given), names)}"
    if kind == "union_tag_not_found":
        return f"{where}: the key {context.get('discriminator', 'op')} is required and missing"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    shown = "" if isinstance(value, dict) or (kind == "value_error" and repr(value) in message) else f"{value!r}: "
    return f"{where or 'job'}: {shown}{message[:1].lower() + message[1:]}"


def _is_internal(part: Any) -> bool:
    return isinstance(part, str) and any(mark in part for mark in "[(")


def _spell(place: list[Any]) -> str:
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _known_fields(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """Field names of the model that `loc` leads to; all reachable ones where the way is ambiguous."""
    models: list[type[BaseModel]] = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        inner = [
            found for at in models if part in at.model_fields for found in _models_in(at.model_fields[part].annotation)
        ]
        tagged = [at for at in models if _tag_of(at) == part]
        models = inner or tagged or models
    return [field.alias or name for at in models for name, field in at.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _tag_of(model: type[BaseModel]) -> Any:
    field = model.model_fields.get("op")
    return field.default if field is not None else None
