"""A textmill model in plain NumPy: from texts to probabilities and labels.

This file stands alone. It reads ``model.json`` and ``weights.npz`` from its own folder and needs Python and NumPy, and
for the analyzer ``chinese_word`` rjieba, in the version that ``segmenter`` in ``model.json`` tells:

    python scorer.py "Where is my parcel?" "I want my money back"

or, in Python, ``Scorer(folder).predict(texts)``. It is also the reference for whoever feeds ``model.onnx``:
``Scorer(folder).hashed(texts)`` gives the arrays that the network takes. ``steps`` in ``model.json`` lists how the
model's job cleaned its texts; do that first.

1. Put a blank between Chinese words, for ``chinese_word``; lower-case the text, if the model does; and cut it into
   n-grams by its analyzer.
2. Hash each n-gram's UTF-8 bytes with MurmurHash3 (32 bits, seed 0), as a signed number h. Its bucket is ``abs(h)``
   modulo ``2 ** bits``; it counts as one with the sign of h. Add up by bucket.
3. Leave out buckets that the model does not know. A count c beyond one becomes ``sign(c) (1 + ln |c|)`` if the model
   damps counts; multiply by the bucket's IDF; scale the row to the model's norm.
4. Scores are the row times the weights, plus the intercept; probabilities are their softmax, or for two labels the
   logistic function of the one score. A calibration comes in between or after; thresholds choose the label.
"""

import json
import math
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
_MASK = 0xFFFFFFFF


def murmur3(data: bytes) -> int:
    """MurmurHash3_x86_32 with seed 0, as a signed 32-bit number."""
    state = 0
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        state ^= _scrambled(int.from_bytes(data[at : at + 4], "little"))
        state = (state << 13 | state >> 19) & _MASK
        state = (state * 5 + 0xE6546B64) & _MASK
    state ^= _scrambled(int.from_bytes(data[whole:], "little"))
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & _MASK
    state = (state ^ state >> 13) * 0xC2B2AE35 & _MASK
    state ^= state >> 16
    return state - (1 << 32) if state >> 31 else state


def _scrambled(word: int) -> int:
    word = word * 0xCC9E2D51 & _MASK
    word = (word << 15 | word >> 17) & _MASK
    return word * 0x1B873593 & _MASK


