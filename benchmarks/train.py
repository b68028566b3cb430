"""From a stored version to a model: textmill side by side with Vowpal Wabbit, fastText, scikit-learn and dask-ml.

    python -m benchmarks.train --peers [--megabytes 215] [--repeats 5] [--json FILE]

215 MB are the whole corpus of `benchmarks.zipf_corpus`: 300,000 documents that train, 30,000 that test. textmill's
time is from a stored version (compressed Parquet) of those that train to the weights: reading, hashing, document
frequencies, IDF, weighting, learning; a job always tests, and a few rows more are there for that. It is taken in a
process that did the same on a few rows before, as a worker has; "in a new process" it includes loading compiled code. A
peer's time begins with the documents that train laid out as it reads them, and ends with its model; imports are
outside for all, and so is the test, which textmill does on another dataset. Vowpal Wabbit's settings and
textmill's `l2` for four passes were chosen on a corpus of another seed, and so were two lanes, which both cores learn:
there they were at least as good as Vowpal Wabbit.
"""

import sys
import time
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import dask
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.harness.environments import Environment
from benchmarks.harness.targets import Target, faster_than, no_worse_than
from benchmarks.stock import DASK, PANDAS
from benchmarks.zipf_corpus import LABELS, TEST_ROWS, TRAIN_ROWS, Chunk, Rows, zipf_rows
from pipeline.scoring import evaluate_version
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.evaluate import metrics
from pipeline.train.fit import fit_model
from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.scan import iter_rows
from storage.store import Store
from storage.versions import CommitRequest

CLAIM = (
    "From a stored version to a binary model of words at 2^20 buckets, hashing included, textmill takes at most half "
    "of Vowpal Wabbit's time for one pass and a third for four, at equal or better accuracy and log loss."
)
CORES = 2
VOWPAL = "Vowpal Wabbit"
#: Name, function, environment.
PEERS = (
    (VOWPAL, "train_vw:learn", Environment(name="vw", requirements=("vowpalwabbit==9.11.9",))),
    ("fastText", "train_fasttext:learn", Environment(name="fasttext", requirements=("fasttext-wheel==0.9.2",))),
    ("scikit-learn", "train_sklearn:learn", PANDAS),
    ("dask-ml", "train_sklearn:learn_with_dask", DASK),
)
#: Passes -> textmill's settings besides the defaults, and how many times faster it is claimed to be.
SETTINGS: dict[int, tuple[dict[str, Any], float]] = {1: ({"lanes": 2}, 2.0), 4: ({"lanes": 2, "l2": 1.0}, 3.0)}
_ROW_BYTES = 651
_PART_ROWS = 100_000
_SMALL = (2_000, 500)
#: What textmill learns from, and the documents that test; so many of these stand beside the others.
ROWS, TESTS = "rows", "tests"
_FEW = 100


def lay_out(rows: Rows, folder: Path) -> str:
    """The folder with the rows as stored versions, `ROWS` and `TESTS`, and as the text that each peer reads."""
    folder.mkdir(parents=True)
    store = Store.open(folder / "store", create=True)
    tests = [_table(part, "test") for part in _parts(rows.test)]
    _commit(store, ROWS, [*(_table(part, "train") for part in _parts(rows.train)), tests[0].slice(0, _FEW)])
    _commit(store, TESTS, tests)
    for side in ("train", "test"):
        part: Chunk = getattr(rows, side)
        with (folder / f"{side}.vw").open("w") as vowpal, (folder / f"{side}.ft").open("w") as fast:
            for text, label in zip(part.texts, part.labels.tolist(), strict=True):
                vowpal.write(f"{1 if label else -1} | {text}\n")
                fast.write(f"__label__{label} {text}\n")
    return str(folder)


def _commit(store: Store, dataset: str, tables: Sequence[pa.Table]) -> None:
    staging, rows = store.staging(dataset), sum(map(len, tables))
    prints = [fingerprint_of(table, table.column_names) for table in tables]
    store.commit(
        CommitRequest(
            dataset=dataset,
            mode="replace",
            parts=tuple(write_part(table, staging / f"{at}.parquet") for at, table in enumerate(tables)),
            schema=tables[0].schema,
            fingerprint=reduce(lambda one, other: one.merge(other), prints),
            run=dataset,
            ledger={"read": rows, "kept": rows},
        )
    )


def _parts(rows: Chunk) -> Sequence[Chunk]:
    """The rows in parts of about 64 MB, as reading leaves them."""
    return [
        Chunk(
            texts=rows.texts[at : at + _PART_ROWS],
            labels=rows.labels[at : at + _PART_ROWS],
            chances=rows.chances[at : at + _PART_ROWS],
        )
        for at in range(0, len(rows.labels), _PART_ROWS)
    ]


