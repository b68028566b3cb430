"""A slow and obvious reading of the demonstration corpus: the csv module, html, unicodedata and a dict of texts."""

import csv
import html
import io
import re
import unicodedata
from collections import Counter
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pyarrow.parquet as pq

HEADER = {"ticket", "created_at", "channel", "amount", "message", "category"}


def decoded(raw: bytes) -> str:
    if raw.startswith(b"\xff\xfe"):
        return raw.decode("utf-16")
    if raw.startswith(b"category;"):
        return raw.decode("cp1252")
    text = raw.decode("utf-8-sig", errors="surrogateescape")
    return raw.decode("gb18030") if sum("\udc80" <= c <= "\udcff" for c in text) > len(text) / 50 else text


def csv_records(raw: bytes):
    """Each record as (reason or "", row)."""
    text = decoded(raw)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=text[:12][8] if ";" in text[:12] else ",", strict=True)
    names = next(reader)
    assert set(names) == HEADER
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield "bad_quoting", {}
            continue
        if not values:
            continue
        reason = ""
        if any("\udc80" <= c <= "\udcff" for value in values for c in value):
            reason = "bad_encoding"
        elif len(values) != len(names):
            reason = "short_row" if len(values) < len(names) else "long_row"
        yield reason, dict(zip(names, values, strict=False))


def cleaned(text: str) -> str:
    text = html.unescape(re.sub(r"</?(p|div|br)/?>", "\n", re.sub(r"</?b>", "", text)))
    text = unicodedata.normalize("NFKC", re.sub("[\u200b\ufeff]", "", text))
    return " ".join(text.split())


def is_amount(value: str) -> bool:
    try:
        Decimal(value)
    except InvalidOperation:
        return False
    return True


def is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def fault_of(row: dict[str, str], labels: dict[str, str]) -> str:
    if not is_amount(row["amount"]):
        return "cast_amount"
    if not is_time(row["created_at"]):
        return "cast_created_at"
    if not cleaned(row["message"]):
        return "empty_text"
    if not row["category"]:
        return "missing_label"
    return "" if row["category"] in labels else "label_one_of"


def records(path: Path):
    if path.suffix == ".parquet":
        for row in pq.read_table(path).to_pylist():
            yield "", row
    else:
        yield from csv_records(path.read_bytes())


def ledger_of(files, labels: dict[str, str]):
    """The ledger and the kept rows' texts with their labels, for `labels` from spellings to labels."""
    read, faults, repeated = 0, Counter(), 0
    kept: dict[str, str] = {}
    for path in files:
        for reason, row in records(path):
            read += 1
            reason = reason or fault_of(row, labels)
            if reason:
                faults[reason] += 1
            elif (text := cleaned(row["message"])) in kept:
                repeated += 1
            else:
                kept[text] = labels[row["category"]]
    filtered = {"empty_text", "missing_label"}
    ledger = {
        "read": read,
        "kept": len(kept),
        "rejected": {name: count for name, count in sorted(faults.items()) if name not in filtered},
        "filtered": {name: count for name, count in sorted(faults.items()) if name in filtered},
        "duplicates": {"exact": repeated, "near": 0},
    }
    return ledger, kept
