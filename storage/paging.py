"""Cursors: where the next page of a query starts, and over which versions.

A cursor pins the versions that the first page saw, so that later pages fit to it whatever is committed meanwhile.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.errors import QueryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page starts.

    Attributes
    ----------
    query
        A digest of the query's text.
    pins
        Dataset -> version number.
    moment
        Nanoseconds since 1970: what `_system` tables learned later is not seen.
    offset
        Rows before the page.
    """

    query: str
    pins: Mapping[str, int] = field(default_factory=dict)
    moment: int
    offset: int = 0

    def encode(self) -> str:
        """The cursor as a short text for people and URLs."""
        facts = [self.query, dict(sorted(self.pins.items())), self.moment, self.offset]
        text = json.dumps(facts, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")


def query_digest(query: str) -> str:
    """What stands for a query in its cursors; spacing does not count."""
    return hashlib.sha256(" ".join(query.split()).encode()).hexdigest()[:16]


def decode_cursor(text: str, query: str) -> Cursor:
    """The cursor in `text`.

    Raises
    ------
    QueryError
        If it is none, or belongs to another query.
    """
    try:
        facts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        digest, pins, moment, offset = facts
        cursor = Cursor(
            query=str(digest),
            pins={str(name): int(number) for name, number in pins.items()},
            moment=int(moment),
            offset=int(offset),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise QueryError("cursor", f"{text[:40]!r} is no cursor", "Use the one that came with a page.") from error
    if cursor.query != query_digest(query) or cursor.offset < 0:
        raise QueryError("cursor", "it belongs to another query", "Give it with the query it came from.")
    return cursor
