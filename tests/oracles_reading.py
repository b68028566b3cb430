"""Slow, obvious references for reading: one character at a time, and Python's csv module."""

import csv
import io
from dataclasses import dataclass, field


@dataclass
class PlainRecord:
    """One record as the reference sees it."""

    start: int
    end: int = 0
    fields: list[bytes] = field(default_factory=list)
    problem: str = ""


def plain_records(  # noqa: C901 - one rule after the other
    data: bytes, delimiter: str | None, quote: str | None, escape: str | None, cr_ends: bool, skip_spaces: bool = False
) -> list[PlainRecord]:
    """All records of `data` that are not blank, read byte by byte with one rule after the other."""
    ends = {b"\n", b"\r"} if cr_ends else {b"\n"}
    mark = {
        name: (value.encode() if value else None) for name, value in (("d", delimiter), ("q", quote), ("e", escape))
    }
    records: list[PlainRecord] = []
    place = 0
    while place < len(data):
        record = PlainRecord(start=place)
        value, mode, literal_end = b"", "begin", False
        while True:
            byte = data[place : place + 1]
            if mode == "quoted":
                if byte == b"":
                    record.problem = "unterminated_quote"
                elif byte == mark["e"]:
                    value += data[place + 1 : place + 2]
                    place += 2
                    continue
                elif byte == mark["q"]:
                    mode = "closed"
                    place += 1
                    continue
                else:
                    value += byte
                    place += 1
                    continue
            if mode == "closed" and byte == mark["q"]:
                value += byte
                mode = "quoted"
                place += 1
                continue
            if mode == "begin" and skip_spaces and byte == b" ":
                place += 1
                continue
            at_end = byte == b"" or byte in ends
            if mode == "closed" and not at_end and byte != mark["d"]:
                rest = data[place:].lstrip(b"\r")
                if not (byte == b"\r" and (rest == b"" or rest.startswith(b"\n"))):
                    record.problem = record.problem or "bad_quoting"
                    mode = "plain"
                    value += byte
                    literal_end = False
                    place += 1
                    continue
                # Carriage returns between a closing quote and the line feed.
                record.end = place
                place += len(data) - place - len(rest)
                record.fields.append(value)
                place += 1
                break
            if at_end:
                record.end = place
                if mode != "closed" and record.problem != "unterminated_quote" and not literal_end:
                    trimmed = value.rstrip(b"\r")
                    record.end -= len(value) - len(trimmed)
                    value = trimmed
                record.fields.append(value)
                place += 1
                break
            if byte == mark["d"]:
                record.fields.append(value)
                value, mode, literal_end = b"", "begin", False
            elif byte == mark["e"]:
                value += data[place + 1 : place + 2]
                literal_end, mode = True, "plain"
                place += 1
            elif byte == mark["q"] and mode == "begin":
                mode = "quoted"
            else:
                value += byte
                mode = "plain"
            place += 1
        raw = data[record.start : place]
        if raw.strip(b"\r\n") or record.problem:
            records.append(record)
    return records


def csv_rows(text: str, **dialect: object) -> list[list[str]]:
    """The rows that Python's csv module reads, blank lines left out."""
    limit = csv.field_size_limit(1 << 30)
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), **dialect) if row]  # type: ignore[arg-type]
    finally:
        csv.field_size_limit(limit)
