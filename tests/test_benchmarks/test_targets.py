"""The targets that the project's issues name: each is one of its suite, as strong as it was named."""

import math
from pathlib import Path

import pytest

from benchmarks import accuracy, dedupe, end_to_end, ingest, kills, memory, recovery, soak, train
from benchmarks.harness.contender import OURS, Setting
from benchmarks.harness.figures import Measured, Sample
from benchmarks.harness.targets import Target, judge, judged, no_worse_than
from benchmarks.scaling import graph, learning
from benchmarks.scaling import suite as scaling
from benchmarks.suites import suite

#: Suite -> part of a case's name -> the number wanted -> parts of the claim: how much faster than what, or what else.
WANTED = {
    "ingest": (
        3,
        [("", 2.5, "DuckDB"), ("", 2.5, "DuckDB, tuned"), ("", 2.0, "Polars"), ("", 5.0, "Dask"), ("", 5.0, "pandas")],
    ),
    "dedupe": (
        3,
        [
            ("near-duplicates, English", 5e6, "bytes a second of CPU time"),
            ("near-duplicates, Chinese", 5e6, "bytes a second of CPU time"),
            ("near-duplicates, English", 0.95, "recall"),
            ("near-duplicates, Chinese", 0.95, "recall"),
            ("near-duplicates, English", 1.0, "precision"),
        ],
    ),
    "features": (
        5,
        [
            ("word (1,1)", 12.0, "scikit-learn"),
            ("word (1,2)", 10.0, "scikit-learn"),
            ("char_wb (2,4)", 15.0, "scikit-learn"),
            ("Chinese char (1,3)", 15.0, "scikit-learn"),
        ],
    ),
    "train": (
        5,
        [
            ("1 pass", 2.0, "Vowpal Wabbit"),
            ("4 passes", 3.0, "Vowpal Wabbit"),
            ("1 pass", 0.0, "accuracy of textmill no worse"),
            ("1 pass", 0.0, "log_loss of textmill no worse"),
            ("4 passes", 0.0, "accuracy of textmill no worse"),
            ("4 passes", 0.0, "log_loss of textmill no worse"),
        ],
    ),
    "end-to-end": (5, [("", 10.0, "pandas, SQLite, scikit-learn"), ("", 10.0, "Dask, dask-ml"), ("", 5.0, "Spark")]),
    "scaling": (5, [("two workers", 1.8, "one worker")]),
    "scaling-train": (5, [(what, 1.8, "one worker") for what in learning.WORK]),
}


def targets_of(name: str, folder: Path) -> list[tuple[str, Target]]:
    setting = Setting(size_bytes=60_000, scratch=folder, peers=True)
    return [(case.name, target) for case in suite(name).cases(setting) for target in case.targets]


@pytest.mark.parametrize("name", WANTED)
def test_every_target_of_the_issues_is_one_of_the_suite(name: str, tmp_path: Path) -> None:
    issue, wanted = WANTED[name]
    found = targets_of(name, tmp_path)
    for case, number, claim in wanted:
        assert any(
            case in where and claim in target.claim and target.at_least == number and target.issue == issue
            for where, target in found
        ), (case, number, claim)


def test_the_store_and_the_optimum_are_held_to_theirs(tmp_path: Path) -> None:
    below = {(target.claim, target.at_most, target.issue) for _, target in targets_of("store", tmp_path)}
    for operation in ("open", "list datasets", "list versions", "list files", "diff", "tag", "rollback"):
        assert (f"{operation} s of textmill", 1.0, 4) in below
    assert any("a commit's time on" in claim and most == 1.25 and issue == 4 for claim, most, issue in below)
    assert ("seconds that a page 90% on takes beyond one 10% on", 0.01, 4) in below
    optimum = {(target.claim, target.at_most, target.issue) for _, target in targets_of("optimum", tmp_path)}
    assert optimum == {("loss off of textmill", 1e-6, 5), ("weights off of textmill", 1e-3, 5)}


def peaks(size: int, worker: int) -> memory.Peaks:
    return memory.Peaks(
        input_bytes=size,
        seconds=1.0,
        rows_read=10,
        rows_kept=9,
        driver_bytes=10**9,
        scheduler_bytes=10**8,
        worker_bytes=worker,
        promised_bytes=10**9,
    )


