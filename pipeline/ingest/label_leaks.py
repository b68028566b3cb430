"""A warning for labels that leak into the text: a single word that tells a class almost perfectly.

What crosses workers is a sample: the rows with the smallest hashes of text and label. It merges in any order to the
same sample, stays small however many rows there are, and does not depend on how rows are cut into blocks.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import frame
from pipeline.ingest.dedupe.keys import exact_keys

#: Rows that a sample holds.
SAMPLE_ROWS = 4096
_WORD = re.compile(r"[\u4e00-\u9fff]+|[^\W_\u4e00-\u9fff]+")
_SCHEMA = pa.schema([("hash", pa.uint64()), ("text", pa.string()), ("label", pa.string())])


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSample:
    """Labelled texts drawn by their hashes, each once: those with the smallest.

    Attributes
    ----------
    rows
        Columns hash, text, label; ascending by hash; at most `SAMPLE_ROWS` rows.
    """

    rows: pa.Table

    @classmethod
    def empty(cls) -> "LabelSample":
        """The sample of no rows."""
        return cls(rows=_SCHEMA.empty_table())

    def merge(self, other: "LabelSample") -> "LabelSample":
        """The sample of both inputs together."""
        return LabelSample(rows=_smallest(pa.concat_tables([self.rows, other.rows])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A word that tells a class almost perfectly.

    Attributes
    ----------
    token, label
        The word and the class.
    precision
        The share of texts with the word that have the label.
    recall
        The share of texts with the label that have the word.
    texts
        Texts with the word in the sample.
    """

    token: str
    label: str
    precision: float
    recall: float
    texts: int

    def __str__(self) -> str:
        return (
            f'"{self.token}" alone tells the label "{self.label}": {self.precision:.1%} of the texts with it have that '
            f"label, and {self.recall:.1%} of the texts with that label have it. If the text was written with the "
            "label in hand, the model will learn this word and fail on real texts; remove it in [[clean]]"
        )


def sample_labels(table: pa.Table, text: str, label: str) -> LabelSample:
    """The sample of a frame's live rows that have a text and a label."""
    if text not in table.column_names or label not in table.column_names:
        return LabelSample.empty()
    both = pc.and_(pc.is_valid(table[text]), pc.is_valid(table[label]))
    rows = table.filter(pc.and_(both, pa.array(frame.alive(table))) if frame.FATE in table.column_names else both)
    hashes = exact_keys(rows, [text, label])[:, 0]
    columns = [pa.array(hashes), rows[text].cast(pa.string()), rows[label].cast(pa.string())]
    return LabelSample(rows=_smallest(pa.table(columns, schema=_SCHEMA)))


def _smallest(rows: pa.Table) -> pa.Table:
    _, first = np.unique(np.asarray(rows["hash"]), return_index=True)
    return rows.take(pa.array(first[:SAMPLE_ROWS])).combine_chunks()


def tokens_of(text: str) -> Iterator[str]:
    """The words of a text in lower case; of Chinese, each character and each pair of neighbours."""
    for word in _WORD.findall(text.lower()):
        if "\u4e00" <= word[0] <= "\u9fff":
            yield from word
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        else:
            yield word


def find_leaks(sample: LabelSample, *, strength: float = 0.95, least_texts: int = 20) -> tuple[Leak, ...]:
    """The words that tell a class almost perfectly, strongest first, at most one for each class.

    Parameters
    ----------
    sample
        Labelled texts.
    strength
        The least F1 score of "has the word" as a prediction of "has the label".
    least_texts
        The least number of texts with the word.
    """
    labels = sample.rows["label"].to_pylist()
    sizes = Counter(labels)
    with_token: Counter[str] = Counter()
    with_both: Counter[tuple[str, str]] = Counter()
    for text, label in zip(sample.rows["text"].to_pylist(), labels, strict=True):
        tokens = set(tokens_of(text))
        with_token.update(tokens)
        with_both.update((token, label) for token in tokens)
    best: dict[str, tuple[float, Leak]] = {}
    for (token, label), both in sorted(with_both.items()):
        texts = with_token[token]
        score = 2 * both / (texts + sizes[label])
        if len(sizes) > 1 and texts >= least_texts and score >= strength and score > best.get(label, (0.0,))[0]:
            leak = Leak(token=token, label=label, precision=both / texts, recall=both / sizes[label], texts=texts)
            best[label] = (score, leak)
    return tuple(leak for _, leak in sorted(best.values(), key=lambda found: (-found[0], found[1].label)))
