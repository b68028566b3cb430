"""The fingerprint of a version's content: one number for a multiset of rows.

Each row is hashed to 256 bits and the hashes are added up, lane by lane, modulo 2**64: MSet-Add-Hash of Clarke,
Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash Functions and Their Application to Memory Integrity
Checking", ASIACRYPT 2003, section 5. So it does not depend on the order of rows, merges over partitions in any order,
and the fingerprint of an appended version is that of the earlier one merged with that of the new rows.

Within a row the hashes of its cells, each seeded by its column's name, are added up before mixing. A null adds
nothing, so a column that older rows lack equals a column of nulls there; a null and an empty text differ.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.schema import stored_schema

_MODULUS = 1 << 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The sum of the row hashes of a multiset of rows.

    A commutative monoid: `empty` and `merge`.

    Attributes
    ----------
    rows
        How many rows were added up.
    lanes
        Four unsigned 64-bit sums.
    """

    rows: int = 0
    lanes: tuple[int, int, int, int] = (0, 0, 0, 0)

    @classmethod
    def empty(cls) -> Self:
        """The fingerprint of no rows."""
        return cls()

    def merge(self, other: "Fingerprint") -> "Fingerprint":
        """The fingerprint of both multisets together."""
        a, b, c, d = ((x + y) % _MODULUS for x, y in zip(self.lanes, other.lanes, strict=True))
        return Fingerprint(rows=self.rows + other.rows, lanes=(a, b, c, d))

    def without(self, other: "Fingerprint") -> "Fingerprint":
        """The fingerprint of this multiset less the rows of `other`, all of which it has."""
        a, b, c, d = ((x - y) % _MODULUS for x, y in zip(self.lanes, other.lanes, strict=True))
        return Fingerprint(rows=self.rows - other.rows, lanes=(a, b, c, d))

    def digest(self, schema: pa.Schema) -> str:
        """``"sha256:"`` and 64 hex digits over the rows' hashes, their number, and the columns' names and types.

        Parameters
        ----------
        schema
            The content columns; their order does not count, and types count as what they are in the store.
        """
        columns = sorted([field.name, str(field.type)] for field in stored_schema(schema))
        facts = {"columns": columns, "lanes": [f"{lane:016x}" for lane in self.lanes], "rows": self.rows}
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {"rows": self.rows, "lanes": [f"{lane:016x}" for lane in self.lanes]}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> "Fingerprint":
        """The fingerprint that `to_dict` wrote."""
        a, b, c, d = (int(lane, 16) for lane in facts["lanes"])
        return cls(rows=int(facts["rows"]), lanes=(a, b, c, d))


def fingerprint_of(
    table: pa.Table, columns: Sequence[str], known: Mapping[str, npt.NDArray[np.uint64]] | None = None
) -> Fingerprint:
    """The fingerprint of the table's rows over these columns.

    It does not depend on the order of rows or columns, on chunking, dictionary encoding, or text width.

    Parameters
    ----------
    table
        Any number of rows, also none.
    columns
        Which columns are content; usually all but the row id.
    known
        Hashes of all cells of some of them, as `storage.cell_hash.column_hashes` gives them.

    Raises
    ------
    SchemaMismatchError
        If a column has a type that cannot be stored.
    """
    # Compiled loops are loaded with numba, which takes longer than a query: those who only read need none.
    from storage.row_sums import row_sums

    return Fingerprint(rows=table.num_rows, lanes=row_sums(table, columns, known or {}))
