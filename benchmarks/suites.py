"""All suites by name; a suite's module is imported when it is asked for."""

from collections.abc import Mapping
from importlib import import_module

from benchmarks.harness.contender import Suite

#: Suite -> the module that holds it as ``SUITE``.
MODULES: Mapping[str, str] = {
    "ingest": "benchmarks.ingest",
    "dedupe": "benchmarks.dedupe",
    "features": "benchmarks.features",
    "store": "benchmarks.store",
    "query": "benchmarks.query",
    "jobs": "benchmarks.jobs",
    "scaling": "benchmarks.scaling.suite",
    "train": "benchmarks.train",
    "optimum": "benchmarks.optimum",
    "scaling-train": "benchmarks.scaling.learning",
    "end-to-end": "benchmarks.end_to_end",
}


def suite(name: str) -> Suite:
    """The suite of that name; raises `KeyError` for one that is not in `MODULES`."""
    found: Suite = import_module(MODULES[name]).SUITE
    return found
