"""Operations for Chinese text: full and half width, simplified and traditional characters."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.operations.operation import TextOperation
from pipeline.ingest.operations.rows import each_text, on_rows
from pipeline.ingest.operations.trie import Trie, build_trie, replace_longest

_HALF_KANA = re.compile("[\uff61-\uff9f]+")
#: Full-width forms of ASCII, and the ideographic space.
_FULL = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20,
    0xFF5F: 0x2985,
    0xFF60: 0x2986,
    **dict(zip((0xFFE0, 0xFFE1, 0xFFE2, 0xFFE4, 0xFFE5, 0xFFE6), map(ord, "¢£¬¦¥₩"), strict=True)),
}
_FULL_WORDS = {code: plain for code, plain in _FULL.items() if chr(plain).isalnum()}


class FoldWidth(TextOperation):
    """Bring characters to their usual width: full-width letters, digits and punctuation to ASCII, half-width kana full.

    A part of what `normalize_unicode` does, for those who want nothing else folded.

        op = "fold_width"
    """

    op: Literal["fold_width"] = "fold_width"
    punctuation: bool = True
    """Fold punctuation and the ideographic space too; false leaves ，！？ as Chinese writes them."""

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts in usual width."""
        table = _FULL if self.punctuation else _FULL_WORDS
        folded = "".join(map(chr, table))
        pattern = f"[{re.escape(folded)}\uff61-\uff9f]"
        return on_rows(
            texts, pc.match_substring_regex(texts, pattern), lambda some: each_text(some, lambda t: _folded(t, table))
        )


def _folded(text: str, table: Mapping[int, int]) -> str:
    return _HALF_KANA.sub(lambda kana: unicodedata.normalize("NFKC", kana[0]), text.translate(table))


class ConvertChinese(TextOperation):
    """Convert between simplified and traditional characters, phrase by phrase, with the dictionaries of OpenCC.

    At each place the longest entry of the dictionaries counts, so that 发 becomes 髮 in 头发 and 發 in 发展.

        op = "convert_chinese"
        to = "simplified"
    """

    op: Literal["convert_chinese"] = "convert_chinese"
    to: Literal["simplified", "traditional", "taiwan", "hongkong"] = "simplified"
    """The characters to write: simplified; traditional as OpenCC's standard, Taiwan or Hong Kong write them."""

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts in these characters."""
        for stage in _stages(self.to):
            texts = on_rows(texts, pc.match_substring_regex(texts, stage.initials), stage.convert)
        return texts


@dataclass(frozen=True, slots=True)
class _Stage:
    """One step of a conversion: its dictionary, and a pattern found in each text that an entry can begin in."""

    trie: Trie
    initials: str

    def convert(self, texts: pa.Array) -> pa.Array:
        """The texts with all entries replaced."""
        data, offsets, valid = text_buffers(texts)
        out, starts = replace_longest(data, offsets.astype(np.int64), self.trie)
        kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
        bits = None if valid.all() else pa.array(valid).buffers()[1]
        buffers = [bits, pa.py_buffer(starts.astype(kind)), pa.py_buffer(out)]
        return pa.Array.from_buffers(texts.type, len(texts), buffers)


_CONVERSIONS = {"simplified": "t2s", "traditional": "s2t", "taiwan": "s2tw", "hongkong": "s2hk"}


@cache
def _stages(to: str) -> tuple[_Stage, ...]:
    root = files("opencc")
    config = json.loads((root / "config" / f"{_CONVERSIONS[to]}.json").read_text("utf-8"))
    stages = []
    for chain in config["conversion_chain"]:
        entries: dict[str, str] = {}
        # The first dictionary of a group has the last word.
        for name in reversed(list(_dictionaries(chain["dict"]))):
            for line in (root / "dictionary" / name).read_text("utf-8").splitlines():
                key, _, values = line.strip().partition("\t")
                entries[key] = values.split(" ")[0]
        initials = sorted({key[0] for key, value in entries.items() if key != value})
        stages.append(_Stage(build_trie(entries), "[" + "".join(initials) + "]"))
    return tuple(stages)


def _dictionaries(tree: Mapping[str, Any]) -> Iterator[str]:
    if tree["type"] == "group":
        for branch in tree["dicts"]:
            yield from _dictionaries(branch)
    else:
        yield tree["file"]
