"""One run of one contender, in a process of its own: ``python -m benchmarks.harness.child SPEC.json EVENTS_FD``.

Nothing but the standard library is imported here, so that it runs in the environment of any peer. The order is:
hold to the cores, `prepare`, `run` once on the warm-up's arguments, then the one `run` that is timed, then `check`.
"""

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(spec_path: str, events_fd: int) -> None:
    """Nothing; what was measured lies in the file that the specification names."""
    os.set_inheritable(events_fd, False)
    spec = json.loads(Path(spec_path).read_bytes())
    if spec["cores"]:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: spec["cores"]])
    arguments = spec["arguments"]
    if spec["prepare"]:
        arguments |= _function(spec["prepare"])(**arguments) or {}
    run = _function(spec["run"])
    if spec["warm_up"] is not None:
        run(**arguments | spec["warm_up"])
    os.write(events_fd, b"b")
    cpu, began = _cpu_s(), time.perf_counter()
    measures = run(**arguments) or {}
    seconds, cpu_s = time.perf_counter() - began, _cpu_s() - cpu
    os.write(events_fd, b"e")
    # What a run measured of itself counts instead: it leaves out what is not the contender's work.
    found = {"seconds": measures.pop("seconds", seconds), "cpu_s": measures.pop("cpu_s", None)}
    found |= {"waited_cpu_s": cpu_s, "measures": measures}
    found["outputs"] = _function(spec["check"])(**arguments) if spec["check"] else {}
    Path(spec["result"]).write_text(json.dumps(found))


def _function(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _cpu_s() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
