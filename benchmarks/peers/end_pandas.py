"""From CSV to a tested model by pandas, SQLite and scikit-learn, in one process."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.clean_rows import COLUMNS, digest_of

_SELECT = "SELECT id, text, label FROM rows_1"
_CHUNK_ROWS = 50_000


def work(files: list[str], first_test_id: int, scratch: str, threads: int, **_: Any) -> dict[str, float]:
    """How good the model is; the rows lie in the table ``rows_1`` of a SQLite file, which ``versions`` tells of.

    `SGDClassifier` is what scikit-learn recommends for so many rows; its weights are averaged, and ``alpha`` times the
    number of rows (its penalty beside the loss of all rows) was chosen by accuracy.
    """
    # The imports are part of a program's time.
    import pandas as pd
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    rows = pd.concat([cleaned(pd.read_csv(file, dtype=TYPES)) for file in files]).drop_duplicates("text")
    with _database(scratch) as connection:
        rows.to_sql("rows_1", connection, index=False)
        pd.DataFrame({"version": [1], "rows": [len(rows)]}).to_sql("versions", connection, index=False)
    del rows
    with _database(scratch) as connection:
        train, test = (pd.read_sql(f"{_SELECT} WHERE id {side} {first_test_id}", connection) for side in ("<", ">="))
    model = make_pipeline(
        HashingVectorizer(n_features=2**20, norm=None),
        TfidfTransformer(),
        SGDClassifier(
            loss="log_loss", alpha=1 / len(train), average=True, max_iter=5, tol=None, n_jobs=threads, random_state=0
        ),
    )
    model.fit(train["text"], train["label"])
    return {"accuracy": float(model.score(test["text"], test["label"]))}


#: Of the columns.
TYPES = {"id": "int64", "text": "str", "label": "str"}


def cleaned(rows: Any) -> Any:
    """The rows of a frame whose text is not empty once it is clean."""
    text = rows["text"].str.normalize("NFKC").str.replace(r"\s+", " ", regex=True).str.strip()
    rows = rows.assign(text=text).dropna()
    return rows[rows["text"] != ""]


def stored(scratch: str, first_test_id: int, **_: Any) -> dict[str, Any]:
    """How many rows the table has, a digest of them whatever their order, and how many tested."""
    with _database(scratch) as connection:
        [(test_rows,)] = connection.execute("SELECT count(*) FROM rows_1 WHERE id >= ?", [first_test_id])
        return {**digest_of(_batches(connection)), "test_rows": test_rows}


@contextmanager
def _database(scratch: str) -> Iterator[sqlite3.Connection]:
    # A connection commits at the end of its own context, and stays open.
    with closing(sqlite3.connect(Path(scratch) / "rows.sqlite")) as connection, connection:
        yield connection


def _batches(connection: sqlite3.Connection) -> Iterator[Any]:
    import pyarrow as pa

    rows = connection.execute(_SELECT)
    while some := rows.fetchmany(_CHUNK_ROWS):
        yield pa.RecordBatch.from_arrays([pa.array(column) for column in zip(*some, strict=True)], names=COLUMNS)
