"""How the corpus is cut into files: formats, encodings and dialects as a company's exports have them."""

from dataclasses import dataclass, replace

COLUMNS = ("ticket", "created_at", "channel", "amount", "message", "category")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLayout:
    """One file of the corpus.

    Attributes
    ----------
    index
        Its place among the parts.
    name
        File name.
    rows
        Records it holds, broken ones included.
    start
        Number of its first record in the whole corpus.
    format
        "csv" or "parquet".
    encoding
        Python's name of the encoding; "utf-8" for Parquet.
    mark
        Whether the file starts with a byte order mark.
    delimiter
        Between fields.
    newline
        Between records.
    columns
        The order of the columns.
    """

    index: int = 0
    name: str = ""
    rows: int = 0
    start: int = 0
    format: str = "csv"
    encoding: str = "utf-8"
    mark: bool = False
    delimiter: str = ","
    newline: str = "\n"
    columns: tuple[str, ...] = COLUMNS

    @property
    def latin_only(self) -> bool:
        """Whether the encoding holds Western European text alone."""
        return self.encoding == "cp1252"


_PLAIN = PartLayout()
_PARQUET = PartLayout(format="parquet")
_EXCEL = PartLayout(
    encoding="cp1252",
    delimiter=";",
    newline="\r\n",
    columns=("category", "message", "ticket", "created_at", "channel", "amount"),
)
#: What the first eight files are; the others repeat `_REST`.
_FIRST = (
    _PLAIN,
    PartLayout(encoding="gb18030"),
    _EXCEL,
    _PARQUET,
    PartLayout(encoding="utf-16-le", mark=True),
    PartLayout(mark=True, newline="\r\n"),
    _PLAIN,
    _PARQUET,
)
_REST = (_PLAIN, _PLAIN, _PLAIN, _PARQUET)


def plan_parts(rows: int, parts: int) -> tuple[PartLayout, ...]:
    """The files of a corpus of `rows` records in `parts` files of (nearly) equal length.

    Raises
    ------
    ValueError
        If there are no rows, no parts, or fewer rows than parts.
    """
    if parts < 1 or rows < parts:
        raise ValueError(f"{rows} rows in {parts} parts: a part needs at least one row")
    made = []
    for index in range(parts):
        kind = _FIRST[index] if index < len(_FIRST) else _REST[index % len(_REST)]
        start, stop = rows * index // parts, rows * (index + 1) // parts
        name = f"tickets-{index:04d}.{kind.format}"
        made.append(replace(kind, index=index, name=name, rows=stop - start, start=start))
    return tuple(made)
