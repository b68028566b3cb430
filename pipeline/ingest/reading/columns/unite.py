"""Columns over all files: united by name, renamed, typed, filled from file names."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import pyarrow as pa

from pipeline.errors import JobFileError
from pipeline.frame import unfit_name
from pipeline.ingest.reading.columns.column_types import parse_type
from pipeline.ingest.reading.columns.spelling import Spelling
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.reading.source_plan import OutputColumn, SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitedColumns:
    """The content columns of all files.

    Attributes
    ----------
    schema
        Names and types, in order of first appearance.
    by_file
        For each file, where each of them comes from.
    notes
        What a person should know: columns that some files lack.
    """

    schema: pa.Schema
    by_file: tuple[tuple[OutputColumn, ...], ...]
    notes: tuple[str, ...]


def unite_columns(
    files: Sequence[SourceFile], kinds: Sequence[dict[str, pa.DataType]], config: SourceConfig
) -> UnitedColumns:
    """The columns of all `files` under one schema.

    Parameters
    ----------
    files
        In the order of reading.
    kinds
        For each file, the types of its own columns where they are not text.
    config
        Renaming, declared types and constants.

    Raises
    ------
    JobFileError
        If the job file names a column that no file has, or two columns would get one name.
    """
    renamed = {source: name for name, source in config.columns.items()}
    constants = [_constants(file, config) for file in files]
    named = [_names(file) for file in files]
    spelling = Spelling(named, [*config.columns.values(), *config.types, *(rule.column for rule in config.set)])
    origins: dict[str, tuple[str, str]] = {}
    problems: list[str] = []
    types: dict[str, pa.DataType] = {}
    for names, own_kinds, constant in zip(named, kinds, constants, strict=True):
        for source, own in spelling.own_names(names).items():
            name = renamed.get(source, source)
            first = origins.setdefault(name.casefold(), (name, source))
            if first[1] != source:
                problems.append(_clash(first[0], first[1], source))
            types[name] = wider_type(types.get(name, pa.null()), own_kinds.get(own, pa.string()))
        for name in constant:
            origins.setdefault(name.casefold(), (name, name))
            types[name] = wider_type(types.get(name, pa.null()), pa.string())
    outputs = {name for name, _ in origins.values()}
    problems += _unknown(config, named, outputs)
    problems += [_unfit(name, why) for name in types if (why := unfit_name(name))]
    if problems:
        raise JobFileError(tuple(dict.fromkeys(problems)))
    declared = {name: parse_type(spelling).arrow for name, spelling in config.types.items()}
    schema = pa.schema(
        [pa.field(name, declared.get(name, pa.string() if kind == pa.null() else kind)) for name, kind in types.items()]
    )
    by_file = tuple(
        tuple(_output(name, file, config, constant, spelling) for name in schema.names)
        for file, constant in zip(files, constants, strict=True)
    )
    return UnitedColumns(schema=schema, by_file=by_file, notes=(*spelling.notes, *_lacking(files, by_file)))


def wider_type(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """The type that holds the values of both exactly; text where no other does."""
    if left == right or pa.types.is_null(right):
        return left
    if pa.types.is_null(left):
        return right
    if pa.types.is_integer(left) and pa.types.is_integer(right):
        return pa.int64() if pa.uint64() not in {left, right} else pa.string()
    if pa.types.is_floating(left) and pa.types.is_floating(right):
        return pa.float64()
    return pa.string()


def _constants(file: SourceFile, config: SourceConfig) -> dict[str, str | None]:
    return {
        rule.column: rule.value
        for rule in config.set
        if any(fnmatchcase(text, rule.files) for text in (file.name, PurePosixPath(file.name).name, file.path))
    }


def _names(file: SourceFile) -> list[str]:
    return [*file.columns, *(name for name, _ in file.hive if name not in file.columns)]


def _output(
    name: str, file: SourceFile, config: SourceConfig, constants: dict[str, str | None], spelling: Spelling
) -> OutputColumn:
    source: str | None = config.columns.get(name, name)
    if name not in config.columns and source in config.columns.values():
        source = None
    own = spelling.own_names(_names(file)).get(source) if source is not None else None
    declared = config.types.get(name)
    if name in constants:
        return OutputColumn(name=name, source=None, constant=constants[name], type=declared)
    if own in file.columns:
        return OutputColumn(name=name, source=own, type=declared)
    return OutputColumn(name=name, source=None, constant=dict(file.hive).get(own or ""), type=declared)


def _unknown(config: SourceConfig, named: Sequence[Sequence[str]], outputs: set[str]) -> list[str]:
    known = list(dict.fromkeys(name for names in named for name in names))
    if not known:
        return []  # Files without any record say nothing about columns.
    constant = {rule.column for rule in config.set}
    problems = [
        f'[source] columns: {name} = "{source}", but no file has a column "{source}"{_hint(source, known)}'
        for name, source in config.columns.items()
        if source not in known and name not in constant
    ]
    problems += [
        f'[source] types: "{name}" is no column{_hint(name, sorted(outputs))}'
        for name in config.types
        if name not in outputs
    ]
    return problems


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f'; did you mean "{near[0]}"?' if near else "."
    shown = ", ".join(known[:20]) + (" ..." if len(known) > 20 else "")
    return f"{hint} Known columns: {shown or 'none'}."


def _clash(name: str, first: str, second: str) -> str:
    """Two source columns that come to one name: the one that has it by itself should get another."""
    same = first.casefold() == second.casefold()
    other = second if same or second.casefold() == name.casefold() else first
    case = "" if name in {first, second} and not same else " (case does not count)"
    return (
        f'[source] columns: "{first}" and "{second}" would both be called "{name}"{case}; '
        f'give "{other}" another name too, such as columns = {{ {_key(f"{name}_original")} = "{other}" }}.'
    )


def _key(name: str) -> str:
    """The name as TOML has it before an equals sign."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else f'"{name}"'


def _unfit(name: str, why: str) -> str:
    spelled, other = name.replace("\0", r"\u0000"), name.replace("\0", "").lstrip("_") or "unnamed"
    cure = f'rename it with columns = {{ {_key(other)} = "{spelled}" }}.'
    return f'[source] a column is called "{spelled}", which {why}; {cure}'


def _lacking(files: Sequence[SourceFile], by_file: Sequence[Sequence[OutputColumn]]) -> tuple[str, ...]:
    """One sentence for each column that some files with records lack."""
    lacking: dict[str, list[str]] = {}
    for file, outputs in zip(files, by_file, strict=True):
        if file.empty:
            continue
        hive = {name for name, _ in file.hive}
        for output in outputs:
            if output.source is None and output.constant is None and output.name not in hive:
                lacking.setdefault(output.name, []).append(file.name)
    return tuple(
        f'column "{name}" is null where files lack it ({len(names)} of {len(files)}): '
        f"{', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
        for name, names in lacking.items()
    )
