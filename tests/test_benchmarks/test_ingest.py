"""The ingest benchmark compares like with like: all contenders keep the same rows, and a difference would show."""

import csv
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks import generate, ingest
from benchmarks.generate import write_csv
from benchmarks.harness.contender import OURS, Setting
from benchmarks.peers.clean_rows import rows_and_digest, written
from benchmarks.placing import place_of
from benchmarks.suites import MODULES, suite


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(path) for path in write_csv(tmp_path_factory.mktemp("in"), 1_000_000, 2)]


@pytest.fixture(scope="module")
def ours(files: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    scratch = str(tmp_path_factory.mktemp("ours"))
    measures = ingest.clean(files, scratch, **place_of(Setting(size_bytes=1, scratch=Path()), 1))
    assert measures["cpu_s"] > 0
    return ingest.stored(scratch)


@pytest.mark.parametrize("peer", ingest.PEERS, ids=[name for name, *_ in ingest.PEERS])
def test_a_peer_keeps_the_rows_that_textmill_keeps(
    peer: tuple[str, str, float, Any], files: list[str], ours: dict[str, object], tmp_path: Path
) -> None:
    module, _, function = peer[1].partition(":")
    getattr(import_module(f"benchmarks.peers.{module}"), function)(files=files, scratch=str(tmp_path), threads=2)
    assert written(str(tmp_path)) == ours
    assert 9_800 < int(str(ours["rows"])) < 10_000


def test_rates_are_those_that_are_asked_for(tmp_path: Path) -> None:
    texts, cells = {}, {}
    none = ["chinese", "near-duplicates", "blanks", "full-width", "line-breaks", "commas", "empty"]
    for share in (0.0, 0.4):
        rates = [word for name in none for word in (f"--{name}", "0")]
        rates += ["--duplicates", str(share), "--ragged", str(share)]
        generate.main([str(tmp_path / str(share)), "--size", "4MB", "--files", "1", *rates])
        written = (tmp_path / str(share) / "part-0000.csv").read_text(encoding="utf-8")
        rows = list(csv.reader(written.splitlines()))[1:]
        long = [row[1] for row in rows if len(row[1]) > 40]
        texts[share] = 1 - len(set(long)) / len(long)
        cells[share] = sum(len(row) == 4 for row in rows) / len(rows)
    assert texts[0.0] == cells[0.0] == 0
    # What comes first repeats nothing.
    assert 0.1 < texts[0.4] < 0.4
    assert 0.38 < cells[0.4] < 0.42


def test_every_peer_has_a_target_and_textmill_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "write_csv", lambda *_: [])
    [case] = suite("ingest").cases(Setting(size_bytes=1, scratch=tmp_path, peers=True))
    names = [contender.name for contender in case.contenders]
    assert names[0] == OURS
    assert [target.needs[0] for target in case.targets] == names[1:]
    assert MODULES["ingest"] == ingest.__name__


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.slice(1),
        lambda table: pa.concat_tables([table, table.slice(0, 1)]),
        lambda table: table.set_column(1, "text", pc.replace_substring(table["text"], "b", "d", max_replacements=1)),
        lambda table: table.select(["id", "label", "text"]).rename_columns(["id", "text", "label"]),
        lambda table: table.set_column(1, "text", pc.if_else(pc.equal(table["text"], "bab"), None, table["text"])),
    ],
    ids=["lost", "doubled", "byte", "columns", "null"],
)
def test_the_digest_sees_what_differs_and_not_the_order(change, tmp_path: Path) -> None:
    table = pa.table({"id": ["1", "2", "3"], "text": ["aab", "bab", "好的"], "label": ["x", "", "x"]})

    def digest(name: str, rows: pa.Table) -> dict[str, object]:
        pq.write_table(rows, tmp_path / name)
        return rows_and_digest([str(tmp_path / name)])

    assert digest("same", table.take([2, 0, 1])) == digest("it", table)
    assert digest("other", change(table)) != digest("it", table)
