"""Training by fastText, on text that was written for it before the clock starts."""

import time
from pathlib import Path
from typing import Any

from benchmarks.peers.train_vw import quality


def learn(folder: str, passes: int, threads: int, **_: Any) -> dict[str, float]:
    """Seconds from text to a model of words in memory; quality on the documents that test."""
    # The peer is no dependency of the project.
    import fasttext

    began, cpu = time.perf_counter(), time.process_time()
    model = fasttext.train_supervised(f"{folder}/train.ft", epoch=passes, thread=threads, verbose=0)
    spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    chances, labels = [], []
    with (Path(folder) / "test.ft").open() as file:
        for line in file:
            label, _sep, text = line.partition(" ")
            # Its Python wrapper does not know NumPy 2.
            told = {name: chance for chance, name in model.f.predict(text, 2, 0.0, "strict")}
            chances.append(min(told.get("__label__1", 0.0), 1.0))
            labels.append(label == "__label__1")
    return {**spent, **quality(chances, labels)}


def counted(folder: str, **_: Any) -> dict[str, int]:
    """Documents that train and test, and their tokens, in the files it reads."""
    found: dict[str, int] = {}
    for side in ("train", "test"):
        rows = tokens = 0
        with (Path(folder) / f"{side}.ft").open() as file:
            for line in file:
                rows += 1
                tokens += line.count(" ")
        found |= {f"{side}_rows": rows, f"{side}_tokens": tokens}
    return found
