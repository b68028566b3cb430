"""From CSV to a tested model by Dask and dask-ml, on a process a core."""

from pathlib import Path
from typing import Any

from benchmarks.peers.clean_rows import rows_and_digest
from benchmarks.peers.end_pandas import TYPES, cleaned

_PASSES = 5


def work(files: list[str], first_test_id: int, scratch: str, threads: int, **_: Any) -> dict[str, float]:
    """How good the model is; the rows lie in Parquet files.

    ``blocksize=None`` because Dask cuts blocks at any line break, also inside quotes: a partition is a file. dask-ml
    has no TF-IDF; its documentation joins `HashingVectorizer` with `Incremental`. ``alpha`` as in `end_pandas`.
    """
    # The imports are part of a program's time.
    import dask
    import dask.dataframe as dd
    from dask_ml.feature_extraction.text import HashingVectorizer
    from dask_ml.wrappers import Incremental
    from distributed import Client, LocalCluster
    from sklearn.linear_model import SGDClassifier

    folder = Path(scratch) / "rows"
    with (
        dask.config.set({"temporary_directory": scratch}),
        LocalCluster(n_workers=threads, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        rows = dd.read_csv(files, dtype=TYPES, blocksize=None).map_partitions(cleaned)
        rows.drop_duplicates(subset=["text"], split_out=len(files)).to_parquet(folder, write_index=False)
        back = dd.read_parquet(folder)
        vectorizer = HashingVectorizer(n_features=2**20)
        train, test = back[back["id"] < first_test_id], back[back["id"] >= first_test_id]
        hashed, labels = dask.persist(
            vectorizer.transform(train["text"].to_bag()), train["label"].astype(object).to_dask_array(lengths=True)
        )
        model = Incremental(
            SGDClassifier(loss="log_loss", alpha=0.3 / len(labels), average=True, random_state=0), shuffle_blocks=False
        )
        classes = sorted(back["label"].unique().compute())
        for _number in range(_PASSES):
            model.partial_fit(hashed, labels, classes=classes)
        found = model.predict(vectorizer.transform(test["text"].to_bag())).compute()
        return {"accuracy": float((found == test["label"].compute().to_numpy()).mean())}


def stored(scratch: str, first_test_id: int, **_: Any) -> dict[str, Any]:
    """How many rows the files have, a digest of them whatever their order, and how many tested."""
    return parquet_outputs(Path(scratch) / "rows", first_test_id)


def parquet_outputs(folder: Path, first_test_id: int) -> dict[str, Any]:
    """As `stored`, of the Parquet files in a folder."""
    import pyarrow.compute as pc
    import pyarrow.dataset as pds

    paths = [str(path) for path in sorted(folder.glob("*.parquet"))]
    test_rows = pds.dataset(paths).count_rows(filter=pc.field("id") >= first_test_id)
    return {**rows_and_digest(paths), "test_rows": test_rows}
