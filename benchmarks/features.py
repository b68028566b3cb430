"""How fast texts are hashed on one core, side by side with scikit-learn's `HashingVectorizer`.

    python -m benchmarks.features --peers [--megabytes 20] [--repeats 5] [--json FILE]

Claim: on one core textmill takes at most a twelfth of the CPU time for words, a tenth for word (1, 2)-grams, a
fifteenth for ``char_wb`` (2, 4)-grams and for Chinese characters (1, 3).

Both hash the same generated text with a Zipf vocabulary, in memory, in batches as a run does. The matrices are
compared: the same indices, the same values. CPU time counts, so that a busy machine does not matter much.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.generate import vocabulary
from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.harness.figures import CPU
from benchmarks.harness.targets import faster_than
from benchmarks.peers.hash_sklearn import batches_of, hashed
from benchmarks.stock import PANDAS
from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_texts

CLAIM = (
    "On one core textmill takes at most a twelfth of scikit-learn's CPU time to hash words, a tenth for (1, 2)-grams "
    "of words, a fifteenth for n-grams of characters inside words and for Chinese characters."
)
PEER = "scikit-learn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of n-gram and how many times faster it is claimed to be hashed; None where nothing is claimed."""

    name: str
    features: Mapping[str, Any] = field(default_factory=dict)
    chinese: bool = False
    claim: float | None = None


#: scikit-learn has no Chinese analyzer: characters are the nearest thing that both can do.
KINDS = (
    Kind(name="word (1,1)", features={"ngrams": (1, 1)}, claim=12),
    Kind(name="word (1,2)", features={"ngrams": (1, 2)}, claim=10),
    Kind(name="char (2,4)", features={"analyzer": "char"}),
    Kind(name="char_wb (2,4)", features={"analyzer": "char_wb"}, claim=15),
    Kind(name="Chinese char (1,3)", features={"analyzer": "char", "ngrams": (1, 3)}, chinese=True, claim=15),
)


def write_texts(path: Path, size_bytes: int, seed: int, *, chinese: bool) -> str:
    """The path of a file of about that size: a text a line, words with blanks between them, or Chinese without."""
    rng = np.random.default_rng(seed)
    words = np.array(vocabulary(30_000, seed, 1.0 if chinese else 0.0), dtype=object)
    weights = 1.0 / np.arange(1, len(words) + 1) ** 1.05
    cumulative = np.cumsum(weights / weights.sum())
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size_bytes:
            places = np.searchsorted(cumulative, rng.random(max(1, int(rng.lognormal(3.0, 0.7)))))
            drawn = words[np.minimum(places, len(words) - 1)]
            text = ("，" if rng.random() < 0.3 else "").join(drawn) if chinese else " ".join(drawn)
            file.write(text + "\n")
            written += len(text.encode()) + 1
    return str(path)


def hash_all(path: str, features: dict[str, Any], scratch: str, **_: Any) -> dict[str, Any]:
    """The seconds that hashing all batches took; what they gave is kept for `benchmarks.peers.hash_sklearn.outputs`."""
    config = FeatureConfig.model_validate(features)
    columns = (pa.array(texts) for texts in batches_of(path))
    return hashed(columns, lambda column: hash_texts(column, config), scratch)


def cases(setting: Setting) -> list[Case]:
    """A case a kind of n-gram."""
    paths = {
        chinese: write_texts(setting.scratch / f"{name}.txt", setting.size_bytes, setting.seed, chinese=chinese)
        for name, chinese in (("English", False), ("Chinese", True))
    }
    small = {
        chinese: write_texts(setting.scratch / f"{name}-small.txt", 20_000, setting.seed, chinese=chinese)
        for name, chinese in (("English", False), ("Chinese", True))
    }
    return [_case(kind, paths[kind.chinese], small[kind.chinese], peers=setting.peers) for kind in KINDS]


def _case(kind: Kind, path: str, small: str, *, peers: bool) -> Case:
    features = FeatureConfig.model_validate(kind.features)
    as_sklearn = {
        "analyzer": features.analyzer,
        "ngram_range": features.ngram_range,
        "n_features": features.width,
    }
    contenders = [
        Contender(
            name=name,
            run=run,
            check="benchmarks.peers.hash_sklearn:outputs",
            arguments={"path": path, "features": given},
            warm_up={"path": small},
            environment=environment,
        )
        for name, run, given, environment in (
            (OURS, "benchmarks.features:hash_all", kind.features, None),
            (PEER, "benchmarks.peers.hash_sklearn:hash_all", as_sklearn, PANDAS),
        )
    ]
    return Case(
        name=kind.name,
        contenders=contenders if peers else contenders[:1],
        equal=("rows", "entries", "digest"),
        work={"bytes": Path(path).stat().st_size},
        targets=() if kind.claim is None else (faster_than(PEER, kind.claim, measure=CPU, issue=5),),
        cores=1,
    )


SUITE = Suite(name="features", claim=CLAIM, cases=cases)


if __name__ == "__main__":
    sys.exit(run_suite(SUITE))
