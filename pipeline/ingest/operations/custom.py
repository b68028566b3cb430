"""The operation for what the others do not do: a Python function of the user's own."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

import numpy as np
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


class Python(ColumnOperation):
    """Call a Python function of yours, named by its import path; only where the run allows code (``--allow-code``).

    With ``mode = "map"`` it takes a text and returns the new text, or None for null. With ``mode = "filter"`` it
    takes a text and returns whether to keep the row. It is called once for each distinct text of a block, never for
    null, and must depend on nothing but its argument: otherwise the same job would not give the same result.

        op = "python"
        function = "my_cleaning:without_signature"
    """

    op: Literal["python"] = "python"
    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """The import path, ``module:function`` or ``package.module:function``."""
    mode: Literal["map", "filter"] = "map"
    """Whether the function maps texts to texts, or tells which rows to keep."""

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
        function, live = self.load(), frame.alive(table)
        changed = np.zeros(table.num_rows, np.bool_)
        for name in self.targets:
            old = table[name]
            if self.mode == "filter":
                keep = self._called(plain_texts(old).combine_chunks(), live, function, pa.bool_())
                drop = np.asarray(pc.invert(pc.fill_null(keep, True)))
                changed |= drop
                continue
            new = self._mapped(old, live, function)
            changed |= differs(old, new)
            table = replace_column(table, name, new)
        if self.mode == "filter":
            return condemned(table, changed, "filtered", self.rule)
        return Outcome(table=table, changed=int(changed.sum()))

    def _mapped(self, old: pa.ChunkedArray, live: Any, function: Callable[[str], Any]) -> pa.ChunkedArray:
        plain = plain_texts(old).combine_chunks()
        called = self._called(plain, live, function, plain.type)
        new = pa.chunked_array([pc.if_else(live, called, plain)])
        return new if not pa.types.is_dictionary(old.type) else pc.cast(pc.dictionary_encode(new), old.type)

    def _called(self, texts: Any, live: Any, function: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
        """The function's answers for live texts, each distinct text asked once; null elsewhere."""
        encoded = pc.if_else(live, texts, pa.scalar(None, texts.type)).dictionary_encode()
        answers = [self._call(function, text) for text in encoded.dictionary.to_pylist()]
        try:
            return pa.array(answers, kind).take(encoded.indices)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            wanted = "a text or None" if is_text(kind) else "True or False"
            raise DataError(
                f'python: function "{self.function}" must return {wanted} ({error})', "Correct the function"
            ) from error

    def _call(self, function: Callable[[str], Any], text: str) -> Any:
        try:
            return function(text)
        except Exception as error:
            raise DataError(
                f'python: function "{self.function}" failed on {text[:200]!r} with {type(error).__name__}: {error}',
                "Correct the function, or leave out such rows before it is called",
            ) from error
