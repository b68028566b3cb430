"""How fast texts are hashed on one core, side by side with scikit-learn's `HashingVectorizer`.

    python -m benchmarks.hashing [--megabytes 8] [--repeats 7] [--json FILE]

Claim: on one core textmill takes at most a twelfth of the time for words, a tenth for word (1, 2)-grams, a fifteenth
for ``char_wb`` (2, 4)-grams and for Chinese characters (1, 3).

Both work on the same generated text with a Zipf vocabulary. The outputs are compared first: the same indices, the same
values. Each is warmed up, then timed in turns; the CPU time of the process counts, so that a busy machine does not
matter much, and the ratio is that of the medians. The null run times scikit-learn against itself.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import HashingVectorizer

from benchmarks.generate import vocabulary
from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of n-gram and how many times faster it is claimed to be hashed; None where nothing is claimed."""

    name: str
    features: FeatureConfig
    chinese: bool = False
    claim: float | None = None


#: scikit-learn has no Chinese analyzer: characters are the nearest thing that both can do.
CASES = (
    Case(name="word (1,1)", features=FeatureConfig(ngrams=(1, 1)), claim=12),
    Case(name="word (1,2)", features=FeatureConfig(ngrams=(1, 2)), claim=10),
    Case(name="char (2,4)", features=FeatureConfig(analyzer="char")),
    Case(name="char_wb (2,4)", features=FeatureConfig(analyzer="char_wb"), claim=15),
    Case(name="Chinese char (1,3)", features=FeatureConfig(analyzer="char", ngrams=(1, 3)), chinese=True, claim=15),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What was measured of one case: megabytes a second of both, the ratio of times, and that of the null run."""

    case: str
    claim: float | None
    textmill_mb_s: float
    sklearn_mb_s: float
    ratio: float
    null_ratio: float


def zipf_texts(megabytes: float, *, chinese: bool, seed: int = 0) -> list[str]:
    """Texts of about that size in UTF-8: words with blanks between them, or Chinese without."""
    rng = np.random.default_rng(seed)
    words = np.array(vocabulary(30_000, seed, 1.0 if chinese else 0.0), dtype=object)
    weights = 1.0 / np.arange(1, len(words) + 1) ** 1.05
    cumulative = np.cumsum(weights / weights.sum())
    texts: list[str] = []
    size = 0
    while size < megabytes * 1e6:
        drawn = words[np.minimum(np.searchsorted(cumulative, rng.random(max(1, int(rng.lognormal(3.0, 0.7))))), 29_999)]
        texts.append(("，" if rng.random() < 0.3 else "").join(drawn) if chinese else " ".join(drawn))
        size += len(texts[-1].encode())
    return texts


def vectorizer_of(features: FeatureConfig) -> HashingVectorizer:
    """scikit-learn's hashing with the same meaning."""
    return HashingVectorizer(
        analyzer=features.analyzer,
        ngram_range=features.ngram_range,
        n_features=features.width,
        norm=None,
        dtype=np.float32,
    )


def require_equal(texts: Sequence[str], features: FeatureConfig) -> None:
    """Nothing where both give the same matrix; raises `AssertionError` else."""
    ours, theirs = hash_texts(pa.array(texts), features), vectorizer_of(features).transform(texts)
    np.testing.assert_array_equal(ours.indptr, theirs.indptr)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_array_equal(ours.data, theirs.data)


def cpu_seconds(call: Callable[[], Any]) -> float:
    """CPU time of the process that one call takes."""
    began = time.process_time()
    call()
    return time.process_time() - began


def measure(case: Case, megabytes: float, repeats: int) -> Timing:
    """The timing of one case."""
    texts = zipf_texts(megabytes, chinese=case.chinese)
    # scikit-learn gets an eighth: it takes as long for it as textmill for all.
    part = texts[: max(1, len(texts) // 8)]
    column = pa.array(texts)
    size, part_size = (sum(len(text.encode()) for text in some) / 1e6 for some in (texts, part))
    require_equal(texts, case.features)
    vectorizer = vectorizer_of(case.features)
    ours, theirs, nulls = [], [], []
    for _ in range(repeats):
        ours.append(cpu_seconds(lambda: hash_texts(column, case.features)) / size)
        theirs.append(cpu_seconds(lambda: vectorizer.transform(part)) / part_size)
        nulls.append(cpu_seconds(lambda: vectorizer.transform(part)) / part_size)
    return Timing(
        case=case.name,
        claim=case.claim,
        textmill_mb_s=1 / statistics.median(ours),
        sklearn_mb_s=1 / statistics.median(theirs),
        ratio=statistics.median(theirs) / statistics.median(ours),
        null_ratio=statistics.median(theirs) / statistics.median(nulls),
    )


def table(timings: Sequence[Timing]) -> str:
    """The timings as a Markdown table."""
    lines = [
        "| n-grams | textmill MB/s | scikit-learn MB/s | times faster | claimed | null run |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.case} | {one.textmill_mb_s:.1f} | {one.sklearn_mb_s:.2f} | {one.ratio:.1f} "
        f"| {'' if one.claim is None else f'{one.claim:.0f}'} | {one.null_ratio:.2f} |"
        for one in timings
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where every claim holds, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=8.0)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write all figures here too")
    options = parser.parse_args(arguments)
    timings = [measure(case, options.megabytes, options.repeats) for case in CASES]
    print(f"{platform.machine()}, Python {platform.python_version()}, one core, {options.megabytes} MB of text")
    print(table(timings))
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in timings], indent=1))
    short = [one.case for one in timings if one.claim is not None and one.ratio < one.claim]
    print(f"falls short: {', '.join(short)}" if short else "every claim holds")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
