"""What is measured: contenders that do the same work, the case that brings them together, the suite of cases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.environments import Environment
from benchmarks.harness.targets import Target

#: The name of the contender that the targets are about.
OURS = "textmill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A program that does a case's work, as functions ``"module:function"`` called with `arguments` by name.

    Attributes
    ----------
    name
        `OURS` for textmill itself.
    run
        What is timed. It also gets ``scratch``, an empty folder of its own (removed afterwards). It may return what
        else it measured (``{"accuracy": 0.9}``); ``seconds`` and ``cpu_s`` among it count instead of the harness's.
    arguments
        Anything that JSON can hold.
    prepare
        Called before, not timed; what it returns is added to the arguments.
    check
        Called after, not timed; gives the outputs that must be equal.
    warm_up
        Arguments to change for a first `run` that is not timed (a small input); None where there is none.
    environment
        Where it runs; None for the one that textmill runs in.
    """

    name: str
    run: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    prepare: str | None = None
    check: str | None = None
    warm_up: Mapping[str, Any] | None = None
    environment: Environment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A piece of work and who does it.

    Attributes
    ----------
    equal
        Outputs that all contenders must give, and give alike; an empty tuple says that nothing can be compared.
    no_worse
        Measures of quality (larger is better) that all contenders must give, and by how much textmill's may lie below
        another's: chance moves it. Whoever lies above may be faster by leaving work out, so textmill may not.
    work
        How much is done, by unit (``{"bytes": 1_000_000_000, "rows": 5_000_000}``): rates are computed from it.
    cores
        How many cores each contender is held to; None for all.
    limit_s
        How long one run may take.
    """

    name: str
    contenders: Sequence[Contender]
    equal: tuple[str, ...]
    work: Mapping[str, float]
    targets: Sequence[Target] = ()
    cores: int | None = None
    no_worse: Mapping[str, float] = field(default_factory=dict)
    limit_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a suite is asked to measure.

    Attributes
    ----------
    size_bytes
        About how much input.
    peers
        Whether other programs run side by side.
    scratch
        A folder for inputs; removed after the run.
    seed
        Of everything that is generated.
    profile
        The cluster profile that jobs run on.
    workers
        How many workers jobs have; None for the suite's own number here, and for the profile's elsewhere.
    """

    size_bytes: int
    scratch: Path
    peers: bool = False
    seed: int = 0
    profile: str = "local"
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Cases under a name, with the claim that they examine; `cases` generates the inputs they need.

    `runs_jobs` says that textmill's part is a job, which may run on any cluster.
    """

    name: str
    claim: str
    cases: Callable[[Setting], Sequence[Case]]
    runs_jobs: bool = False
