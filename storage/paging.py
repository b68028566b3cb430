"""Cursors: where the next page of a query starts, and over which versions.

A cursor pins the versions that the first page saw, so that later pages fit to it whatever is committed meanwhile.
"""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

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
        text = json.dumps([*facts, _seal(facts)], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _seal(facts: list[Any]) -> str:
    # Against accidents, not forgers: a cursor grants nothing that versions and a limit do not.
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def query_digest(query: str) -> str:
    """What stands for a query in its cursors; spacing does not count."""
    return hashlib.sha256(" ".join(query.split()).encode()).hexdigest()[:16]


def decode_cursor(text: str, query: str, names: Collection[str]) -> Cursor:
    """The cursor in `text`.

    Parameters
    ----------
    names
        The datasets that `query` mentions.

    Raises
    ------
    QueryError
        If it is none, was changed, or belongs to another query.
    """
    try:
        *facts, seal = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        digest, pins, moment, offset = facts
        if seal != _seal(facts):
            raise ValueError("changed on its way")  # noqa: TRY301 - all ways of being no cursor end alike
        cursor = Cursor(query=digest, pins=pins, moment=moment, offset=offset)
    except (ValueError, TypeError) as error:
        raise QueryError("cursor", f"{text[:40]!r} is no cursor", "Use the one that came with a page.") from error
    if cursor.query != query_digest(query) or cursor.offset < 0 or not set(cursor.pins) <= set(names):
        raise QueryError("cursor", "it belongs to another query", "Give it with the query it came from.")
    return cursor