@pytest.mark.parametrize(("stage", "issue"), [("ingest", 3), ("train", 5)])
@pytest.mark.parametrize(
    ("first", "last", "holds"),
    [
        (9 * 10**8, 9 * 10**8, [True, True, True, True]),
        (9 * 10**8, 99 * 10**7, [True, True, True, True]),
        (8 * 10**8, 9 * 10**8, [False, True, True, True]),
        (10**9, 10**9 + 1, [True, True, True, False]),
    ],
)
def test_memory_stays_flat_and_below_what_was_promised(
    first: int, last: int, holds: list[bool], stage: str, issue: int
) -> None:
    found = memory.verdicts([peaks(10**9, first), peaks(10**10, last)], stage)
    assert [verdict.holds for verdict in found] == holds
    assert {verdict.issue for verdict in found} == {issue}


def test_memory_that_was_never_promised_or_seen_is_no_pass() -> None:
    unseen = [memory.Peaks(**dict.fromkeys(memory.Peaks.__slots__, 0))] * 2
    assert {verdict.word for verdict in memory.verdicts(unseen, "ingest")} == {"FALLS SHORT"}


def killed(**facts: object) -> dict[str, object]:
    one = {"victim": "worker", "fingerprint": "f", "sha256": "s", "versions": 1, "redone": 2, "orphans": 0}
    return {**one, "deaths": 1, "leftovers": [], "seconds": 1.0, **facts}


@pytest.mark.parametrize(
    ("facts", "broken"),
    [
        ({}, []),
        ({"fingerprint": "g"}, ["jobs with another result than undisturbed"]),
        ({"sha256": ""}, ["jobs with another result than undisturbed"]),
        ({"versions": 2}, ["jobs with another result than undisturbed"]),
        ({"redone": 3}, ["most blocks a worker that a job did again"]),
        ({"orphans": 1}, ["processes left"]),
        ({"leftovers": ["x"]}, ["files left after a vacuum"]),
        ({"deaths": 0}, ["jobs of 1 that a kill struck"]),
    ],
)
def test_a_job_that_was_killed_is_held_to_each_promise(facts: dict[str, object], broken: list[str]) -> None:
    found = recovery.verdicts([killed(**facts)], ("f", "s"))
    assert [verdict.claim for verdict in found if not verdict.holds] == broken
    assert "| worker | 1 |" in recovery.table([killed(**facts)], ("f", "s"))


def test_the_rest_is_held_to_its_numbers() -> None:
    assert [one.word for one in (*kills.verdicts(199), *kills.verdicts(200))] == ["FALLS SHORT", "PASS"]
    assert [one.word for one in (*soak.verdicts(["x"]), *soak.verdicts([]))] == ["FALLS SHORT", "PASS"]
    assert [one.word for one in (*scaling.verdicts([-0.16, 0]), *scaling.verdicts([0.15]))] == ["FALLS SHORT", "PASS"]
    [verdict] = accuracy.verdicts([{"corpus": "c", "textmill": {"accuracy": 0.6}, "reference": {"accuracy": 0.61}}])
    assert (verdict.word, verdict.issue) == ("FALLS SHORT", 5)
    cost = graph.GraphCost(**{**dict.fromkeys(graph.GraphCost.__slots__, 1.0), "blocks": 100_000})  # type: ignore[arg-type]
    assert [one.holds for one in graph.verdicts([cost])] == [True]


def test_a_number_that_is_none_holds_nothing() -> None:
    assert judged("c", None, at_least=1).word == "NOT MEASURED"
    assert judged("c", math.nan, at_most=1).word == "FALLS SHORT"
    sample = Sample(contender=OURS, seconds=1.0, cpu_s=1.0, peak_bytes=1, measures={"q": 0.5}, outputs={})
    alone = Measured(case="c", work={}, rounds=[{OURS: sample}])
    assert judge(no_worse_than("x", "q"), alone).word == "NOT MEASURED"
    assert judge(no_worse_than(OURS, "q"), alone).wanted == "at least 0"


def test_peers_stand_in_environments_of_their_own() -> None:
    peers = (*dedupe.PEERS, *end_to_end.PEERS, *ingest.PEERS, *train.PEERS)
    assert all(peer[-1] is not None for peer in peers)
