"""Scoring texts with a trained model, block by block."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ModelError
from pipeline.train.columns import as_text
from pipeline.train.evaluate import opened_model
from pipeline.train.explain import text_features
from pipeline.train.input_profile import InputProfile
from pipeline.train.model import TrainedModel

#: The columns that prediction adds.
PREDICTED = pa.field("predicted", pa.string())
PROBABILITY = pa.field("probability", pa.float64())
REASONS = pa.field("reasons", pa.string())


def chance_field(label: str) -> pa.Field:
    """The column with the probability of one label."""
    return pa.field(f"probability of {label}", pa.float64())


def predict_table(
    table: pa.Table, model: TrainedModel, text: str | None = None, *, reasons: int = 0, every: bool = False
) -> pa.Table:
    """The table with the columns "predicted" (label) and "probability" (of that label) at its end.

    A row whose text is null has null in both. A text that gets no label, since none reaches its threshold, has null and
    the largest probability. A text without any feature gets the label that is most frequent in training. Columns of
    these names that the table has already are replaced.

    Parameters
    ----------
    table
        Rows to score.
    model
        The model.
    text
        The column with the texts; the one the model was trained on where not given.
    reasons
        How many n-grams that speak for the label to add as a column "reasons", separated by commas.
    every
        Whether to add a column "probability of LABEL" for every label.

    Raises
    ------
    ModelError
        If the table has no such column.
    """
    return predict_and_profile(table, model, text, reasons=reasons, every=every)[0]


def predict_and_profile(
    table: pa.Table, model: TrainedModel, text: str | None = None, *, reasons: int = 0, every: bool = False
) -> tuple[pa.Table, InputProfile]:
    """As `predict_table`, and what the model saw of the rows whose text is not null."""
    name = text if text is not None else model.text
    if name not in table.column_names:
        raise ModelError(
            model.sha256[:12],
            f'the input has no column "{name}" to predict from; its columns: {", ".join(table.column_names)}',
            "Name the column that holds the texts",
        )
    texts = as_text(table[name])
    hashed = model.hashed(texts)
    chances = model.probabilities(hashed)
    decided = model.decide(chances)
    best = np.where(decided < 0, chances.argmax(axis=1), decided)
    known = pc.is_valid(texts)
    labels = pa.array(model.labels, pa.string()).take(pa.array(decided, mask=decided < 0))
    columns = {
        PREDICTED: pc.if_else(known, labels, pa.scalar(None, pa.string())),
        PROBABILITY: pc.if_else(known, pa.array(chances[np.arange(len(best)), best]), pa.scalar(None, pa.float64())),
    }
    if reasons:
        spoken = text_features(model, texts, best, reasons)
        columns[REASONS] = pa.array([", ".join(gram for gram, _ in grams) for grams in spoken], pa.string())
    if every:
        nothing = pa.scalar(None, pa.float64())
        for place, label in enumerate(model.labels):
            columns[chance_field(label)] = pc.if_else(known, pa.array(chances[:, place]), nothing)
    for field, column in columns.items():
        if field.name in table.column_names:
            table = table.drop_columns([field.name])
        table = table.append_column(field, column)
    there = np.asarray(known)
    seen = hashed if there.all() else hashed[np.flatnonzero(there)]
    return table, InputProfile.of(seen, model.known(seen), decided[there], len(model.labels))


def predict_frame(
    frame: pd.DataFrame, model_folder: str, text: str | None = None, *, reasons: int = 0, every: bool = False
) -> pd.DataFrame:
    """`predict_table` for one partition of a Dask DataFrame, as `map_partitions` calls it.

    Parameters
    ----------
    frame
        A partition; its index is kept.
    model_folder
        Where the model lies; a worker opens it once.
    text, reasons, every
        As for `predict_table`.
    """
    table = predict_table(
        pa.Table.from_pandas(frame, preserve_index=False),
        opened_model(model_folder),
        text,
        reasons=reasons,
        every=every,
    )
    scored: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return scored.set_index(frame.index)