def _table(rows: Chunk, side: str) -> pa.Table:
    labels = pa.array([LABELS[label] for label in rows.labels.tolist()])
    return pa.table({"text": rows.texts.cast(pa.string()), "label": labels, "side": [side] * len(labels)})


class _Watched:
    """Runs tasks on threads; `cpu_s` is the CPU time at which the first test began."""

    def __init__(self, threads: int) -> None:
        self.threads, self.cpu_s = threads, 0.0

    def __call__(self, stage: str, tasks: Sequence[Any], *, sizes: Sequence[int] | None = None) -> list[Any]:  # noqa: ARG002
        if stage == "evaluate" and not self.cpu_s:
            self.cpu_s = time.process_time()
        return list(dask.compute(*tasks, scheduler="threads", num_workers=self.threads))


def learn(folder: str, passes: int, threads: int, settings: dict[str, Any], scratch: str, **_: Any) -> dict[str, float]:
    """Seconds from the stored version to the weights; quality on the documents that test."""
    store, place = Store.open(Path(folder) / "store"), Path(scratch) / Path(folder).name
    train = TrainConfig.model_validate({**settings, "epochs": passes, "split": {"column": "side", "test": "test"}})
    execute, cpu = _Watched(threads), time.process_time()
    fitted = fit_model(store.snapshot(ROWS), FeatureConfig(ngrams=(1, 1)), train, place, execute, {})
    spent = {"seconds": fitted.seconds["features"] + fitted.seconds["train"], "cpu_s": execute.cpu_s - cpu}
    fitted.model.save(place / "model")
    quality = metrics(evaluate_version(place / "model", store.snapshot(TESTS), execute, place), fitted.model.labels)
    return {**spent, **{name: float(quality[name]) for name in ("accuracy", "log_loss")}}


def counted(folder: str, **_: Any) -> dict[str, int]:
    """Documents that train and test, and their tokens, in the stored versions."""
    found = {f"{side}_{what}": 0 for side in ("train", "test") for what in ("rows", "tokens")}
    for side, dataset in (("train", ROWS), ("test", TESTS)):
        for batch in iter_rows(Store.open(Path(folder) / "store").snapshot(dataset)):
            texts = batch.filter(pc.equal(batch["side"], side))["text"]
            found[f"{side}_rows"] += len(texts)
            found[f"{side}_tokens"] += int(pc.sum(pc.add(pc.count_substring(texts, " "), 1)).as_py() or 0)
    return found


def rows_of(setting: Setting) -> Rows:
    """As many documents of the corpus as the setting asks for."""
    train = min(TRAIN_ROWS, setting.size_bytes // _ROW_BYTES * TRAIN_ROWS // (TRAIN_ROWS + TEST_ROWS))
    return zipf_rows(train, max(1, train * TEST_ROWS // TRAIN_ROWS))


def cases(setting: Setting) -> list[Case]:
    """One pass and four passes over the same documents."""
    folder = lay_out(rows_of(setting), setting.scratch / "corpus")
    small = lay_out(zipf_rows(*_SMALL), setting.scratch / "small")
    size = (Path(folder) / "train.vw").stat().st_size
    return [_case(passes, folder, small, size, setting) for passes in SETTINGS]


def _case(passes: int, folder: str, small: str, size: int, setting: Setting) -> Case:
    settings, times = SETTINGS[passes]
    arguments = {"folder": folder, "passes": passes, "threads": CORES}
    contenders = [
        Contender(
            name=name,
            run="benchmarks.train:learn",
            check="benchmarks.train:counted",
            arguments={**arguments, "settings": settings},
            warm_up=warm_up,
        )
        for name, warm_up in ((OURS, {"folder": small}), (f"{OURS} in a new process", None))
    ]
    for name, function, environment in PEERS if setting.peers else ():
        # scikit-learn and dask-ml read the text that is written for Vowpal Wabbit.
        counts = "train_fasttext" if name == "fastText" else "train_vw"
        contenders.append(
            Contender(
                name=name,
                run=f"benchmarks.peers.{function}",
                check=f"benchmarks.peers.{counts}:counted",
                arguments=arguments,
                environment=environment,
            )
        )
    return Case(
        name=f"{passes} {'pass' if passes == 1 else 'passes'}",
        contenders=contenders,
        equal=("train_rows", "test_rows", "train_tokens", "test_tokens"),
        work={"bytes": size},
        targets=_targets(times),
        cores=CORES,
    )


def _targets(times: float) -> tuple[Target, ...]:
    return (
        faster_than(VOWPAL, times, issue=5),
        no_worse_than(VOWPAL, "accuracy", issue=5),
        no_worse_than(VOWPAL, "log_loss", larger_is_better=False, issue=5),
    )


SUITE = Suite(name="train", claim=CLAIM, cases=cases)


if __name__ == "__main__":
    sys.exit(run_suite(SUITE))
