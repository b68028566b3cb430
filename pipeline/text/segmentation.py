"""Chinese text in words: jieba finds where they end, and blanks say so to the analyzer.

The package rjieba, its binding in Rust, is an extra: `pip install 'textmill[jieba]'`. Its version is part of what a
text becomes, and stands in a model's lineage.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec

import pyarrow as pa

from pipeline.errors import PackageMissingError
from pipeline.text.config import FeatureConfig

_PACKAGE = "rjieba"


def require_segmenter(features: FeatureConfig) -> None:
    """Nothing, where texts can be cut as the settings say.

    Raises
    ------
    PackageMissingError
        If a package is missing for it.
    """
    if features.is_segmented and find_spec(_PACKAGE) is None:
        raise PackageMissingError('[features] analyzer = "chinese_word"', _PACKAGE, "jieba")


def segmenter(features: FeatureConfig) -> dict[str, str]:
    """The name and version of what finds words, for lineage and names of caches; empty where nothing has to.

    Raises
    ------
    PackageMissingError
        If a package is missing for it.
    """
    require_segmenter(features)
    return {"segmenter": f"{_PACKAGE} {version(_PACKAGE)}"} if features.is_segmented else {}


def in_words(texts: pa.Array | pa.ChunkedArray, features: FeatureConfig) -> pa.Array:
    """The texts with a blank between each two words where words must be found, else as they are; a null stays null.

    Raises
    ------
    PackageMissingError
        If a package is missing for it.

    Examples
    --------
    >>> in_words(pa.array(["质量非常好", None]), FeatureConfig(analyzer="chinese_word")).to_pylist()
    ['质量 非常 好', None]
    """
    if not features.is_segmented:
        return texts
    require_segmenter(features)
    cut = _cut()
    words = (None if text is None else " ".join(cut(text, True)) for text in texts.to_pylist())
    return pa.array(words, pa.large_string())


@cache
def _cut() -> Callable[[str, bool], list[str]]:
    # An extra. One of our own: words that others add to the package's common one change nothing here.
    from rjieba import Jieba

    cut: Callable[[str, bool], list[str]] = Jieba().cut
    return cut
