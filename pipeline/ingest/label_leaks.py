"""Warnings about labels: a single word that tells a class almost perfectly, and equal texts with several labels.

What crosses workers is a sample: the rows whose texts have the smallest hashes. It merges in any order to the same
sample, stays small however many rows there are, and does not depend on how rows are cut into blocks.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import frame
from pipeline.ingest.dedupe.keys import exact_keys
from storage.cell_hash import column_hashes

#: Rows that a sample holds.
SAMPLE_ROWS = 4096
#: Characters of each text that it holds: enough to find the words, and a bound on its memory.
SAMPLE_CHARACTERS = 500
#: The share of texts, one in so many, that is looked at before all are.
_LOOKED_AT_FIRST = 4
_HIGHEST = 2**64 - 1
_WORD = re.compile(r"[\u4e00-\u9fff]+|[^\W_\u4e00-\u9fff]+")
_SCHEMA = pa.schema([("hash", pa.uint64()), ("mark", pa.uint64()), ("text", pa.string()), ("label", pa.string())])


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSample:
    """Labelled texts drawn by the texts' hashes, each pair once: those with the smallest.

    Attributes
    ----------
    rows
        Columns hash (of the text), mark (of the label), text (its start), label; ascending by hash and mark; at most
        `SAMPLE_ROWS` rows.
    """

    rows: pa.Table

    @classmethod
    def empty(cls) -> "LabelSample":
        """The sample of no rows."""
        return cls(rows=_SCHEMA.empty_table())

    def merge(self, other: "LabelSample") -> "LabelSample":
        """The sample of both inputs together."""
        both = pa.concat_tables([self.rows, other.rows])
        places = _smallest(np.stack([np.asarray(both["hash"]), np.asarray(both["mark"])]))
        return LabelSample(rows=both.take(pa.array(places)).combine_chunks())


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


def sample_labels(table: pa.Table, text: str, label: str, known: npt.NDArray[np.uint64] | None = None) -> LabelSample:
    """The sample of a frame's live rows that have a text and a label.

    Parameters
    ----------
    table
        The frame.
    text, label
        Its columns.
    known
        Hashes of the texts, as `storage.cell_hash.column_hashes` gives them, where someone has made them already.
    """
    if text not in table.column_names or label not in table.column_names:
        return LabelSample.empty()
    hashes = (column_hashes(table[text], text) if known is None else known)[:, 0]
    taking = np.asarray(pc.and_(pc.is_valid(table[text]), pc.is_valid(table[label])))
    if frame.FATE in table.column_names:
        taking = taking & frame.alive(table)
    places = _candidates(hashes) if taking.all() else np.flatnonzero(taking)[_candidates(hashes[taking])]
    rows = table.select([text, label]).take(pa.array(places))
    keys = np.stack([hashes[places], exact_keys(rows, [label])[:, 0]])
    places = _smallest(keys)
    some = rows.take(pa.array(places))
    texts = pc.utf8_slice_codeunits(some[text].cast(pa.string()), 0, SAMPLE_CHARACTERS)
    columns = [*(pa.array(key[places]) for key in keys), texts, some[label].cast(pa.string())]
    return LabelSample(rows=pa.table(columns, schema=_SCHEMA).combine_chunks())


def _candidates(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Places of hashes among which all those are that a sample may hold: a few, where there are many."""
    reach = 2 * SAMPLE_ROWS
    while reach < len(hashes):
        # Hashes lie evenly: so many are below this share of the highest.
        few = np.flatnonzero(hashes <= np.uint64(_HIGHEST // len(hashes) * reach))
        if len(np.unique(hashes[few])) > SAMPLE_ROWS:
            return few
        reach *= 8
    return np.arange(len(hashes))


def _smallest(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Places of the smallest distinct columns of `keys`, shape (2, rows), ascending."""
    order = np.lexsort((keys[1], keys[0]))
    ordered = keys[:, order]
    new = np.concatenate([[True], (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)]) if len(order) else order == 0
    places: npt.NDArray[np.int64] = order[new][:SAMPLE_ROWS]
    return places


def write_sample(sample: LabelSample, path: Path) -> str:
    """The path of a file with the sample, written whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        writer.write_table(sample.rows)
    aside.replace(path)
    return str(path)


def read_samples(paths: Sequence[str]) -> LabelSample:
    """The sample of all blocks whose samples were written to `paths`; two of them are in memory at a time."""
    return reduce(LabelSample.merge, map(_read_sample, paths), LabelSample.empty())


def _read_sample(path: str) -> LabelSample:
    with pa.OSFile(path, "rb") as source:
        return LabelSample(rows=pa.ipc.open_file(source).read_all())


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
    texts, labels = sample.rows["text"].to_pylist(), sample.rows["label"].to_pylist()
    sizes = Counter(labels)
    # Most samples hold no such word, which a share of their texts tells.
    first = len(texts) // _LOOKED_AT_FIRST
    if not _may_lead(*_counted(texts[:first], labels[:first]), Counter(labels[:first]), sizes, strength):
        return ()
    with_token, with_both = _counted(texts, labels)
    best: dict[str, tuple[float, Leak]] = {}
    for (token, label), both in sorted(with_both.items()):
        found = with_token[token]
        score = 2 * both / (found + sizes[label])
        if len(sizes) > 1 and found >= least_texts and score >= strength and score > best.get(label, (0.0,))[0]:
            leak = Leak(token=token, label=label, precision=both / found, recall=both / sizes[label], texts=found)
            best[label] = (score, leak)
    return tuple(leak for _, leak in sorted(best.values(), key=lambda found: (-found[0], found[1].label)))


def _counted(texts: Sequence[str], labels: Sequence[str]) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """In how many texts each word is, and in how many of each label."""
    with_token: Counter[str] = Counter()
    with_both: Counter[tuple[str, str]] = Counter()
    for text, label in zip(texts, labels, strict=True):
        tokens = set(tokens_of(text))
        with_token.update(tokens)
        with_both.update((token, label) for token in tokens)
    return with_token, with_both


def _may_lead(
    with_token: Counter[str],
    with_both: Counter[tuple[str, str]],
    seen: Counter[str],
    sizes: Counter[str],
    strength: float,
) -> bool:
    """Whether a word can still reach an F1 score of `strength`, after some texts: `seen` of all `sizes` by label.

    At best it is in all texts of its label that were not seen, and in no other.
    """
    unseen = {label: size - seen[label] for label, size in sizes.items()}
    if any(2 * unseen[label] / (unseen[label] + size) >= strength for label, size in sizes.items()):
        return True
    return any(
        2 * (both + unseen[label]) / (with_token[token] + unseen[label] + sizes[label]) >= strength
        for (token, label), both in with_both.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A text that has several labels: its start, and the labels in order."""

    text: str
    labels: tuple[str, ...]


def find_conflicts(sample: LabelSample) -> tuple[Conflict, ...]:
    """The texts of a sample that have several labels, in the order of the texts' hashes."""
    labels: dict[int, list[str]] = {}
    texts: dict[int, str] = {}
    for row in sample.rows.to_pylist():
        labels.setdefault(row["hash"], []).append(row["label"])
        texts[row["hash"]] = row["text"]
    return tuple(
        Conflict(text=texts[key], labels=tuple(sorted(found))) for key, found in labels.items() if len(found) > 1
    )
