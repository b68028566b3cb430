"""Signs of life: a small file that a job's driver writes anew every second, with how far it is."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.lease import Holder

INTERVAL_S = 1.0
#: A driver not heard of for so long counts as lost.
LOST_AFTER_S = float(os.environ.get("TEXTMILL_LOST_AFTER_S", "20"))


def write_heartbeat(folder: Path, token: int, facts: Mapping[str, Any]) -> None:
    """Nothing; the heartbeat of the job in `folder` is of this moment.

    It is not synced: after a crash of the machine there is no driver either.
    """
    path = folder / "heartbeat.json"
    aside = folder / f".heartbeat-{os.getpid()}"
    aside.write_text(json.dumps({"at": time.time(), "token": token, **facts}), encoding="utf-8")
    aside.replace(path)


def read_heartbeat(folder: Path) -> dict[str, Any]:
    """The last heartbeat of the job in `folder`; empty where there was none."""
    try:
        facts: dict[str, Any] = json.loads((folder / "heartbeat.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return facts


def is_alive(holder: Holder | None, heartbeat: Mapping[str, Any], token: int) -> bool:
    """Whether a job's driver is at work.

    Parameters
    ----------
    holder
        Who claimed the job.
    heartbeat
        The last sign of life.
    token
        The holder's.
    """
    if holder is None or holder.done:
        return False
    if holder.here and holder.process() is None:
        return False
    if heartbeat.get("token") != token:
        # It claimed the job a moment ago, or never got to its first beat.
        return holder.here
    return time.time() - float(heartbeat["at"]) < LOST_AFTER_S
