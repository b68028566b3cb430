"""Training by Vowpal Wabbit: its command line, on text that was written for it before the clock starts."""

import math
import time
from pathlib import Path
from typing import Any

#: Chosen by log loss on a corpus of another seed (100,000 documents that train, 20,000 that test) out of ``-l`` 0.02,
#: 0.05, 0.1, 0.25, 0.5, each plain, with ``--l2`` 1e-7 and 1e-6, and with ``--power_t 0``.
TUNED = {1: "-l 0.5 --l2 1e-6", 4: "-l 0.25 --l2 1e-6"}


def learn(folder: str, passes: int, scratch: str, **_: Any) -> dict[str, float]:
    """Seconds from its start on the text to the model on disk; quality on the documents that test.

    One pass reads the text; more passes keep a cache, as its documentation recommends.
    """
    # The peer is no dependency of the project.
    from vowpalwabbit import Workspace

    train, test = Path(folder) / "train.vw", Path(folder) / "test.vw"
    model, told = Path(scratch) / "model", Path(scratch) / "told"
    cache = f"--passes {passes} -k --cache_file {scratch}/cache" if passes > 1 else ""
    began, cpu = time.perf_counter(), time.process_time()
    Workspace(
        f"-d {train} -b 20 --loss_function logistic --holdout_off --quiet -f {model} {TUNED[passes]} {cache}"
    ).finish()
    spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    Workspace(f"-d {test} -i {model} -t --quiet --link logistic -p {told}").finish()
    labels = [line.startswith("1") for line in test.open()]
    return {**spent, **quality([float(line) for line in told.open()], labels)}


def quality(chances: list[float], labels: list[bool]) -> dict[str, float]:
    """Accuracy and log loss of these chances of the second label."""
    right = sum((chance > 0.5) == label for chance, label in zip(chances, labels, strict=True))
    losses = (
        -math.log(min(max(chance if label else 1 - chance, 1e-15), 1.0))
        for chance, label in zip(chances, labels, strict=True)
    )
    return {"accuracy": right / len(labels), "log_loss": sum(losses) / len(labels)}


def counted(folder: str, **_: Any) -> dict[str, int]:
    """Documents that train and test, and their tokens, in the files it reads."""
    found: dict[str, int] = {}
    for side in ("train", "test"):
        rows = tokens = 0
        with (Path(folder) / f"{side}.vw").open() as file:
            for line in file:
                rows += 1
                tokens += line.count(" ") - 1
        found |= {f"{side}_rows": rows, f"{side}_tokens": tokens}
    return found
