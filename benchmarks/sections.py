"""The parts of the page that tell of measurements which are no suites: one function a kind, and what it promises."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import kills, memory, recovery, soak
from benchmarks.harness.machine import machine_told
from benchmarks.harness.tables import markdown, verdict_lines
from benchmarks.harness.targets import Verdict
from benchmarks.scaling import graph, learning_plan
from benchmarks.scaling import suite as scaling
from benchmarks.scaling.page import plan_body

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a kind of record is shown: what it is, what came of it, what was promised."""

    about: str
    body: Callable[[Facts], Iterator[str]]
    verdicts: Callable[[Facts], Sequence[Verdict]] = lambda _: ()


def _memory(facts: Facts) -> Iterator[str]:
    yield memory.table(_peaks(facts)) + "\n"


def _peaks(facts: Facts) -> list[memory.Peaks]:
    return [memory.Peaks(**one) for one in facts["peaks"]]


def _recovery(facts: Facts) -> Iterator[str]:
    yield recovery.table(facts["cases"], facts["wanted"]) + "\n"


def _kills(facts: Facts) -> Iterator[str]:
    yield f"{facts['versions']:,} versions came of it.\n"
    yield markdown(("killed amid", "times"), list(facts["killed"].items())) + "\n"


def _soak(facts: Facts) -> Iterator[str]:
    yield markdown(("what", "times"), list(facts["counts"].items())) + "\n"
    if facts["broken"]:
        yield "\n".join(f"- BROKEN: {promise}" for promise in facts["broken"]) + "\n"


def _graph(facts: Facts) -> Iterator[str]:
    yield "".join(f"- {graph.told(cost)}.\n" for cost in _costs(facts))


def _costs(facts: Facts) -> list[graph.GraphCost]:
    return [graph.GraphCost(**one) for one in facts["costs"]]


def _learning_plan(facts: Facts) -> Iterator[str]:
    works = [learning_plan.Work(**one) for one in facts["works"]]
    yield learning_plan.table(works, facts["blocks"]) + "\n"


#: Kind of record -> how it is shown, in the order of the page.
KINDS: Mapping[str, Kind] = {
    "memory": Kind(
        about="The most memory of each process, and whether it grows with the input.",
        body=_memory,
        verdicts=lambda facts: memory.verdicts(_peaks(facts), facts["stage"]),
    ),
    "scaling-plan": Kind(
        about="A model of larger clusters, held against runs that it was not fitted to.",
        body=plan_body,
        verdicts=lambda facts: scaling.verdicts([one["error"] for one in facts["checked"]]),
    ),
    "graph": Kind(
        about="Graphs of very many blocks without work, built, scheduled and committed for real.",
        body=_graph,
        verdicts=lambda facts: graph.verdicts(_costs(facts)),
    ),
    "learning-plan": Kind(
        about="What training would take on more workers, from what a block and adding up cost here. Assumed: a core "
        f"and {learning_plan.NETWORK_BYTES_S / 1e9:g} GB/s for each worker, {learning_plan.TASK_S * 1e3:g} ms of "
        "scheduler and driver for each task.",
        body=_learning_plan,
    ),
    "recovery": Kind(
        about="Jobs of which a part is killed at some stage, beside the same job undisturbed.",
        body=_recovery,
        verdicts=lambda facts: recovery.verdicts(facts["cases"], facts["wanted"]),
    ),
    "kills": Kind(
        about="Writers of a store, killed at random instants; the store is checked after each.",
        body=_kills,
        verdicts=lambda facts: kills.verdicts(facts["rounds"]),
    ),
    "soak": Kind(
        about="Jobs, kills, queries and vacuums on one store at once.",
        body=_soak,
        verdicts=lambda facts: soak.verdicts(facts["broken"]),
    ),
}


def kind_of(name: str) -> str:
    """The kind that a record's name begins with, like "memory" of "memory-train"; raises `KeyError` for none."""
    for kind in KINDS:
        if name == kind or name.startswith(f"{kind}-"):
            return kind
    raise KeyError(f"{name}.json is neither of a suite nor named after one of {', '.join(KINDS)}")


def in_order(names: Sequence[str]) -> list[str]:
    """The names in the order of the page."""
    order = list(KINDS)
    return sorted(names, key=lambda name: (order.index(kind_of(name)), name))


def section(name: str, facts: Facts) -> Iterator[str]:
    """What the page says of a record."""
    kind = KINDS[kind_of(name)]
    yield f"## {name}\n"
    yield kind.about + "\n"
    yield f"    {facts['command']}\n"
    yield machine_told(facts["machine"], facts.get("started_at", "")) + "\n"
    if note := facts.get("note"):
        yield note + "\n"
    if verdicts := kind.verdicts(facts):
        yield "".join(f"- {' '.join(line.split())}\n" for line in verdict_lines(verdicts))
    yield from kind.body(facts)
