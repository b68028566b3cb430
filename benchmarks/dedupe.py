"""How fast near-duplicates are found on one core, and how well, side by side with datasketch and rensa.

    python -m benchmarks.dedupe --peers [--megabytes 10] [--repeats 5] [--json FILE]

Generated texts (English words or Chinese characters with a Zipf distribution) of which a fifth are repeated with a few
words changed, so that similarities lie between about 0.5 and 1. Everyone compares the same shingles with 126 hash
functions in 21 bands of 6, verifies candidates by exact Jaccard similarity, and answers the row that stays for each
that goes. textmill works through files in bounded memory as it does in a run; the peers keep all in memory.
"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.generate import vocabulary
from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.harness.environments import Environment
from benchmarks.harness.figures import CPU
from benchmarks.harness.targets import Target, faster_than, rate_at_least
from benchmarks.peers.near_rows import CHARACTERS, THRESHOLD, WORDS, shingles, texts_of, timed
from pipeline import frame
from pipeline.execute import run_here
from pipeline.ingest.dedupe.minhash import band_keys
from pipeline.ingest.dedupe.resolve import resolve_near
from pipeline.ingest.dedupe_config import NearConfig
from pipeline.ingest.memory_need import PASS_BYTES

CLAIM = (
    "On one core textmill finds near-duplicates at 5 MB/s or more with a recall of 0.95 or more at a similarity of "
    "0.8, and takes no row out that is not similar to another."
)
PEERS = (
    ("datasketch", "near_datasketch", Environment(name="datasketch", requirements=("datasketch==2.0.0",))),
    ("rensa", "near_rensa", Environment(name="rensa", requirements=("rensa==0.5.0",))),
)
_NEAR = NearConfig(threshold=THRESHOLD, words=WORDS, characters=CHARACTERS)
_BLOCK_BYTES = 32_000_000
_CHANGED_MOST = 8


def plant(folder: Path, size_bytes: int, seed: int, *, chinese: bool) -> str:
    """The folder with about `size_bytes` of texts, one a line, and the pairs among them that are similar enough."""
    rng = np.random.default_rng(seed)
    words = np.array(vocabulary(30_000, seed, 1.0 if chinese else 0.0), dtype=object)
    cumulative = np.cumsum(1.0 / np.arange(1, len(words) + 1) ** 1.05)
    cumulative /= cumulative[-1]

    def drawn(count: int) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = words[np.minimum(np.searchsorted(cumulative, rng.random(count)), len(words) - 1)]
        return found

    texts: list[str] = []
    groups: list[range] = []
    written = 0
    while written < size_bytes:
        tokens = drawn(max(10, int(rng.lognormal(4.0, 0.5))))
        first = len(texts)
        for copy in range(1 + (int(rng.integers(1, 4)) if rng.random() < 0.2 else 0)):
            changed = tokens.copy()
            places = rng.integers(0, len(tokens), int(rng.integers(0, _CHANGED_MOST)) if copy else 0)
            changed[places] = drawn(len(places))
            texts.append(("" if chinese else " ").join(changed))
            written += len(texts[-1].encode()) + 1
        groups.append(range(first, len(texts)))
    order = rng.permutation(len(texts))
    place = np.argsort(order)
    pairs = [
        sorted((int(place[i]), int(place[j])))
        for group in groups
        for i, j in itertools.combinations(group, 2)
        if _jaccard(texts[i], texts[j], chinese=chinese) >= THRESHOLD
    ]
    folder.mkdir(parents=True)
    (folder / "texts.txt").write_text("".join(texts[at] + "\n" for at in order), encoding="utf-8")
    (folder / "pairs.json").write_text(json.dumps(pairs))
    return str(folder)


def _jaccard(left: str, right: str, *, chinese: bool) -> float:
    sets = [shingles(text, chinese=chinese) for text in (left, right)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def find(folder: str, scratch: str, **_: Any) -> dict[str, float]:
    """Time and quality of the whole flow, as a run has it: blocks to files to duplicates, block by block."""
    blocks = _blocks(texts_of(folder))
    starts = np.cumsum([0, *(block.num_rows for block in blocks)])

    def work() -> dict[int, int]:
        found = resolve_near(blocks, _NEAR, Path(scratch), run_here, PASS_BYTES)
        stays: dict[int, int] = {}
        for number, start in enumerate(starts[:-1].tolist()):
            part = found.of_block(number)
            # Positions are row numbers over all blocks here.
            stays.update(zip((part.rows.astype(np.int64) + start).tolist(), part.positions.tolist(), strict=True))
        return stays

    return timed(work, folder)


def _blocks(texts: list[str]) -> list[pa.Table]:
    """The rows as frames, in blocks of so many bytes."""
    sizes = np.cumsum([len(text.encode()) for text in texts])
    cuts = [*np.flatnonzero(np.diff(sizes // _BLOCK_BYTES) > 0).tolist(), len(texts) - 1]
    blocks, start = [], 0
    for cut in cuts:
        some = texts[start : cut + 1]
        columns = [
            pa.array(some, pa.string()),
            pa.array(["rows"] * len(some)).cast(frame.SOURCE_TYPE),
            pa.array(range(start, start + len(some)), pa.int64()),
            *(pa.nulls(len(some), pa.string()) for _ in range(3)),
        ]
        blocks.append(pa.table(columns, schema=frame.frame_schema(pa.schema([("text", pa.string())]))))
        start = cut + 1
    return blocks


def sign(folder: str, **_: Any) -> None:
    """Signatures and band keys alone, from texts."""
    band_keys(pa.chunked_array([pa.array(texts_of(folder), pa.string())]), _NEAR)


def cases(setting: Setting) -> list[Case]:
    """The whole flow and signatures alone, for English and for Chinese."""
    found = []
    for language in ("English", "Chinese"):
        chinese = language == "Chinese"
        folder = plant(setting.scratch / language, setting.size_bytes, setting.seed, chinese=chinese)
        small = plant(setting.scratch / f"{language}-small", 200_000, setting.seed, chinese=chinese)
        size = (Path(folder) / "texts.txt").stat().st_size
        for name, function in (("near-duplicates", "find"), ("signatures", "sign")):
            whole = function == "find"
            peers = PEERS if setting.peers else ()
            found.append(
                Case(
                    name=f"{name}, {language}",
                    contenders=[
                        _contender(OURS, f"benchmarks.dedupe:{function}", folder, small, chinese=chinese),
                        *(
                            _contender(
                                peer,
                                f"benchmarks.peers.{module}:{function}",
                                folder,
                                small,
                                environment,
                                chinese=chinese,
                            )
                            for peer, module, environment in peers
                        ),
                    ],
                    equal=("rows",),
                    work={"bytes": size},
                    targets=_targets(whole=whole),
                    cores=1,
                )
            )
    return found


def _contender(
    name: str, run: str, folder: str, small: str, environment: Environment | None = None, *, chinese: bool
) -> Contender:
    return Contender(
        name=name,
        run=run,
        check="benchmarks.peers.near_rows:counted",
        arguments={"folder": folder, "chinese": chinese},
        warm_up={"folder": small},
        environment=environment,
    )


def _targets(*, whole: bool) -> tuple[Target, ...]:
    speed = (
        rate_at_least("bytes", 5e6, measure=CPU, issue=3),
        *(faster_than(name, 1.0, measure=CPU) for name, *_ in PEERS),
    )
    if not whole:
        return speed
    quality = tuple(
        Target(
            claim=f"{measure} of {OURS}",
            figure=lambda measured, measure=measure: measured.spread(OURS, measure).least,  # type: ignore[misc]
            at_least=least,
            issue=3,
        )
        for measure, least in (("recall", 0.95), ("precision", 1.0))
    )
    return (*speed, *quality)


SUITE = Suite(name="dedupe", claim=CLAIM, cases=cases)


if __name__ == "__main__":
    sys.exit(run_suite(SUITE))
