"""`textmill bench`: results are kept, found again and compared; a regression is one only beyond the noise."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks.harness.against import Change, NotComparableError, changes
from benchmarks.harness.contender import Setting
from benchmarks.harness.recorded import BenchRun, from_dict, keep, kept, kept_runs
from benchmarks.placing import place_of, words_of
from benchmarks.suites import MODULES, suite
from storage.store import Store
from textmill.cli.main import cli
from textmill.demo.corpus import write_corpus


@pytest.fixture(autouse=True)
def _quick_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, "adding", "tests.bench_suite")  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def bench(*words: str, store: Path) -> Result:
    return CliRunner().invoke(cli, ["bench", *words, "--store", str(store)])


def measured(store: Path, *words: str) -> dict[str, Any]:
    result = bench("adding", "--repeats", "2", "--json", *words, store=store)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def slower(run: BenchRun, times: float, **facts: Any) -> BenchRun:
    """The run as if everything had taken so many times as long."""
    cases = []
    for case in run.cases:
        rounds = [
            {name: replace(one, seconds=one.seconds * times) for name, one in found.items()}
            for found in case.measured.rounds
        ]
        again = [replace(one, seconds=one.seconds * times) for one in case.measured.again]
        cases.append(replace(case, measured=replace(case.measured, rounds=rounds, again=again)))
    return replace(run, cases=cases, **facts)


def test_a_run_is_kept_in_the_store_and_found_again(store: Path) -> None:
    facts = measured(store, "--peers", "--size", "3MB")
    run = from_dict({key: value for key, value in facts.items() if key != "changes"})
    [case] = run.cases
    assert [verdict.word for verdict in case.verdicts] == ["FALLS SHORT", "PASS"]
    assert run.size_bytes == 3_000_000
    opened = Store.open(store)
    assert kept_runs(opened) == [run.id]
    found = kept(opened, run.id)
    assert found == replace(run, cases=[replace(case, verdicts=())])
    with opened.sql("SELECT claim, verdict FROM benchmark_targets ORDER BY verdict") as result:
        assert result.read_all()["verdict"].to_pylist() == ["FALLS SHORT", "PASS"]
    assert opened.verify() == []


def test_against_an_earlier_run_a_regression_ends_with_1(store: Path) -> None:
    facts = measured(store)
    facts.pop("changes")
    now = from_dict(facts)
    opened = Store.open(store)
    # Beyond any pause of a busy machine, which is noise.
    keep(slower(now, 1e-9, id="bench-fast"), opened)
    keep(slower(now, 1e9, id="bench-slow"), opened)
    worse = bench("adding", "--repeats", "1", "--against", "bench-fast", store=store)
    assert worse.exit_code == 1
    assert "| adding | adding | seconds |" in worse.stdout, worse.output
    assert "REGRESSION" in worse.stdout
    better = bench("adding", "--repeats", "1", "--against", "bench-slow", store=store)
    assert "| IMPROVED |" in better.stdout
    assert "| adding | adding | seconds |" in better.stdout


def test_runs_of_different_sizes_or_machines_are_not_compared(store: Path) -> None:
    facts = measured(store)
    facts.pop("changes")
    run = from_dict(facts)
    with pytest.raises(NotComparableError, match="size: 5 bytes in x"):
        list(changes(run, replace(run, id="x", size_bytes=5)))
    more = {**run.machine, "memory_bytes": run.machine["memory_bytes"] * 2}
    with pytest.raises(NotComparableError, match="memory_bytes: "):
        list(changes(run, replace(run, id="x", machine=more)))
    more["memory_bytes"] = run.machine["memory_bytes"] + 400_000
    assert list(changes(run, replace(run, id="x", machine=more)))
    with pytest.raises(NotComparableError, match="processor: abacus in x"):
        list(changes(run, replace(run, id="x", machine={**run.machine, "processor": "abacus"})))
    with pytest.raises(NotComparableError, match="x measured none of these cases"):
        list(changes(run, replace(run, id="x", cases=[])))
    other = bench("adding", "--size", "1MB", "--repeats", "1", "--against", "last", store=store)
    assert other.exit_code == 1
    assert "cannot be compared" in other.stderr
    assert len(kept_runs(Store.open(store))) == 2


@pytest.mark.parametrize(
    ("before", "now", "noise", "word"),
    [
        (1.0, 1.2, 0.3, "SAME"),
        (1.0, 1.2, 0.1, "REGRESSION"),
        (1.0, 1.02, 0.0, "SAME"),
        (1.2, 1.0, 0.1, "IMPROVED"),
        (1.2, 1.0, 0.3, "SAME"),
    ],
)
def test_a_change_is_one_beyond_the_noise(before: float, now: float, noise: float, word: str) -> None:
    change = Change(suite="s", case="c", measure="seconds", before=before, now=now, noise=noise)
    assert change.word == word


def test_wrong_words_are_answered_before_anything_is_measured(store: Path) -> None:
    assert "neither a suite (" in bench("sorting", store=store).stderr
    assert "no runs of that name. The store keeps none yet." in bench("adding", "--against", "x", store=store).stderr
    assert "--set changes a job file, and none is named" in bench("adding", "--set", "a.b=1", store=store).stderr
    missing = bench("missing.toml", store=store)
    assert missing.exit_code == 2
    assert "there is no such file" in missing.stderr


PROFILE = """[clusters.lab]
kind = "local"
"""


def test_a_job_of_ones_own_on_a_cluster_that_its_folder_knows(store: Path, tmp_path: Path) -> None:
    job = write_corpus(tmp_path / "demo", rows=500).job
    (job.parent / "textmill.toml").write_text(PROFILE)
    result = bench(str(job), "--repeats", "1", "--profile", "lab", "--workers", "1", "--json", store=store)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    [case] = facts["cases"]
    assert (facts["settings"]["profile"], facts["settings"]["workers"]) == ("lab", 1)
    sample = case["measured"]["rounds"][0]["textmill"]
    assert case["suite"] == "job"
    assert case["measured"]["work"]["bytes"] > 10_000
    assert sample["measures"]["rows"] > 400
    assert sample["measures"]["ingest s"] < sample["seconds"]
    assert sample["outputs"]["sha256"]
    assert sample["outputs"] == case["measured"]["again"][0]["outputs"]


def test_a_cluster_is_for_suites_that_run_jobs(store: Path) -> None:
    for words in (("--profile", "lab"), ("--workers", "2")):
        refused = bench("ingest", "adding", *words, store=store)
        assert refused.exit_code == 2
        assert "adding runs none. Suites that do: ingest, jobs, scaling, end-to-end" in " ".join(refused.stderr.split())
    unknown = bench("scaling", "--profile", "nowhere", "--size", "1MB", store=store)
    assert unknown.exit_code != 0
    assert "[clusters.nowhere]" in unknown.stderr


def test_a_profile_is_seen_wherever_its_job_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Set first, so that it is taken back in the end.
    monkeypatch.setenv("TEXTMILL_CONFIG", "")
    monkeypatch.delenv("TEXTMILL_CONFIG")
    (tmp_path / "textmill.toml").write_text(PROFILE)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    setting = Setting(size_bytes=1, scratch=tmp_path, profile="lab")
    place = place_of(setting, 2)["place"]
    assert place == {"profile": "lab", "profile_file": str(tmp_path / "textmill.toml"), "workers": None}
    assert words_of(place_of(replace(setting, profile="local"), 2)["place"]) == ["--workers", "2"]
    assert "TEXTMILL_CONFIG" not in os.environ
    assert words_of({**place, "workers": 3}) == ["--profile", "lab", "--workers", "3"]
    assert os.environ["TEXTMILL_CONFIG"] == str(tmp_path / "textmill.toml")


def test_runs_on_other_clusters_or_over_other_input_are_not_compared(store: Path) -> None:
    facts = measured(store)
    facts.pop("changes")
    run = from_dict(facts)
    with pytest.raises(NotComparableError, match="profile: lab in x, local now"):
        list(changes(run, replace(run, id="x", settings={**run.settings, "profile": "lab"})))
    case = replace(run.cases[0], measured=replace(run.cases[0].measured, work={"numbers": 1.0}))
    with pytest.raises(NotComparableError, match=r"adding, adding: \{'numbers': 1.0\} done in x, "):
        list(changes(run, replace(run, id="x", cases=[case])))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_suite_can_be_loaded(name: str) -> None:
    found = suite(name)
    assert found.name == name
    assert found.claim.endswith(".")