class Scorer:
    """A model in a folder.

    Parameters
    ----------
    folder
        Where ``model.json`` and ``weights.npz`` lie; that of this file where not given.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        folder = Path(__file__).parent if folder is None else Path(folder)
        self.model: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        arrays = np.load(folder / "weights.npz")
        self.labels: list[str] = self.model["labels"]
        self.features: dict[str, Any] = self.model["features"]
        self.places = {bucket: place for place, bucket in enumerate(arrays["buckets"].tolist())}
        self.idf, self.weights = arrays["idf"].astype(np.float64), arrays["weights"].astype(np.float64)
        self.intercept = arrays["intercept"].astype(np.float64)

    def grams(self, text: str) -> Iterator[str]:
        """The n-grams of a text."""
        low, high = self.features["ngrams"]
        analyzer = self.features["analyzer"]
        if analyzer == "chinese_word":
            text = " ".join(_segmenter().cut(text, True))
        if self.features["lowercase"]:
            text = text.lower()
        if analyzer in ("word", "chinese_word"):
            left_out = set(self.features.get("stop_words", ()))
            found = re.findall(r"\b\w\w+\b" if analyzer == "word" else r"\w+", text)
            words = [word for word in found if word not in left_out]
            for size in range(low, high + 1):
                yield from (" ".join(words[at : at + size]) for at in range(len(words) - size + 1))
        elif analyzer == "char":
            yield from _pieces(re.sub(r"\s\s+", " ", text), low, high)
        elif analyzer == "char_wb":
            for word in text.split():
                padded = f" {word} "
                yield from _pieces(padded, low, high) if len(padded) >= low else (padded,)
        else:
            yield from self._chinese(text, low, high)

    def _chinese(self, text: str, low: int, high: int) -> Iterator[str]:
        if not any(map(_is_word, text)):
            return
        for run in self._runs(text):
            yield from _pieces(f" {run} ", low, high)
        if low == 1:
            letters = (one if _is_word(one) and not self._is_ideograph(one) else " " for one in text)
            yield from (word for word in re.split(" +", "".join(letters)) if len(word) >= 3)

    def _runs(self, text: str) -> Iterator[str]:
        # A model that does not tell whether it keeps punctuation is from before there was the choice.
        keeps = self.features.get("keep_punctuation", True)
        for stretch in [text] if keeps else "".join("," if _is_mark(one) else one for one in text).split(","):
            lone = ""
            for piece in stretch.split():
                if len(piece) == 1 and self._is_ideograph(piece):
                    # Ideographs spaced out one by one are one run.
                    lone += piece
                    continue
                yield from filter(None, (lone, piece))
                lone = ""
            yield from filter(None, (lone,))

    def _is_ideograph(self, character: str) -> bool:
        ranges = self.model["ideographs"]
        return _is_word(character) and any(first <= ord(character) <= last for first, last in ranges)

    def counts(self, text: str) -> dict[int, float]:
        """Signed counts by bucket."""
        counted: dict[int, float] = {}
        for gram in self.grams(text):
            hashed = murmur3(gram.encode("utf-8", "surrogatepass"))
            bucket = abs(hashed) % (1 << self.features["bits"])
            counted[bucket] = counted.get(bucket, 0.0) + (1.0 if hashed >= 0 else -1.0)
        return counted

    def hashed(self, texts: Sequence[str | None]) -> dict[str, npt.NDArray[Any]]:
        """What ``model.onnx`` takes: "rows", "buckets" (int64), "counts" (float32), one item a bucket, and "size"."""
        items = [
            (row, bucket, count)
            for row, text in enumerate(texts)
            for bucket, count in sorted(self.counts(text or "").items())
        ]
        return {
            "rows": np.array([row for row, _, _ in items], np.int64),
            "buckets": np.array([bucket for _, bucket, _ in items], np.int64),
            "counts": np.array([count for _, _, count in items], np.float32),
            "size": np.array([len(texts)], np.int64),
        }

    def scores(self, texts: Sequence[str | None]) -> Doubles:
        """Raw scores, shape (texts, columns); one column where there are two labels."""
        return np.array([self._score(text or "") for text in texts]).reshape(len(texts), -1)

    def _score(self, text: str) -> Doubles:
        places, values = [], []
        for bucket, count in sorted(self.counts(text).items()):
            if bucket in self.places:
                damped = self.features["sublinear_tf"] and abs(count) > 1
                value = math.copysign(1 + math.log(abs(count)), count) if damped else count
                places.append(self.places[bucket])
                values.append(value * self.idf[places[-1]])
        row = np.array(values)
        norm = {"l2": np.sqrt((row**2).sum()), "l1": np.abs(row).sum(), "none": 1.0}[self.features["norm"]]
        scores: Doubles = self.intercept + (row / norm @ self.weights[places] if norm > 0 and places else 0.0)
        return scores

    def probabilities(self, texts: Sequence[str | None]) -> Doubles:
        """Probabilities of all labels, shape (texts, labels)."""
        calibration = self.model.get("calibration")
        scores = self.scores(texts)
        if calibration is None or calibration["method"] == "temperature":
            return _softmax(scores * (1.0 if calibration is None else calibration["scale"]))
        chances = np.clip(_softmax(scores), 1e-12, 1 - 1e-12)
        odds = np.log(chances / (1 - chances))
        if calibration["method"] == "platt":
            slopes, shifts = np.array(calibration["lines"]).T
            chances = 1 / (1 + np.exp(-(slopes * odds + shifts)))
        else:
            steps = [np.array(one).T for one in calibration["steps"]]
            chances = np.column_stack([np.interp(odds[:, at], *one) for at, one in enumerate(steps)])
        sums = chances.sum(axis=1, keepdims=True)
        return np.where(sums > 0, chances / np.where(sums > 0, sums, 1), 1 / len(self.labels))

    def predict(self, texts: Sequence[str | None]) -> list[str | None]:
        """The label of each text; None where the text is None, or no label reaches its threshold."""
        chances = self.probabilities(texts)
        found = [self.decide(row) for row in chances]
        return [None if text is None or at < 0 else self.labels[at] for text, at in zip(texts, found, strict=True)]

    def decide(self, chances: Doubles) -> int:
        """The number of the label that a row of probabilities gets, -1 for none."""
        decision = self.model.get("decision")
        if decision is None:
            return int(chances.argmax())
        single = decision["single"]
        if single is not None:
            others = chances.copy()
            others[single] = -1
            return single if chances[single] >= decision["thresholds"][single] else int(others.argmax())
        multiples = chances / np.array(decision["thresholds"])
        return -1 if decision["undecided"] and multiples.max() < 1 else int(multiples.argmax())


@cache
def _segmenter() -> Any:
    # Not needed for any other analyzer.
    from rjieba import Jieba

    return Jieba()


def _pieces(text: str, low: int, high: int) -> Iterator[str]:
    for size in range(low, min(high, len(text)) + 1):
        yield from (text[at : at + size] for at in range(len(text) - size + 1))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "P" and not _is_word(character)


def _softmax(scores: Doubles) -> Doubles:
    if scores.shape[1] == 1:
        second = 1 / (1 + np.exp(-scores))
        return np.hstack([1 - second, second])
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


if __name__ == "__main__":
    for given, label in zip(sys.argv[1:], Scorer().predict(sys.argv[1:]), strict=True):
        print(f"{label}\t{given}")  # noqa: T201 - a program of its own
