"""The operation for what the others do not do: a Python function of the user's own."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline import frame
from pipeline.errors import DataError, JobFileError
from pipeline.ingest.operations.operation import (
    ColumnOperation,
    Outcome,
    condemned,
    differs,
    is_text,
    plain_texts,
    replace_column,
    require_text,
)
from pipeline.ledger import REJECTED


class Python(ColumnOperation):
    """Call a Python function of yours, named by its import path; only where the run allows code (``--allow-code``).

    With ``mode = "map"`` it takes a text and returns the new text, or None for null. With ``mode = "filter"`` it
    takes a text and returns whether to keep the row. It is called once for each distinct text of a block, never for
    null, and must depend on nothing but its argument: otherwise the same job would not give the same result.

        op = "python"
        function = "my_cleaning:without_signature"

    The module may lie beside the job file. A row whose text makes the function raise an error is rejected, with the
    step's name and the error's kind as the reason, as in "without_signature_ValueError"; a row that makes it kill its
    process is found and rejected as "crashed".
    """

    op: Literal["python"] = "python"
    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """The import path, ``module:function`` or ``package.module:function``."""
    mode: Literal["map", "filter"] = "map"
    """Whether the function maps texts to texts, or tells which rows to keep."""
    on_error: Literal["reject", "fail"] = "reject"
    """What an error of the function means: the row is rejected, or the whole run fails."""

    @property
    def default_rule(self) -> str:
        """The function's own name."""
        return self.function.partition(":")[2]

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """`schema` itself, where the function can be found and all columns to work on are text."""
        self.load()
        require_text(schema, self.targets, self.rule)
        return schema

    def load(self) -> Callable[[str], Any]:
        """The function.

        Raises
        ------
        JobFileError
            If it cannot be imported.
        """
        module, _, name = self.function.partition(":")
        try:
            function = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise JobFileError(
                (f'python: function "{self.function}" cannot be imported ({error}); write it as module:function',)
            ) from error
        if not callable(function):
            raise JobFileError((f'python: "{self.function}" is a {type(function).__name__}, not a function',))
        return function  # type: ignore[no-any-return]

    def apply(self, table: pa.Table) -> Outcome:
        """The frame with the function applied to the live rows."""
        function = self.load()
        changed = np.zeros(table.num_rows, np.bool_)
        drop = np.zeros(table.num_rows, np.bool_)
        for name in self.targets:
            old, live = table[name], frame.alive(table)
            answers = self._called(plain_texts(old).combine_chunks(), live, function)
            table = self._without_failures(table, answers)
            if self.mode == "filter":
                keep = pc.fill_null(answers.values.cast(pa.bool_()), True)
                drop |= ~np.asarray(keep) & frame.alive(table)
                continue
            new = _mapped(old, frame.alive(table), answers.values)
            changed |= differs(old, new)
            table = replace_column(table, name, new)
        if self.mode == "filter":
            return condemned(table, drop, "filtered", self.rule)
        return Outcome(table=table, changed=int(changed.sum()))

    def _without_failures(self, table: pa.Table, answers: "_Answers") -> pa.Table:
        """The frame with the rows rejected whose text the function failed on."""
        for kind in sorted(set(answers.failures.values())):
            codes = [code for code, failure in answers.failures.items() if failure == kind]
            table = frame.condemn(table, np.isin(answers.codes, codes), REJECTED, f"{self.rule}_{kind}")
        return table

    def _called(self, texts: Any, live: Any, function: Callable[[str], Any]) -> "_Answers":
        """The function's answers for live texts, each distinct text asked once; null elsewhere."""
        encoded = pc.if_else(live, texts, pa.scalar(None, texts.type)).dictionary_encode()
        values: list[Any] = []
        failures: dict[int, str] = {}
        for code, text in enumerate(encoded.dictionary.to_pylist()):
            try:
                values.append(function(text))
            except MemoryError:
                # Fewer rows at a time may need less.
                raise
            except (Exception, SystemExit) as error:
                if self.on_error == "fail":
                    raise DataError(
                        f'python: function "{self.function}" failed on {text[:200]!r} with '
                        f"{type(error).__name__}: {error}",
                        'Correct the function, or have such rows rejected with on_error = "reject"',
                    ) from error
                values.append(None)
                failures[code] = type(error).__name__
        kind = texts.type if self.mode == "map" else pa.bool_()
        try:
            answers = pa.array(values, kind).take(encoded.indices)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            wanted = "a text or None" if is_text(kind) else "True or False"
            raise DataError(
                f'python: function "{self.function}" must return {wanted} ({error})', "Correct the function"
            ) from error
        codes = np.asarray(pc.fill_null(encoded.indices, -1))
        return _Answers(values=answers, codes=codes, failures=failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What a function said to each row's text.

    Attributes
    ----------
    values
        The answers, shape (rows,); null where it was not asked or failed.
    codes
        Which distinct text a row has, shape (rows,); -1 where it was not asked.
    failures
        Distinct text -> kind of error, of those that it failed on.
    """

    values: pa.Array
    codes: npt.NDArray[np.integer[Any]]
    failures: dict[int, str]


def _mapped(old: pa.ChunkedArray, live: Any, answers: pa.Array) -> pa.ChunkedArray:
    plain = plain_texts(old).combine_chunks()
    new = pa.chunked_array([pc.if_else(live, answers, plain)])
    return new if not pa.types.is_dictionary(old.type) else pc.cast(pc.dictionary_encode(new), old.type)
