"""Columns over all files: united by name, renamed, typed, filled from file names."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import pyarrow as pa

from pipeline.errors import JobFileError
from pipeline.frame import SYSTEM_COLUMNS
from pipeline.ingest.reading.columns.column_types import parse_type
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
    origins: dict[str, str] = {}
    problems: list[str] = []
    types: dict[str, pa.DataType] = {}
    for file, own_kinds, constant in zip(files, kinds, constants, strict=True):
        names = [*file.columns, *(name for name, _ in file.hive if name not in file.columns)]
        for source in names:
            name = renamed.get(source, source)
            if origins.setdefault(name, source) != source:
                problems.append(_clash(name, origins[name], source))
            types[name] = wider_type(types.get(name, pa.null()), own_kinds.get(source, pa.string()))
        for name in constant:
            origins.setdefault(name, name)
            types[name] = wider_type(types.get(name, pa.null()), pa.string())
    problems += _unknown(config, files, set(origins))
    problems += [_reserved(name) for name in origins if name in SYSTEM_COLUMNS]
    if problems:
        raise JobFileError(tuple(dict.fromkeys(problems)))
    declared = {name: parse_type(spelling).arrow for name, spelling in config.types.items()}
    schema = pa.schema(
        [pa.field(name, declared.get(name, pa.string() if kind == pa.null() else kind)) for name, kind in types.items()]
    )
    by_file = tuple(
        tuple(_output(name, file, config, constant) for name in schema.names)
        for file, constant in zip(files, constants, strict=True)
    )
    return UnitedColumns(schema=schema, by_file=by_file, notes=_lacking(files, by_file))


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
    if pa.types.is_timestamp(left) and pa.types.is_timestamp(right) and left.tz == right.tz:
        units = ("s", "ms", "us", "ns")
        return pa.timestamp(max(left.unit, right.unit, key=units.index), tz=left.tz)
    return pa.string()


def _constants(file: SourceFile, config: SourceConfig) -> dict[str, str | None]:
    return {
        rule.column: rule.value
        for rule in config.set
        if any(fnmatchcase(text, rule.files) for text in (file.name, PurePosixPath(file.name).name, file.path))
    }


def _output(name: str, file: SourceFile, config: SourceConfig, constants: dict[str, str | None]) -> OutputColumn:
    source = config.columns.get(name, name)
    if name not in config.columns and source in config.columns.values():
        source = ""
    spelling = config.types.get(name)
    hive = dict(file.hive)
    if name in constants:
        return OutputColumn(name=name, source=None, constant=constants[name], type=spelling)
    if source in file.columns:
        return OutputColumn(name=name, source=source, type=spelling)
    return OutputColumn(name=name, source=None, constant=hive.get(source), type=spelling)


def _known(files: Sequence[SourceFile]) -> list[str]:
    return list(dict.fromkeys(name for file in files for name in [*file.columns, *(key for key, _ in file.hive)]))


def _unknown(config: SourceConfig, files: Sequence[SourceFile], outputs: set[str]) -> list[str]:
    known = _known(files)
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
    other = second if second == name else first
    return (
        f'[source] columns: "{first}" and "{second}" would both be called "{name}"; '
        f'give "{other}" another name too, such as columns = {{ {name}_original = "{other}" }}.'
    )


def _reserved(name: str) -> str:
    return (
        f'[source] a column is called "{name}", which is a system column; '
        f'rename it with columns = {{ {name.lstrip("_")} = "{name}" }}.'
    )


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
