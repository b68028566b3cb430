"""DuckDB's filters as text, understood just enough to tell which files cannot hold a matching row."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*")|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|!=|::|[=<>(),]))"""
)
_COMPARED = {
    "=": "{least} <= {value} AND {greatest} >= {value}",
    "<": "{least} < {value}",
    "<=": "{least} <= {value}",
    ">": "{greatest} > {value}",
    ">=": "{greatest} >= {value}",
}
#: SQL that is true for every file: nothing can be told.
ANY = "true"


class _UnknownError(Exception):
    """The text has a form that is not understood here."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The SQL names of a column's least and greatest value in a table with a row for each file."""

    least: str
    greatest: str


def may_match(text: str, columns: Mapping[str, Bounds]) -> tuple[str, frozenset[str]]:
    """SQL over files that is true or null for those that may hold a row for which the filter is true.

    Also the columns that it looks at. Where the filter is not understood, that is `ANY` and none.

    Parameters
    ----------
    text
        A filter as DuckDB's plans show it.
    columns
        What is known of columns, by name.

    Examples
    --------
    >>> may_match("((n >= 5) AND (n < 12))", {"n": Bounds("a", "b")})[0]
    '((b >= 5) AND (a < 12))'
    >>> may_match("((n * 2) > 4)", {"n": Bounds("a", "b")})[0]
    'true'
    """
    try:
        parser = _Parser(list(_tokens(text)), columns)
        found = parser.expression()
        parser.end()
    except _UnknownError:
        return ANY, frozenset()
    return found, frozenset(parser.used)


def _tokens(text: str) -> Iterator[str]:
    at = 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            raise _UnknownError
        at = match.end()
        yield match[0].strip()


class _Parser:
    """A recursive descent over the few forms that filters have."""

    def __init__(self, tokens: list[str], columns: Mapping[str, Bounds]) -> None:
        self._tokens, self._columns, self._at = tokens, columns, 0
        self.used: set[str] = set()

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *expected: str) -> str:
        token = self._peek()
        if not token or (expected and token not in expected):
            raise _UnknownError
        self._at += 1
        return token

    def end(self) -> None:
        if self._peek():
            raise _UnknownError

    def expression(self) -> str:
        parts, joined = [self._part()], ""
        while self._peek() in ("AND", "OR"):
            word = self._take()
            if joined not in ("", word):
                raise _UnknownError  # mixed without brackets: the plan never shows that
            joined = word
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else f"({f' {joined} '.join(parts)})"

    def _part(self) -> str:
        if self._peek() == "(":
            self._take()
            inner = self.expression()
            self._take(")")
            return inner
        return self._comparison()

    def _comparison(self) -> str:
        name = self._take()
        name = name[1:-1].replace('""', '"') if name.startswith('"') else name
        bounds = self._columns.get(name)
        if bounds is None:
            raise _UnknownError
        word = self._take("=", "<", "<=", ">", ">=", "!=", "IN", "IS")
        if word == "IS":
            while self._peek() in ("NOT", "NULL"):
                self._take()
            return ANY
        if word == "IN":
            self._take("(")
            values = [self._value()]
            while self._peek() == ",":
                self._take()
                values.append(self._value())
            self._take(")")
            self.used.add(name)
            return f"({' OR '.join(self._told('=', bounds, value) for value in values)})"
        value = self._value()
        if word == "!=":
            return ANY
        self.used.add(name)
        return self._told(word, bounds, value)

    @staticmethod
    def _told(word: str, bounds: Bounds, value: str) -> str:
        return f"({_COMPARED[word].format(least=bounds.least, greatest=bounds.greatest, value=value)})"

    def _value(self) -> str:
        token = self._take()
        if token[0] != "'" and not token.lstrip("-")[:1].isdigit():
            raise _UnknownError
        if self._peek() != "::":
            return token
        self._take()
        words = [self._take()]
        while self._peek() in ("WITH", "TIME", "ZONE"):
            words.append(self._take())
        if self._peek() == "(":  # DECIMAL(10,2)
            raise _UnknownError
        return f"{token}::{' '.join(words)}"
