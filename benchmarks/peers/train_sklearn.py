"""Training by scikit-learn and by dask-ml: `HashingVectorizer` and `SGDClassifier`, on texts that are in memory."""

import time
from pathlib import Path
from typing import Any

from benchmarks.peers.train_vw import quality

_CHUNK = 20_000


def learn(folder: str, passes: int, **_: Any) -> dict[str, float]:
    """Seconds of hashing once and of so many passes of `partial_fit`; quality on the documents that test."""
    # The peers are no part of what textmill starts.
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    texts, labels = _read(folder, "train")
    vectorizer = HashingVectorizer(n_features=2**20)
    model = SGDClassifier(loss="log_loss", alpha=1e-6, random_state=0)
    began, cpu = time.perf_counter(), time.process_time()
    hashed = vectorizer.transform(texts)
    for _number in range(passes):
        model.partial_fit(hashed, labels, classes=[False, True])
    spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    return {**spent, **_tested(folder, vectorizer, model)}


def learn_with_dask(folder: str, passes: int, threads: int, **_: Any) -> dict[str, float]:
    """Seconds of hashing in blocks and of so many passes of dask-ml's `Incremental`; quality as above."""
    # The peers are no part of what textmill starts.
    import dask
    import dask.array as da
    import numpy as np
    from dask_ml.wrappers import Incremental
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    texts, labels = _read(folder, "train")
    vectorizer = HashingVectorizer(n_features=2**20)
    model = Incremental(SGDClassifier(loss="log_loss", alpha=1e-6, random_state=0), shuffle_blocks=False)
    began, cpu = time.perf_counter(), time.process_time()
    parts = [texts[at : at + _CHUNK] for at in range(0, len(texts), _CHUNK)]
    hashed = da.concatenate(
        [
            da.from_delayed(dask.delayed(vectorizer.transform)(part), (len(part), 2**20), dtype=np.float64)
            for part in parts
        ]
    )
    targets = da.from_array(np.array(labels), chunks=(tuple(map(len, parts)),))
    with dask.config.set(scheduler="threads", num_workers=threads):
        hashed = hashed.persist()
        for _number in range(passes):
            model.partial_fit(hashed, targets, classes=[False, True])
    spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    return {**spent, **_tested(folder, vectorizer, model.estimator_)}


def _read(folder: str, side: str) -> tuple[list[str], list[bool]]:
    texts, labels = [], []
    with (Path(folder) / f"{side}.vw").open() as file:
        for line in file:
            label, _sep, text = line.rstrip("\n").partition(" | ")
            texts.append(text)
            labels.append(label == "1")
    return texts, labels


def _tested(folder: str, vectorizer: Any, model: Any) -> dict[str, float]:
    texts, labels = _read(folder, "test")
    return quality(model.predict_proba(vectorizer.transform(texts))[:, 1].tolist(), labels)
