"""The harness: outputs are compared before any time counts, memory is that of the run, failures say what happened."""

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import Case, Contender, Setting, Suite
from benchmarks.harness.environments import Environment, EnvironmentFailedError, python_of
from benchmarks.harness.figures import Measured, Sample
from benchmarks.harness.machine import machine_facts
from benchmarks.harness.rounds import OutputsDifferError, measure
from benchmarks.harness.running import ContenderFailedError, run_once
from benchmarks.harness.tables import case_table
from benchmarks.harness.targets import at_most, faster_than, judge, no_worse_than, rate_at_least

MODULE = "tests.bench_contenders:"


def contender(name: str = "textmill", run: str = "add", check: str | None = "total", **more: Any) -> Contender:
    prepare = MODULE + "numbers" if run == "add" else None
    return Contender(
        name=name,
        run=MODULE + run,
        prepare=prepare,
        check=MODULE + check if check else None,
        arguments={"count": 10, **more},
    )


def case(*contenders: Contender, equal: tuple[str, ...] = ("sum",), **more: Any) -> Case:
    return Case(name="adding", contenders=contenders, equal=equal, work={"rows": 10}, **more)


def sample(name: str, seconds: float, **measures: float) -> Sample:
    return Sample(contender=name, seconds=seconds, cpu_s=seconds, peak_bytes=10, measures=measures, outputs={})


def measured(*rounds: dict[str, float], again: tuple[float, ...] = (), ours: str = "textmill") -> Measured:
    samples = [{name: sample(name, seconds) for name, seconds in one.items()} for one in rounds]
    return Measured(
        case="c", work={"rows": 100}, rounds=samples, ours=ours, again=[sample(ours, seconds) for seconds in again]
    )


def test_contenders_run_in_turns_and_textmill_against_itself(tmp_path: Path) -> None:
    told: list[str] = []
    found = measure(case(contender(), contender("peer")), tmp_path, repeats=2, tell=told.append)
    assert [re.sub(r"^adding: |,.*", "", line) for line in told] == [
        *("textmill", "peer"),
        *("textmill", "peer", "textmill against itself"),
        *("peer", "textmill", "textmill against itself"),
    ]
    assert found.contenders == ["textmill", "peer"]
    assert len(found.rounds) == len(found.again) == 2
    assert not list(tmp_path.iterdir())
    assert found.rounds[0]["peer"].measures == {"share": 1.0}


def test_no_time_counts_where_outputs_differ(tmp_path: Path) -> None:
    with pytest.raises(OutputsDifferError, match="adding: sum of peer is 46, of the contenders before it 45"):
        measure(case(contender(), contender("peer", check="wrong_total")), tmp_path, repeats=1)


def test_an_output_that_must_be_equal_must_be_told(tmp_path: Path) -> None:
    with pytest.raises(OutputsDifferError, match="textmill does not say digest"):
        measure(case(contender(), equal=("sum", "digest")), tmp_path, repeats=1)


def test_no_time_counts_where_textmill_is_worse_than_chance_explains(tmp_path: Path) -> None:
    for worse in ((contender(step=2), contender("peer")), (contender("peer"), contender(step=2))):
        with pytest.raises(OutputsDifferError, match=r"share of textmill is 0\.5, of peer 1; it may lie 0\.4 below"):
            measure(case(*worse, equal=(), no_worse={"share": 0.4}), tmp_path, repeats=1)
        measure(case(*worse, equal=(), no_worse={"share": 0.5}), tmp_path, repeats=1)
    measure(case(contender(), contender("peer", step=2), equal=(), no_worse={"share": 0.0}), tmp_path, repeats=1)
    with pytest.raises(OutputsDifferError, match="textmill does not say accuracy of what it measured"):
        measure(case(contender(), no_worse={"accuracy": 1.0}), tmp_path, repeats=1)


def test_a_run_is_held_to_its_cores(tmp_path: Path) -> None:
    assert run_once(case(cores=1), contender(), tmp_path).outputs["cores"] == 1


@pytest.mark.parametrize("run", ["hold", "hold_in_child"])
def test_peak_memory_is_that_of_the_timed_run_with_its_children(tmp_path: Path, run: str) -> None:
    heavy = Contender(name="textmill", run=MODULE + run, prepare=MODULE + "hold_before", arguments={"before": 400})
    light = run_once(case(), Contender(**_changed(heavy, megabytes=20)), tmp_path).peak_bytes
    more = run_once(case(), Contender(**_changed(heavy, megabytes=220)), tmp_path).peak_bytes
    assert light < 200e6
    assert 180 * 2**20 < more - light < 250 * 2**20


def _changed(one: Contender, **arguments: Any) -> dict[str, Any]:
    return {"name": one.name, "run": one.run, "prepare": one.prepare, "arguments": {**one.arguments, **arguments}}


