"""Clean operations: ordered, named, documented and counted steps over frames."""

from pipeline.ingest.operations.catalog import (
    OPERATIONS,
    Cleaned,
    CleanOperation,
    added,
    clean,
    columns_after,
    implied_operations,
    schema_after,
)
from pipeline.ingest.operations.filters import EmptyText
from pipeline.ingest.operations.operation import Operation, Outcome
from pipeline.ingest.operations.tables import MissingLabel

__all__ = [
    "OPERATIONS",
    "CleanOperation",
    "Cleaned",
    "EmptyText",
    "MissingLabel",
    "Operation",
    "Outcome",
    "added",
    "clean",
    "columns_after",
    "implied_operations",
    "schema_after",
]
