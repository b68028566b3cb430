"""Same input, same bytes: workers, threads, processes, block sizes and files make no difference."""

import csv
from pathlib import Path

import pytest

from cluster.driver import run_job
from pipeline.config import parse_job
from storage.store import Store
from textmill.demo.corpus import write_corpus

pytestmark = pytest.mark.xdist_group("same-bytes")

ROWS = 4000


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Texts with labels: the demonstration corpus as one clean list, its order mixed enough to matter."""
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"), rows=ROWS, seed=5)
    job = parse_job(
        {
            "name": "prepare",
            "store": str(tmp_path_factory.mktemp("prepare") / "store"),
            "source": {
                "files": [str(path) for path in corpus.files],
                "columns": {"text": "message", "label": "category"},
            },
            "check": [{"column": "label", "one_of": ["complaint", "inquiry", "suggestion"]}],
            "dataset": {"name": "rows"},
            "cluster": {"workers": 1, "processes": False},
        }
    )
    run_job(job)
    with Store.open(job.store).sql("SELECT text, label FROM rows ORDER BY _source, _position") as answer:
        table = answer.read_all()
    return list(zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True))


def write_parts(folder: Path, rows, parts: int) -> list[str]:
    folder.mkdir()
    size = -(-len(rows) // parts)
    paths = []
    for number in range(parts):
        path = folder / f"part-{number}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows(rows[number * size : (number + 1) * size])
        paths.append(str(path))
    return paths


def outcome(tmp_path: Path, rows, name: str, *, parts: int, block: str, cluster: dict):
    job = parse_job(
        {
            "name": "same",
            "store": str(tmp_path / f"store-{name}"),
            "source": {"files": write_parts(tmp_path / name, rows, parts), "block": block},
            "clean": [{"op": "strip_html"}, {"op": "normalize_unicode"}, {"op": "collapse_whitespace"}],
            "dedupe": {"exact": ["text"]},
            "dataset": {"name": "rows"},
            "features": {"analyzer": "chinese", "bits": 16},
            "train": {"epochs": 3, "block_rows": 500},
            "cluster": cluster,
        }
    )
    result = run_job(job)
    ledger = result.ledger.to_dict()
    return result.dataset.fingerprint, result.model.sha256, ledger, dict(result.metrics)


def test_fingerprint_and_model_do_not_depend_on_how_the_work_was_spread(tmp_path, rows):
    first = outcome(
        tmp_path, rows, "one", parts=1, block="64MB", cluster={"workers": 1, "threads": 1, "processes": False}
    )
    assert first[2]["duplicates"]["exact"] > 0
    spreads = {
        "two-threads": {"parts": 3, "block": "50kB", "cluster": {"workers": 1, "threads": 2, "processes": False}},
        "two-workers": {"parts": 7, "block": "20kB", "cluster": {"workers": 2, "processes": False}},
        "one-process": {"parts": 1, "block": "30kB", "cluster": {"workers": 1}},
        "two-processes": {"parts": 7, "block": "64MB", "cluster": {"workers": 2, "threads": 2}},
    }
    for name, spread in spreads.items():
        assert outcome(tmp_path, rows, name, **spread) == first, name
