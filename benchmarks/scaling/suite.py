"""One worker beside two, the model fitted to some runs and held against others, and the plan to a petabyte.

    python -m benchmarks.scaling.suite [--megabytes 200] [--repeats 3] [--blocks 1000] --json FILE

Claims: two workers do at least 1.8 times what one does; the model's forecasts of runs that it has not seen are within
15 %. The model is fitted to runs of the whole input in blocks of two sizes on one worker, of a quarter of it, and of
one size on two workers; it foretells half the input, a block size in between, and two workers with the other size.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness.contender import Case, Setting, Suite
from benchmarks.harness.figures import Sample
from benchmarks.harness.running import run_once
from benchmarks.harness.scripted import begun, write_record
from benchmarks.harness.tables import verdict_lines
from benchmarks.harness.targets import Verdict, faster_than, judged
from benchmarks.scaling.fit import check, fitted
from benchmarks.scaling.graph import graph_cost, told
from benchmarks.scaling.plan import planned
from benchmarks.scaling.runs import Shape, Timed, case_of, timed_of

TOLERANCE = 0.15


def cases(setting: Setting) -> list[Case]:
    """The same run with two workers, as textmill, and with one."""
    block = max(250_000, setting.size_bytes // 16)
    two, one = (
        case_of(Shape(size_bytes=setting.size_bytes, block_bytes=block, workers=workers), setting) for workers in (2, 1)
    )
    [ours] = two.contenders
    alone = type(ours)(name="one worker", run=ours.run, check=ours.check, arguments=one.contenders[0].arguments)
    targets = [faster_than("one worker", 1.8, issue=5)]
    return [Case(name="two workers", contenders=[ours, alone], equal=two.equal, work=two.work, targets=targets)]


SUITE = Suite(name="scaling", claim="Two workers do at least 1.8 times what one does.", cases=cases, runs_jobs=True)


def shapes(size_bytes: int) -> tuple[list[Shape], list[Shape]]:
    """Runs to fit to, and runs to foretell."""
    small, middle, large = size_bytes // 40, size_bytes // 20, size_bytes // 10

    def shape(size: int, block: int, workers: int) -> Shape:
        return Shape(size_bytes=size, block_bytes=block, workers=workers)

    known = [
        shape(size_bytes, small, 1),
        shape(size_bytes, large, 1),
        shape(size_bytes // 4, small, 1),
        shape(size_bytes, large, 2),
    ]
    unseen = [
        shape(size_bytes, middle, 1),
        shape(size_bytes, small, 2),
        shape(size_bytes // 2, middle, 1),
        shape(size_bytes // 2, small, 2),
    ]
    return known, unseen


def timed(all_shapes: Sequence[Shape], folder: Path, repeats: int) -> list[Timed]:
    """Each shape with its median run, all run in turns."""
    wanted = {shape: case_of(shape, Setting(size_bytes=shape.size_bytes, scratch=folder)) for shape in all_shapes}
    samples: dict[Shape, list[Sample]] = {shape: [] for shape in all_shapes}
    for number in range(repeats):
        for shape, case in wanted.items():
            print(f"{shape.name}, round {number + 1} of {repeats}", file=sys.stderr, flush=True)
            samples[shape].append(run_once(case, case.contenders[0], folder))
    return [_median(shape, wanted[shape].work["bytes"], found) for shape, found in samples.items()]


def _median(shape: Shape, size_bytes: float, samples: Sequence[Sample]) -> Timed:
    names = samples[0].measures
    measures = {name: statistics.median(float(one.measures[name]) for one in samples) for name in names}
    return timed_of(shape, size_bytes, measures, statistics.median(one.seconds for one in samples))


def verdicts(errors: Sequence[float]) -> list[Verdict]:
    """Whether forecasts are near enough to runs that the model had not seen."""
    worst = max(abs(error) for error in errors)
    return [judged("the worst forecast's share of error", worst, at_most=TOLERANCE, issue=7)]


def main(arguments: Sequence[str] | None = None) -> int:
    """1 where a forecast lies further off than claimed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=1_000, help="of the graph without work, with one block a task")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    given = parser.parse_args(arguments)
    facts = begun("benchmarks.scaling.suite", arguments)
    with tempfile.TemporaryDirectory(prefix="textmill-scaling-") as scratch:
        known, unseen = shapes(given.megabytes * 1_000_000)
        runs = timed([*known, *unseen], Path(scratch), given.repeats)
        graph = graph_cost(given.blocks, 2, Path(scratch))
    print(told(graph))
    costs = fitted(runs[: len(known)], graph)
    checked = check(costs, runs[len(known) :])
    for one in checked:
        print(
            f"{one.run.shape.name}: {one.run.seconds:.1f} s, foretold {one.forecast.seconds:.1f} s ({one.error:+.0%})"
        )
    judgement = verdicts([one.error for one in checked])
    print("\n".join(verdict_lines(judgement)))
    write_record(
        given.json,
        {
            **facts,
            "runs": [asdict(run) for run in runs],
            "known": len(known),
            "graph": asdict(graph),
            "costs": asdict(costs),
            "checked": [{**asdict(one), "error": one.error} for one in checked],
            "plan": [
                {
                    **asdict(one),
                    "alone_bottleneck": one.alone.bottleneck,
                    "batched_bottleneck": one.batched.bottleneck,
                }
                for one in planned(costs)
            ],
        },
    )
    return int(any(not verdict.holds for verdict in judgement))


if __name__ == "__main__":
    sys.exit(main())
