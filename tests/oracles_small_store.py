"""A small store with known content: two versions of a dataset, their fates, a run and a model."""

from pathlib import Path

import pyarrow as pa
from oracles_report import result_of

from storage.fates import FATE_SCHEMA
from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.store import Store
from storage.versions import CommitRequest

ROWS = [
    {"text": "退款 please", "label": "complaint", "_source": "a.csv", "_position": 11},
    {"text": "line\nbreak \x1b[31m", "label": "inquiry", "_source": "a.csv", "_position": 40},
    {"text": None, "label": "inquiry", "_source": "b.csv", "_position": 11},
]
FATES = [
    {"source": "a.csv", "position": 80, "fate": "rejected", "reason": "short_row", "record": "only one field"},
    {"source": "a.csv", "position": 99, "fate": "duplicate", "reason": "exact", "survivor_source": "a.csv",
     "survivor_position": 11},
]  # fmt: skip
LEDGER = {"read": 5, "kept": 3, "rejected": {"short_row": 1}, "filtered": {}, "duplicates": {"exact": 1, "near": 0}}
MODEL_RECORD = {
    "dataset": "tickets",
    "version": 1,
    "run": "run-2",
    "sha256": "beef" * 16,
    "fingerprint": "sha256:feed",
    "metrics": {"accuracy": 0.9, "macro_f1": 0.8, "log_loss": 0.3, "test_rows": 1},
    "job": {"features": {"bits": 20}, "train": {"epochs": 3}},
    "libraries": {"numpy": "2"},
}


def commit(store: Store, run: str, rows: list[dict], *, extra: bool = False):
    table = pa.Table.from_pylist(rows)
    if extra:
        table = table.add_column(2, "amount", pa.array([1.5, None, 2.0][: len(rows)]))
    staging = store.staging(run)
    content = [name for name in table.column_names if not name.startswith("_")]
    fates = pa.Table.from_pylist(FATES, schema=FATE_SCHEMA)
    version = store.commit(
        CommitRequest(
            dataset="tickets",
            mode="replace",
            parts=(write_part(table, staging / "part.parquet"),),
            schema=table.schema,
            fingerprint=fingerprint_of(table, content),
            run=run,
            message=f"made by {run}",
            ledger=LEDGER,
            fates=(write_part(fates, staging / "fates.parquet"),),
        )
    )
    store.drop_staging(run)
    return version


def small_store(folder: Path) -> Store:
    store = Store.open(folder, create=True)
    first = commit(store, "run-1", ROWS)
    second = commit(store, "run-2", ROWS[:2], extra=True)
    assert (first.number, second.number) == (0, 1)
    facts = result_of()["dataset"]
    store.record_run(
        "run-1", result_of(job="run-1", store=store.uri, model=None, metrics=None, dataset={**facts, "version": 0})
    )
    store.record_run("run-2", result_of(job="run-2", store=store.uri, dataset={**facts, "version": 1}))
    model = store.staging("run-2") / "model"
    model.mkdir()
    (model / "model.json").write_text("{}")
    store.save_model("model-1", model, MODEL_RECORD)
    return store
