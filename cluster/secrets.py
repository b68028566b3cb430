"""Keeping secrets out of whatever is written down: journals, logs, records, reports, commits."""

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

_SECRET_NAME = re.compile(
    r"secret|token|passw|passphrase|credential|api_?key|access_?key|private_?key|sas_|(^|_)key$|_pwd$", re.IGNORECASE
)
#: What surrounds a secret that no variable names, and the secret.
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):(?!\$\{)([^/\s@]+)(?=@)")
_PARAMETER = re.compile(
    r"([?&;](?:[\w.-]*(?:secret|token|password|signature|credential|key)|sig)=)(?!\$\{)[^&\s'\"]+", re.IGNORECASE
)
_HEADER = re.compile(r"(authorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic|token)\s+)(?!\$)[^\s'\"]+", re.IGNORECASE)
#: Shorter ones would take words out of every sentence.
_LEAST_CHARACTERS = 6


@cache
def _tells_of_secret(name: str) -> bool:
    """Whether a variable's name says that it holds a secret; the same few names are asked about for every text."""
    return _SECRET_NAME.search(name) is not None


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Value -> name of all variables whose name says that they hold a secret."""
    return {
        value: name for name, value in environment.items() if len(value) >= _LEAST_CHARACTERS and _tells_of_secret(name)
    }


def by_name(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` with the secrets of the environment replaced by ``${NAME}``: job files and shells put them in again.

    Examples
    --------
    >>> by_name("curl -u me:hunter22 host", {"DB_PASSWORD": "hunter22"})
    'curl -u me:${DB_PASSWORD} host'
    """
    for value, name in sorted(secrets_of(environment).items(), key=lambda item: -len(item[0])):
        for written in dict.fromkeys((value, quote(value, safe=""))):
            text = text.replace(written, f"${{{name}}}")
    return text


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` without secrets: those of the environment by name, passwords in URLs and headers as stars.

    Examples
    --------
    >>> redacted("s3://me:hunter22@host/x is closed to hunter22", {"DB_PASSWORD": "hunter22"})
    's3://me:${DB_PASSWORD}@host/x is closed to ${DB_PASSWORD}'
    >>> redacted("https://me:abc@host/x?sig=abc&part=1", {})
    'https://me:***@host/x?sig=***&part=1'
    """
    text = _PASSWORD_IN_URL.sub(r"\1:***", by_name(text, environment))
    return _HEADER.sub(r"\1***", _PARAMETER.sub(r"\1***", text))


def redacted_facts(facts: Any, environment: Mapping[str, str] = os.environ) -> Any:
    """Plain values with every text in them `redacted`."""
    # An environment is long, and few of its variables are secret: they are looked for once.
    return _redacted_facts(facts, {name: value for value, name in secrets_of(environment).items()})


def _redacted_facts(facts: Any, secrets: Mapping[str, str]) -> Any:
    if isinstance(facts, str):
        return redacted(facts, secrets)
    if isinstance(facts, Mapping):
        return {
            redacted(key, secrets) if isinstance(key, str) else key: _redacted_facts(value, secrets)
            for key, value in facts.items()
        }
    if isinstance(facts, (list, tuple)):
        return [_redacted_facts(value, secrets) for value in facts]
    return facts


def passwords_in(text: str) -> list[str]:
    """The places of a job file, or of anything else, that hold a secret as it is, each without it."""
    found = [f"{match[1]}:***@" for match in _PASSWORD_IN_URL.finditer(text)]
    return [*found, *(f"{match[1]}***" for pattern in (_PARAMETER, _HEADER) for match in pattern.finditer(text))]
