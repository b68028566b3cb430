"""Logs in one structured format: a line of JSON a message, with when, how grave, who and what."""

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cluster.secrets import redacted, redacted_facts


class JsonLines(logging.Formatter):
    """One line of JSON a record; secrets of the environment are taken out."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "who": record.name,
            "pid": record.process,
            "message": redacted(record.getMessage()),
        }
        facts = getattr(record, "facts", None)
        if isinstance(facts, Mapping):
            told |= redacted_facts(facts)
        if record.exc_info and record.exc_info[1] is not None:
            told["trace"] = redacted("".join(traceback.format_exception(record.exc_info[1])))
        return json.dumps(told, ensure_ascii=False, default=str)


def log_as_json(level: int = logging.INFO) -> None:
    """Nothing; from now on what this process logs goes to stderr as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in ("textmill", "distributed"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    for name, part in logging.root.manager.loggerDict.items():
        # Dask gives some of its parts handlers of their own.
        if name.startswith("distributed.") and isinstance(part, logging.Logger):
            part.handlers = []
            part.propagate = True


def told_line(line: str) -> dict[str, Any]:
    """A line of a log as its facts; one that is not JSON is a message as it stands."""
    try:
        told = json.loads(line)
    except ValueError:
        told = None
    return told if isinstance(told, dict) and "message" in told else {"message": line.rstrip("\n")}


def wants_json() -> bool:
    """Whether whoever started this process reads its log as lines of JSON."""
    return os.environ.get("TEXTMILL_LOGS") == "json"
