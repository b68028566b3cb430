"""What every table of the job file is made of: frozen, closed to unknown keys, documented field by field."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)\s*", re.IGNORECASE)
_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}


class Settings(BaseModel):
    """A frozen group of settings; an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True)


def parse_size(value: Any) -> int:
    """Bytes meant by a size as a person types it: ``"64MB"``, ``"1.5 GiB"``, ``4096``.

    Raises
    ------
    ValueError
        If it is not a size or not positive.

    Examples
    --------
    >>> parse_size("64MB")
    64000000
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is not a size; write a positive number of bytes or a text like "64MB" or "1GiB"')
    number, unit = float(match[1]), match[2].lower().removesuffix("b")
    size = int(number * _UNITS[unit]) if unit in _UNITS else 0
    if size <= 0:
        raise ValueError(f"{value!r} is not a positive size")
    return size


#: Bytes; a person may type "64MB".
Size = Annotated[int, BeforeValidator(parse_size)]
