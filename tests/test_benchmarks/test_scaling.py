"""The simulator against arithmetic, the fit against costs that are known, and a graph without work for real."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scaling import learning_plan, simulate, suite
from benchmarks.scaling.fit import check, fitted
from benchmarks.scaling.graph import GraphCost, graph_cost
from benchmarks.scaling.page import plan_plot
from benchmarks.scaling.plan import SIZES, WORKERS, batch_for, block_for, planned
from benchmarks.scaling.runs import Shape, Timed
from benchmarks.scaling.simulate import Cluster, Costs, StageCost, even_blocks, forecast
from benchmarks.sections import section

FREE = Costs(
    start_s=0,
    stages={"clean": StageCost(fixed_s=0.1, byte_s=1e-8, reads=1.0)},
    hand_over_s=0,
    scheduler_s=0,
    collect_s=0,
    commit_s=0,
    file_s=0,
)


def seconds(costs: Costs, blocks: list[int], workers: int, batch: int = 1) -> float:
    return forecast(costs, blocks, Cluster(workers=workers), batch=batch).seconds


def test_a_hundred_equal_blocks_take_workers_in_rounds() -> None:
    blocks = [10**7] * 100
    assert seconds(FREE, blocks, 1) == pytest.approx(20.0)
    assert seconds(FREE, blocks, 4) == pytest.approx(5.0)
    assert seconds(FREE, blocks, 3) == pytest.approx(math.ceil(100 / 3) * 0.2)
    assert seconds(FREE, blocks, 1_000) == pytest.approx(0.2)


def test_a_scheduler_that_is_slow_is_the_limit_and_batches_relieve_it() -> None:
    slow = dataclasses.replace(FREE, scheduler_s=0.01)
    blocks = [10**7] * 10_000
    found = forecast(slow, blocks, Cluster(workers=1_000))
    assert found.bottleneck == "scheduler"
    # One message at the start of each worker too.
    assert found.seconds == pytest.approx(100 + 10, rel=0.02)
    assert forecast(slow, blocks, Cluster(workers=10)).bottleneck == "workers"
    batched = forecast(slow, blocks, Cluster(workers=1_000), batch=10)
    assert batched.seconds < found.seconds / 4


def test_every_part_can_be_the_bottleneck() -> None:
    blocks, cluster = [10**7] * 1_000, Cluster(workers=1_000)
    for part, cost in {
        "driver": {"collect_s": 1.0},
        "commit": {"file_s": 1.0},
        "storage": {"storage_bytes_s": 1e6},
        "start": {"start_s": 1e6},
        "workers": {"scheduler_s": 1e-9},
    }.items():
        found = forecast(dataclasses.replace(FREE, **cost), blocks, cluster)  # type: ignore[arg-type]
        assert found.bottleneck == part
        assert found.seconds >= found.bounds[part]


@given(
    st.lists(st.integers(1, 10**8), min_size=1, max_size=60),
    st.integers(1, 20),
    st.floats(0, 0.2),
    st.floats(0, 0.2),
    st.integers(1, 7),
)
@settings(max_examples=200, deadline=None)
def test_no_forecast_beats_its_bounds_and_more_workers_never_harm_free_ones(
    blocks: list[int], workers: int, scheduler_s: float, collect_s: float, batch: int
) -> None:
    costs = dataclasses.replace(FREE, scheduler_s=scheduler_s, collect_s=collect_s)
    found = forecast(costs, blocks, Cluster(workers=workers), batch=batch)
    assert found.seconds >= max(found.bounds.values()) * (1 - 1e-9)
    longest = max(0.1 + 1e-8 * size for size in blocks)
    assert seconds(FREE, blocks, workers) >= longest * (1 - 1e-9)
    assert seconds(FREE, blocks, workers) <= sum(0.1 + 1e-8 * size for size in blocks) / workers + longest + 1e-9


def test_a_long_stage_goes_on_at_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = dataclasses.replace(FREE, scheduler_s=0.0004, collect_s=0.0009, hand_over_s=0.0001)
    blocks = [10**7] * 20_000
    whole = seconds(costs, blocks, 150)
    monkeypatch.setattr(simulate, "MOST_EVENTS", 4_000)
    assert seconds(costs, blocks, 150) == pytest.approx(whole, rel=0.01)


GRAPH = GraphCost(
    blocks=1_000,
    workers=2,
    build_s=1.0,
    run_s=9.0,
    driver_cpu_s=2.0,
    scheduler_cpu_s=3.0,
    workers_cpu_s=4.0,
    driver_bytes=1,
    scheduler_bytes=1,
    reduce_s=0.1,
    commit_s=1.0,
    reopen_s=0.1,
)


def made(blocks: int, block: int, workers: int, crowding: float) -> Timed:
    """A run of a machine whose costs are known: 0.1 s a block, 10 ns a byte, for the rest 5 s and 2 ns a byte."""
    return Timed(
        shape=Shape(size_bytes=blocks * block, block_bytes=block, workers=workers),
        blocks=(block,) * blocks,
        stages={"clean": (0.1 + 1e-8 * block) * blocks / workers * crowding},
        rest_s=5.0 + 2e-9 * blocks * block / workers * crowding,
        commit_s=0.0,
    )


def test_the_fit_finds_the_costs_that_made_the_runs() -> None:
    runs = [made(100, 10**7, 1, 1), made(10, 10**8, 1, 1), made(25, 10**7, 1, 1), made(100, 10**7, 2, 1.25)]
    costs = fitted(runs, GRAPH)
    assert costs.stages["clean"].fixed_s == pytest.approx(0.1)
    assert costs.stages["clean"].byte_s == pytest.approx(1e-8)
    assert costs.crowding[2] == pytest.approx(1.25)
    assert costs.start_s == pytest.approx(5.0)
    assert costs.rest_byte_s == pytest.approx(2e-9)
    [checked] = check(costs, [made(50, 4 * 10**7, 2, 1.25)])
    assert abs(checked.error) < 0.05


def test_one_block_size_leaves_the_costs_open() -> None:
    with pytest.raises(ValueError, match="blocks of one size"):
        fitted([made(100, 10**7, 1, 1), made(50, 10**7, 1, 1)], GRAPH)


def test_the_plan_goes_from_a_terabyte_to_a_petabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "MOST_EVENTS", 2_000)
    monkeypatch.setattr("benchmarks.scaling.plan.SIZES", SIZES[:2])
    rows = list(planned(dataclasses.replace(FREE, scheduler_s=0.001, collect_s=0.002)))
    assert [row.workers for row in rows] == [*WORKERS, *WORKERS]
    assert all(row.batched.seconds <= row.alone.seconds * 1.3 for row in rows)
    assert {row.alone.bottleneck for row in rows} >= {"workers", "driver"}
    assert block_for(10**12) == 64 * 10**6
    assert block_for(10**15) == 10**9
    assert sum(even_blocks(10**9 + 1, 10**8)) == 10**9 + 1
    assert batch_for(100, 10_000) == 1


def test_a_storage_that_is_slow_counts_for_every_stage_that_reads() -> None:
    twice = dataclasses.replace(
        FREE,
        stages={name: StageCost(fixed_s=0, byte_s=1e-9, reads=reads) for name, reads in (("a", 1), ("b", 0.5))},
        storage_bytes_s=1e6,
    )
    found = forecast(twice, [10**7] * 10, Cluster(workers=10))
    assert found.seconds == pytest.approx(150)
    assert found.bottleneck == "storage"


def test_where_there_are_very_many_blocks_more_workers_do_not_take_longer() -> None:
    # What a block, the scheduler and the driver cost on a machine of two cores.
    costs = dataclasses.replace(FREE, hand_over_s=0.0005, scheduler_s=0.0015, collect_s=0.002)
    blocks = [64 * 10**6] * 156_250
    took = [seconds(costs, blocks, workers, batch_for(len(blocks), workers)) for workers in (64, 256, 1_000, 4_000)]
    assert took == sorted(took, reverse=True)


@pytest.mark.parametrize(("off", "word"), [(1.0, "PASS"), (1.5, "FALLS SHORT")])
def test_forecasts_are_held_against_runs_and_shown_with_the_plan(
    off: float, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def known_machine(shapes: list[Shape], folder: Path, repeats: int) -> list[Timed]:
        assert folder.is_dir()
        found = [
            made(
                shape.size_bytes // shape.block_bytes,
                shape.block_bytes,
                shape.workers,
                {1: 1.0, 2: 1.25}[shape.workers],
            )
            for shape in shapes
        ]
        # The last run takes another time than the machine that the model was fitted to.
        return [*found[:-1], dataclasses.replace(found[-1], rest_s=found[-1].seconds * (off - 1) + found[-1].rest_s)]

    monkeypatch.setattr(suite, "timed", known_machine)
    monkeypatch.setattr(suite, "graph_cost", lambda *_: GRAPH)
    monkeypatch.setattr(simulate, "MOST_EVENTS", 500)
    monkeypatch.setattr("benchmarks.scaling.plan.SIZES", SIZES[:1])
    status = suite.main(["--megabytes", "40000", "--json", str(tmp_path / "plan.json")])
    assert (status, word) in ((0, "PASS"), (1, "FALLS SHORT"))
    assert re.search(
        rf"^{word} +the worst forecast's share of error \(issue 7, ", capsys.readouterr().out, re.MULTILINE
    )
    facts = json.loads((tmp_path / "plan.json").read_text())
    page = "".join(section("scaling-plan", facts))
    assert "    python -m benchmarks.scaling.suite --megabytes 40000\n" in page
    assert f"- {word} the worst forecast's share of error" in page
    assert page.count("| 1 TB |") == len(WORKERS)
    limits = {one[f"{way}_bottleneck"] for one in facts["plan"] for way in ("alone", "batched")}
    assert all(f"- **{limit}**: " in page for limit in limits)
    assert plan_plot(facts).count("<polyline") == 1


def test_a_graph_without_work_is_built_scheduled_and_committed(tmp_path: Path) -> None:
    cost = graph_cost(40, 1, tmp_path)
    assert cost.blocks == 40
    assert min(cost.build_s, cost.run_s, cost.commit_s, cost.driver_cpu_s, cost.scheduler_cpu_s) > 0
    assert min(cost.scheduler_bytes, cost.driver_bytes) > 50e6
    assert cost.task_s == cost.run_s / 40


def test_a_plan_of_learning_shrinks_with_workers_down_to_its_tree_and_its_scheduler() -> None:
    work = learning_plan.Work(name="hashing", block_s=0.1, task_blocks=10, fan_in=10, add_s=0.05, sum_bytes=10**8)
    alone = learning_plan.planned(work, 1_000, 1)
    # 100 tasks of a second each, then ten additions and one.
    assert alone.seconds == pytest.approx(100 + 11 * 0.5)
    hundred = learning_plan.planned(work, 1_000, 100)
    # Two levels, each of which fetches ten sums of a tenth of a second.
    assert hundred.tree_s == pytest.approx(2 * (0.5 + 1.0))
    assert hundred.seconds == pytest.approx(1 + 3)
    assert learning_plan.planned(work, 1_000_000, 10**6).seconds > 111_000 * learning_plan.TASK_S
    lanes = dataclasses.replace(work, task_blocks=1, sum_a_worker=True)
    assert learning_plan.planned(lanes, 1_000, 10).tree_s == pytest.approx(1.5)
    assert learning_plan.planned(lanes, 1_000, 1).tree_s == 0


def test_the_costs_of_learning_are_measured(tmp_path: Path) -> None:
    works = list(learning_plan.measured(tmp_path, 300))
    assert next(work.name for work in works) == "hashing"
    assert all(work.block_s > 0 for work in works)
    assert all(work.add_s > 0 for work in works if work.fan_in)
    assert "1,000" in learning_plan.table(works, 100)
