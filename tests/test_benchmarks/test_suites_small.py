"""Suites on very little text: their contenders do the same work, and what they measure is there."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import features, memory, store
from benchmarks.harness.child import _function
from benchmarks.harness.contender import OURS, Case, Setting
from benchmarks.harness.running import run_once
from benchmarks.peers import hash_sklearn
from benchmarks.peers.query_parquet import answer, duckdb_query, polars_query
from benchmarks.query import QUERIES, ask_store, stored
from benchmarks.query import answer as ours
from benchmarks.scaling import learning
from benchmarks.sections import section
from benchmarks.suites import suite
from storage.store import Store


def first_runs(name: str, tmp_path: Path, *, case: int = 0, size_bytes: int = 100_000) -> dict[str, Any]:
    """One run of each contender of a case, by name; all that must be equal is."""
    found = suite(name).cases(Setting(size_bytes=size_bytes, scratch=tmp_path))[case]
    runs = {contender.name: run_once(found, contender, tmp_path) for contender in found.contenders}
    for key in found.equal:
        assert len({str(run.outputs[key]) for run in runs.values()}) == 1, key
    assert OURS in runs
    return runs


@pytest.mark.timeout(600)
def test_jobs(tmp_path: Path) -> None:
    runs = first_runs("jobs", tmp_path)
    assert runs[OURS].outputs["rows"] > 700
    assert 0 < runs[OURS].measures["submit_s"] < runs[OURS].seconds


@pytest.mark.timeout(600)
def test_scaling(tmp_path: Path) -> None:
    runs = first_runs("scaling", tmp_path, size_bytes=600_000)
    for run in runs.values():
        assert run.outputs["read"] > 4_000
        assert run.measures["blocks"] == 4
        assert 0 < run.measures["stage clean"] < run.seconds


@pytest.mark.timeout(900)
def test_learning_on_two_workers_gives_the_bytes_of_one(tmp_path: Path) -> None:
    cases = suite("scaling-train").cases(Setting(size_bytes=600_000, scratch=tmp_path))
    assert [case.name for case in cases] == list(learning.WORK)
    assert all(case.targets for case in cases)
    runs = [run_once(cases[1], contender, tmp_path) for contender in cases[1].contenders]
    assert [run.contender for run in runs] == [OURS, learning.ONE]
    assert len({run.outputs["sha256"] for run in runs}) == 1
    assert all(run.seconds > 0 for run in runs)


def test_query_answers_as_its_peers_do(tmp_path: Path) -> None:
    kept = stored(tmp_path, 150_000, 0)
    files = [file.path for file in Store.open(kept).snapshot("rows").files]
    for name, query in QUERIES.items():
        assert ask_store(str(kept), query)["seconds"] > 0
        expected = ours()
        assert expected["answer"], name
        for peer in (duckdb_query, polars_query):
            assert peer(files=files, name=name, query=query)["seconds"] > 0
            assert answer() == expected, (name, peer.__name__)


def in_this_process(case: Case, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """What each contender measured, by name; all outputs that must be equal are."""
    measures, outputs = {}, {}
    for number, contender in enumerate(case.contenders):
        scratch = tmp_path / f"{len(list(tmp_path.iterdir()))}-{number}"
        scratch.mkdir()
        arguments = {**contender.arguments, "scratch": str(scratch)}
        if contender.prepare:
            arguments |= _function(contender.prepare)(**arguments)
        measures[contender.name] = _function(contender.run)(**arguments)
        assert contender.check is not None
        outputs[contender.name] = _function(contender.check)(**arguments)
    assert case.equal
    for key in case.equal:
        assert len({str(found[key]) for found in outputs.values()}) == 1, key
    return measures


def test_features_are_those_of_scikit_learn_for_every_kind(tmp_path: Path) -> None:
    cases = suite("features").cases(Setting(size_bytes=30_000, scratch=tmp_path, peers=True))
    assert [case.name for case in cases] == [kind.name for kind in features.KINDS]
    for case in cases:
        measures = in_this_process(case, tmp_path)
        assert list(measures) == [OURS, features.PEER]
        assert all(found["seconds"] > 0 < found["cpu_s"] for found in measures.values())
        assert {name for target in case.targets for name in target.needs} <= set(measures)


def test_near_duplicates_are_found_as_well_as_was_promised(tmp_path: Path) -> None:
    cases = suite("dedupe").cases(Setting(size_bytes=60_000, scratch=tmp_path))
    assert [case.name for case in cases] == [
        f"{what}, {language}" for language in ("English", "Chinese") for what in ("near-duplicates", "signatures")
    ]
    for case in cases[::2]:
        found = in_this_process(case, tmp_path)[OURS]
        assert found["found"] > 5
        assert found["recall"] >= 0.95
        assert found["precision"] == 1.0
    assert all(in_this_process(case, tmp_path) == {OURS: None} for case in cases[1::2])


@pytest.mark.timeout(600)
def test_the_memory_of_each_process_of_a_run_is_seen(tmp_path: Path) -> None:
    words = ["--sizes", "200kB", "400kB", "--block", "100kB", "--workers", "1", "--stage", "train"]
    memory.main([*words, "--folder", str(tmp_path), "--json", str(tmp_path / "memory.json")])
    facts = json.loads((tmp_path / "memory.json").read_text())
    assert facts["command"] == f"python -m benchmarks.memory {' '.join(words)} --folder {tmp_path}"
    for one in facts["peaks"]:
        assert min(one["driver_bytes"], one["scheduler_bytes"], one["worker_bytes"]) > 20e6
        assert one["promised_bytes"] > 20e6
        assert one["rows_read"] > one["rows_kept"] > 1_000
    page = "".join(section("memory-train", facts))
    assert page.count("over that of the first size (issue 5, wanted at most ") == 3


def test_a_digest_of_features_sees_every_part_of_them(tmp_path: Path) -> None:
    path = features.write_texts(tmp_path / "t", 2_000, 0, chinese=False)
    found = []
    for change in ({}, {"ngram_range": (1, 2)}, {"alternate_sign": False}, {"n_features": 2**10}):
        given = {"analyzer": "word", "ngram_range": (1, 1), "n_features": 2**20, **change}
        hash_sklearn.hash_all(path, given, "s")
        found.append(hash_sklearn.outputs("s")["digest"])
    assert len(set(found)) == len(found)


def test_the_store_and_delta_lake_alone_do_the_same_to_the_same_rows(tmp_path: Path) -> None:
    cases = suite("store").cases(Setting(size_bytes=1, scratch=tmp_path, peers=True))
    assert [case.name for case in cases[:2]] == ["10 files", "11 versions"]
    for case, others in zip(cases[:2], ([], [store.FEW]), strict=True):
        measures = in_this_process(case, tmp_path)
        assert list(measures) == [OURS, *others, store.PEER]
        for operation in store.OPERATIONS:
            assert measures[OURS][operation] >= 0
        shared = ("list versions s", "list files s", "commit s", "rollback s")
        for found in measures.values():
            assert found["seconds"] == pytest.approx(sum(found[operation] for operation in shared))
        assert {name for target in case.targets for name in target.needs} <= set(measures)
    for case in cases[2:]:
        measures = in_this_process(case, tmp_path)[OURS]
        assert all(measures[name] > 0 for name in ("first page s", "second page s", "10% on s", "90% on s"))
