"""textmill's quality beside the reference program's, on the same rows split the same way.

    python -m benchmarks.accuracy --data CORPORA [--only NAME ...] [--chinese ANALYZER] [--json FILE]

For each corpus the rows a person would load with pandas are split 80/20 with random_state 42. The reference program
and textmill's default job both learn from the one part and are scored on the other. The claim: textmill's accuracy is
within half a point of the reference program's, or above it. Exit status 1 where it is not.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.corpora import CORPORA, Corpus
from benchmarks.harness.scripted import begun, write_record
from benchmarks.harness.tables import verdict_lines
from benchmarks.harness.targets import Verdict, judged
from benchmarks.reference import score, split, through_sqlite
from cluster.driver import run_job
from pipeline.config import parse_job

#: How far below the reference program's accuracy textmill may be.
TOLERANCE = 0.005
CHINESE = ("chinese", "chinese_word")


def compare(corpus: Corpus, corpora: Path, scratch: Path, chinese: str = CHINESE[0]) -> dict[str, Any]:
    """Both programs' scores and seconds on one corpus of those in the folder `corpora`."""
    train, test = split(corpus.rows(corpora))
    began = time.perf_counter()
    train_back = through_sqlite(train, scratch / "reference.sqlite")
    reference = score(train_back, test, chinese=corpus.chinese)
    middle = time.perf_counter()
    metrics = run_textmill(train, test, scratch, analyzer=chinese if corpus.chinese else "word")
    return {
        "corpus": corpus.name,
        "rows": len(train) + len(test),
        "classes": int(train["label"].nunique()),
        "reference": asdict(reference),
        "textmill": metrics,
        "reference_s": middle - began,
        "textmill_s": time.perf_counter() - middle,
    }


def run_textmill(train: pd.DataFrame, test: pd.DataFrame, scratch: Path, *, analyzer: str) -> dict[str, Any]:
    """Metrics of textmill's default job over the two parts written as CSV files."""
    for name, part in (("train", train), ("test", test)):
        part.to_csv(scratch / f"{name}.csv", index=False)
    job = parse_job(
        {
            "name": "quality",
            "store": str(scratch / "store"),
            "source": {"files": [str(scratch / "train.csv"), str(scratch / "test.csv")]},
            "dataset": {"name": "rows"},
            "features": {"analyzer": analyzer},
            "train": {"split": {"test_files": ["*test.csv"]}},
        }
    )
    return dict(run_job(job).metrics or {})


def table(results: Sequence[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| corpus | rows | classes | reference accuracy / macro-F1 | textmill accuracy / macro-F1 | difference |",
        "|---|---:|---:|---|---|---:|",
    ]
    for result in results:
        ref, ours = result["reference"], result["textmill"]
        lines.append(
            f"| {result['corpus']} | {result['rows']:,} | {result['classes']} "
            f"| {ref['accuracy']:.4f} / {ref['macro_f1']:.4f} | {ours['accuracy']:.4f} / {ours['macro_f1']:.4f} "
            f"| {ours['accuracy'] - ref['accuracy']:+.4f} |"
        )
    return "\n".join(lines)


def verdicts(results: Sequence[dict[str, Any]]) -> list[Verdict]:
    """Whether textmill is as good on each corpus."""
    return [
        judged(
            f"accuracy on {result['corpus']} beyond the reference program's",
            result["textmill"]["accuracy"] - result["reference"]["accuracy"],
            at_least=-TOLERANCE,
            issue=5,
        )
        for result in results
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where the claim holds on every corpus that was found, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the corpora")
    parser.add_argument("--only", nargs="*", choices=sorted(CORPORA), default=sorted(CORPORA))
    parser.add_argument("--chinese", choices=CHINESE, default=CHINESE[0], help="textmill's analyzer for Chinese")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    options = parser.parse_args(arguments)
    facts, results = begun("benchmarks.accuracy", arguments), []
    for name in options.only:
        with tempfile.TemporaryDirectory() as scratch:
            results.append(compare(CORPORA[name], options.data, Path(scratch), options.chinese))
        print(table(results[-1:]).splitlines()[-1], flush=True)
    print(table(results))
    write_record(options.json, {**facts, "corpora": results})
    judgement = verdicts(results)
    print("\n".join(verdict_lines(judgement)))
    return int(any(not verdict.holds for verdict in judgement))


if __name__ == "__main__":
    sys.exit(main())
