"""The program people write by hand: pandas to SQLite to scikit-learn, all in memory.

It is the yardstick for quality, so it is written to score well: (1, 2)-grams of words, or of characters for Chinese,
TF-IDF with an exact vocabulary, and logistic regression solved to its optimum.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.model_selection import train_test_split


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Quality on test rows."""

    accuracy: float
    macro_f1: float
    log_loss: float
    test_rows: int


def through_sqlite(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The rows of `frame` after a round trip through one SQLite table."""
    with closing(sqlite3.connect(path)) as connection:
        frame.to_sql("messages", connection, index=False, if_exists="replace")
        return pd.read_sql("SELECT text, label FROM messages", connection)


def split(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """80 % to train and 20 % to test, stratified by label, always the same."""
    train, test = train_test_split(frame, test_size=0.2, random_state=42, stratify=frame["label"])
    return train, test


def score(train: pd.DataFrame, test: pd.DataFrame, *, chinese: bool) -> Score:
    """Quality on `test` of a model of `train`."""
    vectorizer = TfidfVectorizer(analyzer="char" if chinese else "word", ngram_range=(1, 2), sublinear_tf=not chinese)
    model = LogisticRegression(C=10, max_iter=1000, random_state=42)
    model.fit(vectorizer.fit_transform(train["text"]), train["label"])
    probabilities = model.predict_proba(vectorizer.transform(test["text"]))
    predicted = model.classes_[probabilities.argmax(axis=1)]
    return Score(
        accuracy=float(accuracy_score(test["label"], predicted)),
        macro_f1=float(f1_score(test["label"], predicted, average="macro")),
        log_loss=float(log_loss(test["label"], probabilities, labels=model.classes_)),
        test_rows=len(test),
    )
