"""Records of measurements that are no suites: machine, time and command beside the figures."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness.machine import machine_facts


def begun(module: str, arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """When and on what a measurement starts, and the command that repeats it.

    Parameters
    ----------
    module
        Of the script.
    arguments
        Its words; those of this process where not given. The file of the record is left out.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--json" in words:
        at = words.index("--json")
        del words[at : at + 2]
    return {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "command": " ".join(["python -m", module, *words]),
    }


def write_record(path: Path | None, facts: Mapping[str, Any]) -> None:
    """Nothing; the facts lie in the file, where one is named."""
    if path is not None:
        path.write_text(json.dumps(facts, indent=1) + "\n")