def test_cpu_time_is_that_of_children_too_waited_for_or_not(tmp_path: Path) -> None:
    for run in ("work_in_waited_child", "work_in_killed_child"):
        found = run_once(case(), contender(run=run, check=None), tmp_path)
        assert 0.35 < found.cpu_s < 0.9, run


def test_a_contender_may_keep_its_own_clock(tmp_path: Path) -> None:
    found = run_once(case(), contender(run="own_clock", check=None), tmp_path)
    assert (found.seconds, found.cpu_s, found.measures) == (12.5, 3.5, {"accuracy": 0.75})
    assert found.measure("accuracy") == 0.75


def test_a_failure_says_what_the_contender_said(tmp_path: Path) -> None:
    with pytest.raises(ContenderFailedError, match=r"(?s)peer ended with status 1: .*this peer cannot read that"):
        run_once(case(), contender("peer", run="fail"), tmp_path)


def test_a_run_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ContenderFailedError, match="it took longer than 2 s"):
        run_once(case(limit_s=2), contender(run="endless"), tmp_path)


def test_a_peer_whose_packages_are_not_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(EnvironmentFailedError, match=r"(?s)could not install a-peer-of-no-index==1 for x: .*--peers"):
        python_of(Environment(name="x", requirements=("a-peer-of-no-index==1",)))


def test_a_peer_runs_in_an_environment_of_its_own_without_our_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    alone = Contender(
        name="peer", run="benchmarks.harness.probe:packages", environment=Environment(name="x", requirements=())
    )
    assert run_once(case(), alone, tmp_path).measures == {"numpy": False}
    ours = Contender(name="textmill", run="benchmarks.harness.probe:packages")
    assert run_once(case(), ours, tmp_path).measures == {"numpy": True}


def test_ratios_are_taken_within_a_round() -> None:
    slow_minute = measured(
        {"a": 1.0, "b": 2.0}, {"a": 10.0, "b": 20.0}, {"a": 1.0, "b": 2.0}, ours="a", again=(1.02, 9.5, 1.0)
    )
    assert slow_minute.ratio("b", "a").width == 0
    assert slow_minute.noise() == pytest.approx(0.05)
    assert slow_minute.spread("a").width == 9.0


@pytest.mark.parametrize(
    ("target", "word", "figure"),
    [
        (faster_than("peer", 2.0), "PASS", 2.0),
        (faster_than("peer", 2.1), "FALLS SHORT", 2.0),
        (faster_than("nobody", 2.1), "NOT MEASURED", None),
        (at_most("seconds", 1.0), "PASS", 1.0),
        (at_most("peak_bytes", 9), "FALLS SHORT", 10.0),
        (rate_at_least("rows", 101), "FALLS SHORT", 100.0),
        (no_worse_than("peer", "seconds", larger_is_better=False), "PASS", 1.0),
        (no_worse_than("peer", "seconds", by=0.5), "FALLS SHORT", -1.0),
    ],
)
def test_targets(target: Any, word: str, figure: float | None) -> None:
    verdict = judge(target, measured({"textmill": 1.0, "peer": 2.0}))
    assert (verdict.word, verdict.figure) == (word, figure)


def test_the_table_shows_rates_ratios_and_other_measures() -> None:
    rounds = [{"textmill": sample("textmill", 2.0, accuracy=0.9), "peer": sample("peer", 4.0)}]
    table = case_table(Measured(case="c", work={"bytes": 8e6}, rounds=rounds)).splitlines()
    assert table[0] == "| contender | seconds (least to most) | MB/s | CPU s | peak MB | times textmill | accuracy |"
    assert table[2] == "| textmill | 2.00 (2.00 to 2.00) | 4 | 2.00 | 0 | 1.00 | 0.9 |"
    assert table[3] == "| peer | 4.00 (4.00 to 4.00) | 2 | 4.00 | 0 | 2.00 |  |"


def test_a_suite_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def cases(setting: Setting) -> list[Case]:
        assert setting.size_bytes == 2_000_000
        return [case(contender(), contender("peer"), targets=(at_most("seconds", 1e-9), faster_than("peer", 0.01)))]

    status = run_suite(
        Suite(name="adding", claim="It adds.", cases=cases),
        ["--megabytes", "2", "--repeats", "1", "--json", str(tmp_path / "all.json")],
    )
    out = capsys.readouterr().out
    assert status == 1
    assert "FALLS SHORT  seconds of textmill (wanted at most 1e-09)" in out
    assert "PASS         textmill takes 0.01 times less time than peer" in out
    assert '"FALLS SHORT"' not in (tmp_path / "all.json").read_text()
    assert '"holds": false' in (tmp_path / "all.json").read_text()


def test_the_machine_is_told_with_versions() -> None:
    facts = machine_facts()
    assert facts["cores"] >= 1
    assert facts["memory_bytes"] > 1e8
    assert facts["versions"]["dask"]
