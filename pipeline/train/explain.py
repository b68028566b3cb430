"""Which n-grams speak for each label."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.execute import Execute, task_of
from pipeline.text.config import FeatureConfig
from pipeline.text.gram_texts import GramCounts, gram_texts, merged_grams, most_frequent, shown
from pipeline.train.columns import as_text
from pipeline.train.config import TrainConfig
from pipeline.train.model import TrainedModel
from storage.scan import Span, cut, read_spans
from storage.versions import Snapshot

TopFeatures = dict[str, list[tuple[str, float]]]

#: Texts of this many blocks, spread over the version, are looked through for the n-grams behind the buckets.
_LOOKED_THROUGH = 8
#: Buckets looked up for each label, as a multiple of the n-grams wanted: some turn out to speak against it.
_SPARE = 4


def label_weights(model: TrainedModel) -> npt.NDArray[np.float32]:
    """The weights for each label, shape (features, labels); with two labels the first has the second's, negated."""
    if model.weights.shape[1] == 1:
        return np.hstack([-model.weights, model.weights])
    return model.weights


def top_features(
    model: TrainedModel, snapshot: Snapshot, train: TrainConfig, execute: Execute, count: int = 10
) -> TopFeatures:
    """Each label's `count` weightiest n-grams with their weights, the weightiest first.

    Parameters
    ----------
    model
        The model.
    snapshot
        The version it was trained on, where the n-grams are found again.
    train
        Names the text column and the size of blocks.
    execute
        Runs the search, a task a block.
    count
        How many n-grams a label at most.
    """
    weights = label_weights(model)
    heavy = {label: _heaviest(weights[:, place], _SPARE * count) for place, label in enumerate(model.labels)}
    wanted = np.unique(np.concatenate([*heavy.values()])) if heavy else np.zeros(0, np.int64)
    buckets = model.weighting.buckets[wanted].tolist()
    blocks = cut(snapshot, train.block_rows)
    step = max(1, -(-len(blocks) // _LOOKED_THROUGH))
    features = model.weighting.features
    tasks = [task_of(find_grams, spans, snapshot.schema, train.text, features, buckets) for spans in blocks[::step]]
    grams = merged_grams(execute("explain", tasks))
    return {
        label: _named(heavy[label], weights[:, place], model, grams)[:count] for place, label in enumerate(model.labels)
    }


def find_grams(
    spans: Sequence[Span], schema: pa.Schema, text: str, features: FeatureConfig, buckets: Sequence[int]
) -> GramCounts:
    """The n-grams of a block's texts that fall into `buckets`."""
    table = read_spans(spans, (text,), schema=schema)
    return gram_texts(as_text(table[text]), features, buckets)


def text_features(
    model: TrainedModel, texts: pa.Array | pa.ChunkedArray, classes: npt.NDArray[np.intp], count: int
) -> list[list[tuple[str, float]]]:
    """For each text, the `count` n-grams that speak most for its class, with what each adds to the score.

    Parameters
    ----------
    model
        The model.
    texts
        The texts.
    classes
        The number of each text's class, shape (texts,).
    count
        How many n-grams a text at most.
    """
    rows = model.features(texts)
    weights = label_weights(model)
    heavy: list[list[tuple[int, float]]] = []
    for row, place in enumerate(classes.tolist()):
        items = slice(rows.indptr[row], rows.indptr[row + 1])
        adds = rows.data[items] * weights[rows.indices[items], place]
        best = np.lexsort((rows.indices[items], -adds))[:count]
        heavy.append([(int(rows.indices[items][item]), float(adds[item])) for item in best if adds[item] > 0])
    features, buckets = model.weighting.features, model.weighting.buckets
    named = []
    for text, pairs in zip(texts, heavy, strict=True):
        grams = gram_texts(
            pa.array([text.as_py()], pa.large_string()), features, [int(buckets[one]) for one, _ in pairs]
        )
        named.append([(shown(most_frequent(grams[int(buckets[one])])[0], features), add) for one, add in pairs])
    return named


def _heaviest(weights: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    order = np.argsort(-np.abs(weights), kind="stable")[:count]
    return np.asarray(order[weights[order] != 0])


def _named(
    heavy: npt.NDArray[np.int64], weights: npt.NDArray[np.float32], model: TrainedModel, grams: GramCounts
) -> list[tuple[str, float]]:
    features = model.weighting.features
    named: list[tuple[str, float]] = []
    for place in heavy.tolist():
        found = grams.get(int(model.weighting.buckets[place]))
        if not found:
            continue
        gram, sign = most_frequent(found)
        # A bucket counts its n-grams with a sign each: one that counts minus one speaks the other way.
        weight = sign * float(weights[place])
        if weight > 0 and gram.strip():
            named.append((shown(gram, features), weight))
    return sorted(named, key=lambda pair: (-pair[1], pair[0]))
