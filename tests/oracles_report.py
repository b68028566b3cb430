"""A run's result to report on, small enough to check by hand, and a strict reading of HTML."""

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


def result_of(labels=("complaint", "inquiry", "suggestion"), **changes):
    size = len(labels)
    confusion = [[90 if row == column else (row + column) % 3 for column in range(size)] for row in range(size)]
    ledger = {
        "read": 1000,
        "kept": 800,
        "rejected": {"short_row": 40, "bad_encoding": 0},
        "filtered": {"empty_text": 60},
        "duplicates": {"exact": 100, "near": 0},
    }
    result = {
        "job": "tickets-20260101-120000-ab12",
        "name": "tickets",
        "state": "succeeded",
        "started_at": "2026-01-01T12:00:00+00:00",
        "store": "/data/my store",
        "sources": [
            {"file": "a.csv", "format": "csv", "compression": "gzip", "encoding": "gb18030", "dialect": ";",
             "bytes": 123_456_789, "rows": 1000, "note": "a note"},
        ],
        "ledger": ledger,
        "operations": [{"name": "trim", "changed": 17, "removed": 0}],
        "dataset": {"name": "tickets", "version": 3, "fingerprint": "sha256:feed", "rows": 800, "bytes": 5_000_000,
                    "files": 2, "path": "/data/my store/tickets", "columns": {"text": "string", "label": "string"}},
        "label_counts": {label: 100 + index for index, label in enumerate(labels)},
        "model": {"id": "m1", "sha256": "beef", "path": "/data/my store/_models/m1"},
        "metrics": {"accuracy": 0.91234, "macro_f1": 0.9, "log_loss": 0.25, "test_rows": 280, "train_rows": 520},
        "evaluation": {"labels": list(labels), "confusion": confusion},
        "top_features": {label: [("退 款", 2.5), ("refund", 1.25)] for label in labels},
        "warnings": ["look here"],
        "seconds": {"scan": 0.5, "ingest": 2.0, "features": 1.0, "train": 1.0, "total": 4.5},
        "peak_memory_bytes": 300_000_000,
        "workers": 2,
        "settings": {"train": {"label": "label"}},
        "versions": {"python": "3.11.7", "textmill": "0.1.0"},
        "error": None,
    }  # fmt: skip
    return result | changes


#: What a run may lack: the keys taken out of `result_of()`.
INCOMPLETE = {
    "nothing but a state": set(result_of()) - {"state"},
    "no model": {"model", "metrics", "evaluation", "top_features"},
    "no evaluation": {"evaluation", "top_features", "label_counts"},
    "no dataset": {"dataset", "model", "metrics", "evaluation", "top_features", "label_counts"},
    "no sources": {"sources", "operations", "warnings"},
    "no times": {"seconds", "peak_memory_bytes", "workers"},
    "no ledger": {"ledger"},
}


class StrictPage(HTMLParser):
    """Collects tags, attributes and visible text; fails on tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.ids: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data + " "
