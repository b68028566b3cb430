"""Suites on very little text: their contenders do the same work, and what they measure is there."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.contender import OURS, Setting
from benchmarks.harness.running import run_once
from benchmarks.peers.query_parquet import answer, duckdb_query, polars_query
from benchmarks.query import QUERIES, ask_store, stored
from benchmarks.query import answer as ours
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


def test_query_answers_as_its_peers_do(tmp_path: Path) -> None:
    store = stored(tmp_path, 150_000, 0)
    files = [file.path for file in Store.open(store).snapshot("rows").files]
    for name, query in QUERIES.items():
        assert ask_store(str(store), query)["seconds"] > 0
        expected = ours()
        assert expected["answer"], name
        for peer in (duckdb_query, polars_query):
            assert peer(files=files, name=name, query=query)["seconds"] > 0
            assert answer() == expected, (name, peer.__name__)
