"""Keeping secrets out of whatever is written down: journals, logs, reports."""

import os
import re
from collections.abc import Mapping
from typing import Any

_SECRET_NAME = re.compile(
    r"secret|token|passw|passphrase|credential|api_?key|access_?key|private_?key|sas_", re.IGNORECASE
)
_IN_URL = re.compile(r"(?<=://)([^/\s:@]+):([^/\s@]+)(?=@)")
#: Shorter ones would take words out of every sentence.
_LEAST_CHARACTERS = 6


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Value -> name of all variables whose name says that they hold a secret."""
    return {
        value: name
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= _LEAST_CHARACTERS
    }


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` with the secrets of the environment replaced by ``${NAME}``, and passwords in URLs by stars.

    Examples
    --------
    >>> redacted("s3://me:hunter22@host/x is closed to hunter22", {"DB_PASSWORD": "hunter22"})
    's3://me:***@host/x is closed to ${DB_PASSWORD}'
    """
    text = _IN_URL.sub(r"\1:***", text)
    for value, name in sorted(secrets_of(environment).items(), key=lambda item: -len(item[0])):
        text = text.replace(value, f"${{{name}}}")
    return text


def redacted_facts(facts: Any, environment: Mapping[str, str] = os.environ) -> Any:
    """Plain values with every text in them `redacted`."""
    if isinstance(facts, str):
        return redacted(facts, environment)
    if isinstance(facts, Mapping):
        return {key: redacted_facts(value, environment) for key, value in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [redacted_facts(value, environment) for value in facts]
    return facts
