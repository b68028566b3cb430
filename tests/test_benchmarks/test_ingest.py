"""The ingest benchmark compares like with like: all contenders keep the same rows, and a difference would show."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks import ingest
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
