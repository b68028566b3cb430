"""The reference of the job file, made from the settings' own classes: keys, types, defaults, meanings."""

import inspect
import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipeline.config import JobConfig
from pipeline.settings import parse_size

_NAMES = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): ""}
_CODE_LINE = re.compile(r"\s*(\[+[\w.]+\]+|[\w.]+ = .*)")
#: Bounds from here on say no more than that a number is a number.
_ANY_NUMBER = 2**53


def job_reference() -> str:
    """The Markdown page on the job file."""
    parts = [
        "# The job file\n",
        f"{_prose(JobConfig)}\n",
        "A job is one TOML file. It is checked as a whole before anything is read or written, and every problem is "
        "told at once. `${NAME}` in a text stands for an environment variable; `--set key=value` changes a setting "
        "for one run.\n",
        "## Top level\n",
        _table(JobConfig),
    ]
    for name, field in JobConfig.model_fields.items():
        models = list(_models(field.annotation))
        if models:
            title = f"[[{name}]]" if get_origin(field.annotation) is tuple else f"[{name}]"
            parts.append(_section(name, title, models, level=2))
    return "\n".join(parts)


def _section(name: str, title: str, models: list[type[BaseModel]], level: int) -> str:
    """A table of the job file; where it is one of several kinds, each kind in a section of its own."""
    marks = "#" * level
    if len(models) == 1:
        return f"{marks} {title}\n\n{_kind(models[0], level, name)}"
    parts = [f"{marks} {title}\n", "Each table is one of these, told apart by `op`, and they run in order.\n"]
    parts += [f"{marks}# {model.model_fields['op'].default}\n\n{_kind(model, level + 1, name)}" for model in models]
    return "\n".join(parts)


def _kind(model: type[BaseModel], level: int, name: str) -> str:
    parts = [f"{_prose(model)}\n", _table(model)]
    for key, field in model.model_fields.items():
        for inner in _models(field.annotation):
            title = f"{'#' * (level + 1)} {name}.{key}"
            parts.append(f"{title}\n\n{_kind(inner, level + 1, f'{name}.{key}')}")
    return "\n".join(parts)


def _prose(model: type[BaseModel]) -> str:
    """The docstring in Markdown, its TOML in code blocks."""
    blocks = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(model.__doc__ or "")):
        lines = block.splitlines()
        if all(_CODE_LINE.fullmatch(line) for line in lines):
            blocks.append("```toml\n" + inspect.cleandoc(block) + "\n```")
        else:
            blocks.append(block.replace("``", "`"))
    return "\n\n".join(blocks)


def _table(model: type[BaseModel]) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if name == "op":
            continue
        kind = ", ".join([_type(field.annotation, field), *_limits(field)])
        cells = (f"`{field.alias or name}`", kind, _default(field), field.description or "")
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("``", "`")).replace("|", "\\|")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The settings classes inside a type, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _is_size(annotation: Any, field: FieldInfo | None = None) -> bool:
    metadata = [*(field.metadata if field else ()), *getattr(annotation, "__metadata__", ())]
    if any(getattr(each, "func", None) is parse_size for each in metadata):
        return True
    return any(_is_size(part) for part in get_args(annotation) if get_origin(part) is not Literal)


def _type(annotation: Any, field: FieldInfo | None = None) -> str:
    """What a person writes, in words."""
    if _is_size(annotation, field):
        return "size"
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return " or ".join(f'`"{part}"`' if isinstance(part, str) else f"`{str(part).lower()}`" for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(told for part in parts if (told := _type(part))))
    if origin is tuple:
        return f"list of {_type(parts[0])}" if parts[-1] is Ellipsis else "[" + ", ".join(map(_type, parts)) + "]"
    if origin is dict:
        return f"table of {_type(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _limits(field: FieldInfo) -> list[str]:
    """The bounds of a number, in signs."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return [
        f"{sign} {bound:g}"
        for each in field.metadata
        for name, sign in signs.items()
        if isinstance(bound := getattr(each, name, None), (int, float)) and bound < _ANY_NUMBER
    ]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None or value in ((), {}) or isinstance(value, BaseModel):
        return "–"
    if _is_size(field.annotation, field):
        return f'`"{_size(value)}"`'
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _size(number: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number % factor == 0:
            return f"{number // factor}{unit}"
    return str(number)
