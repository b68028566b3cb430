"""How fast a stored version answers, beside DuckDB and Polars over the very same Parquet files.

    python -m benchmarks.query --megabytes 200 --peers

Claim: what the store adds to DuckDB (finding the version, leaving out files by their bounds, shutting the session off
from everything else) costs less than a fifth of a second a query.
"""

import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.generate import write_csv
from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.harness.environments import Environment
from benchmarks.harness.targets import Target
from cluster.driver import run_job
from pipeline.config import parse_job
from storage.store import Store

PEERS = Environment(name="query", requirements=("duckdb==2.0.1", "polars==2.1.0", "pyarrow==26.0.1"))

#: Query -> its SQL, whose order is fixed where that matters.
QUERIES = {
    "count": "SELECT count(*) AS n FROM rows",
    "group": "SELECT label, count(*) AS n, avg(length(text)) AS mean FROM rows GROUP BY label ORDER BY label",
    "one row": "SELECT id, label FROM rows WHERE id = 100 ORDER BY id",
    "search": "SELECT count(*) AS n FROM rows WHERE text LIKE '%gebaba lova%'",
    "top": "SELECT id, label FROM rows ORDER BY length(text) DESC, id LIMIT 20",
}
_MOST_S = 0.2


def stored(folder: Path, size_bytes: int, seed: int) -> Path:
    """A store with generated rows as the dataset ``rows``."""
    write_csv(folder / "in", size_bytes, files=4, seed=seed)
    job = {
        "name": "rows",
        "store": str(folder / "store"),
        "source": {"files": [str(folder / "in" / "*.csv")], "block": "16MB", "types": {"id": "int"}},
        "dataset": {"name": "rows"},
    }
    run_job(parse_job(job))
    return folder / "store"


def ask_store(store: str, query: str, **_: Any) -> dict[str, Any]:
    """The time that opening the store and one query take, with all rows fetched."""
    began = time.perf_counter()
    with Store.open(store).sql(query) as result:
        rows = result.read_all().to_pylist()
    return _answered(time.perf_counter() - began, rows)


def answer(**_: Any) -> dict[str, Any]:
    """What the last query of this process answered."""
    return {"answer": _LAST["rows"]}


def _answered(seconds: float, rows: list[dict[str, Any]]) -> dict[str, Any]:
    _LAST["rows"] = [[round(value, 6) if isinstance(value, float) else value for value in row.values()] for row in rows]
    return {"seconds": seconds}


_LAST: dict[str, Any] = {}


def cases(setting: Setting) -> list[Case]:
    """A case a query."""
    store = stored(setting.scratch, setting.size_bytes, setting.seed)
    files = [file.path for file in Store.open(store).snapshot("rows").files]
    size = sum(Path(file).stat().st_size for file in files)
    return [_case(name, query, str(store), files, size, peers=setting.peers) for name, query in QUERIES.items()]


def _case(name: str, query: str, store: str, files: list[str], size: int, *, peers: bool) -> Case:
    ours = Contender(
        name=OURS,
        run="benchmarks.query:ask_store",
        check="benchmarks.query:answer",
        arguments={"store": store, "query": query},
        warm_up={"query": "SELECT 1 AS one"},
    )
    others = [
        Contender(
            name=peer,
            run=f"benchmarks.peers.query_parquet:{peer}_query",
            check="benchmarks.peers.query_parquet:answer",
            arguments={"files": files, "name": name, "query": query},
            warm_up={"files": files[:1]},
            environment=PEERS,
        )
        for peer in ("duckdb", "polars")
    ]
    contenders = [ours, *others] if peers else [ours]
    over = Target(
        claim="seconds that textmill adds to DuckDB",
        figure=lambda measured: measured.spread(OURS).median - measured.spread("duckdb").median,
        needs=("duckdb",),
        at_most=_MOST_S,
    )
    return Case(name=name, contenders=contenders, equal=("answer",), work={"bytes": size}, targets=[over], limit_s=600)


SUITE = Suite(name="query", claim=f"The store adds less than {_MOST_S} s to DuckDB.", cases=cases)

if __name__ == "__main__":
    sys.exit(run_suite(SUITE))
