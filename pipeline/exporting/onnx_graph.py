"""A model as an ONNX graph that takes hashed counts.

ONNX has no operator for MurmurHash3, nor for lower-casing and word boundaries as Unicode has them, so that texts are
hashed outside; `pipeline.exporting.scorer` says how, and does it.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.train.model import TrainedModel

#: The operator set, and the version of the format, that runtimes of 2022 and later understand.
_OPERATORS, _FORMAT = 18, 8
_LEAST = 1e-12


class _Graph:
    """Nodes and constants, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, value: Any, kind: Any = np.float32) -> str:
        """The name of a constant."""
        self.constants[name] = numpy_helper.from_array(np.asarray(value, kind), name)
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """The name of the output of a new node."""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


def onnx_model(model: TrainedModel) -> Any:
    """The ONNX model from hashed counts to the output "probabilities", shape (size, labels), float32.

    Inputs: "rows" and "buckets" (int64) say which row and bucket each of "counts" (float32) is of; "size" (int64, one
    number) how many rows there are, so that a row without any item has its line too.
    """
    graph = _Graph()
    scores = _scores(graph, model)
    chances = _calibrated(graph, model, scores)
    graph.add("Identity", [chances], "probabilities")
    items = [("rows", TensorProto.INT64), ("buckets", TensorProto.INT64), ("counts", TensorProto.FLOAT)]
    inputs = [helper.make_tensor_value_info(name, kind, ["items"]) for name, kind in items]
    inputs.append(helper.make_tensor_value_info("size", TensorProto.INT64, [1]))
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["size", len(model.labels)])
    made = helper.make_model(
        helper.make_graph(graph.nodes, "textmill", inputs, [output], [*graph.constants.values()]),
        opset_imports=[helper.make_opsetid("", _OPERATORS)],
        ir_version=_FORMAT,
        producer_name="textmill",
        doc_string=f"textmill model {model.sha256}",
    )
    onnx.checker.check_model(made)
    return made


def _scores(graph: _Graph, model: TrainedModel) -> str:
    """The name of the raw scores, shape (size, columns)."""
    used = len(model.weighting.buckets)
    places = np.full(model.weighting.features.width, used, np.int32)
    places[model.weighting.buckets] = np.arange(used, dtype=np.int32)
    # Buckets that the model does not know share one more place, where IDF and weights are zero.
    idf = np.append(model.weighting.idf, np.float32(0))
    weights = np.vstack([model.weights, np.zeros((1, model.weights.shape[1]), np.float32)])
    graph.add("Gather", [graph.constant("places", places, np.int32), "buckets"], "place")
    value = "counts"
    if model.weighting.features.sublinear_tf:
        graph.add("Abs", ["counts"], "size_of_count")
        graph.add("Max", ["size_of_count", graph.constant("one", 1.0)], "at_least_one")
        graph.add("Log", ["at_least_one"], "logarithm")
        graph.add("Add", ["logarithm", "one"], "damped_size")
        graph.add("Sign", ["counts"], "sign")
        graph.add("Mul", ["sign", "damped_size"], "damped")
        graph.add("Greater", ["size_of_count", "one"], "beyond_one")
        value = graph.add("Where", ["beyond_one", "damped", "counts"], "value")
    graph.add("Gather", [graph.constant("idf", idf), "place"], "idf_of_item")
    value = graph.add("Mul", [value, "idf_of_item"], "weighted")
    if (norm := model.weighting.features.norm) != "none":
        value = _normed(graph, value, norm)
    graph.add("Unsqueeze", [value, graph.constant("last", [1], np.int64)], "column")
    graph.add("Gather", [graph.constant("weights", weights), "place"], "weights_of_item")
    graph.add("Mul", ["column", "weights_of_item"], "adds")
    columns = graph.constant("columns", [weights.shape[1]], np.int64)
    graph.add("Concat", ["size", columns], "shape", axis=0)
    graph.add("Expand", [graph.constant("zero", [0.0]), "shape"], "nothing")
    graph.add("Unsqueeze", ["rows", "last"], "row_numbers")
    graph.add("ScatterND", ["nothing", "row_numbers", "adds"], "sums", reduction="add")
    return graph.add("Add", ["sums", graph.constant("intercept", model.intercept)], "scores")


def _normed(graph: _Graph, value: str, norm: str) -> str:
    if norm == "l2":
        graph.add("Mul", [value, value], "parts")
    else:
        graph.add("Abs", [value], "parts")
    graph.add("Expand", [graph.constant("none_yet", [0.0]), "size"], "no_lengths")
    graph.add("ScatterElements", ["no_lengths", "rows", "parts"], "lengths", axis=0, reduction="add")
    lengths = graph.add("Sqrt", ["lengths"], "roots") if norm == "l2" else "lengths"
    graph.add("Gather", [lengths, "rows"], "length_of_item")
    # Where the length is zero, all values are: any divisor does.
    graph.add("Max", ["length_of_item", graph.constant("tiny", 1e-30)], "divisor")
    return graph.add("Div", [value, "divisor"], "normed")


def _softmax(graph: _Graph, model: TrainedModel, scores: str) -> str:
    if model.weights.shape[1] > 1:
        return graph.add("Softmax", [scores], "softmax", axis=1)
    graph.add("Sigmoid", [scores], "second")
    graph.add("Neg", [scores], "opposite")
    graph.add("Sigmoid", ["opposite"], "first")
    return graph.add("Concat", ["first", "second"], "softmax", axis=1)


def _calibrated(graph: _Graph, model: TrainedModel, scores: str) -> str:
    calibration = model.calibration
    if calibration is None:
        return _softmax(graph, model, scores)
    if calibration.method == "temperature":
        scaled = graph.add("Mul", [scores, graph.constant("scale", calibration.scale)], "scaled")
        return _softmax(graph, model, scaled)
    chances = _softmax(graph, model, scores)
    graph.add("Cast", [chances], "precise", to=TensorProto.DOUBLE)
    ends = [graph.constant(name, value, np.float64) for name, value in (("lo", _LEAST), ("hi", 1 - _LEAST))]
    graph.add("Clip", ["precise", *ends], "inside")
    graph.add("Sub", [graph.constant("whole", 1.0, np.float64), "inside"], "rest")
    graph.add("Div", ["inside", "rest"], "odds")
    graph.add("Log", ["odds"], "log_odds")
    if calibration.method == "platt":
        slopes, shifts = np.array(calibration.lines).T
        graph.add("Mul", ["log_odds", graph.constant("slopes", slopes, np.float64)], "sloped")
        graph.add("Add", ["sloped", graph.constant("shifts", shifts, np.float64)], "shifted")
        graph.add("Sigmoid", ["shifted"], "shares")
    else:
        labels = [_steps(graph, at, np.array(steps)) for at, steps in enumerate(calibration.steps)]
        graph.add("Concat", labels, "shares", axis=1)
    graph.add("ReduceSum", ["shares", graph.constant("axis", [1], np.int64)], "sum_of_shares", keepdims=1)
    graph.add("Div", ["shares", "sum_of_shares"], "calibrated")
    return graph.add("Cast", ["calibrated"], "narrow", to=TensorProto.FLOAT)


def _steps(graph: _Graph, label: int, steps: Any) -> str:
    """A line through all steps: where it starts, plus each piece's slope times how far along it one is."""
    places, values = steps.T
    widths = np.diff(places)
    slopes = np.divide(np.diff(values), widths, out=np.zeros(len(widths)), where=widths > 0)
    graph.add("Gather", ["log_odds", graph.constant(f"label_{label}", [label], np.int64)], f"odds_{label}", axis=1)
    start = graph.constant(f"start_{label}", values[:1], np.float64)
    if len(widths) == 0:
        graph.add("Mul", [f"odds_{label}", graph.constant("naught", 0.0, np.float64)], f"flat_{label}")
        return graph.add("Add", [f"flat_{label}", start], f"share_{label}")
    graph.add("Sub", [f"odds_{label}", graph.constant(f"places_{label}", places[:-1], np.float64)], f"past_{label}")
    graph.add("Max", [f"past_{label}", graph.constant("naught", 0.0, np.float64)], f"entered_{label}")
    graph.add("Min", [f"entered_{label}", graph.constant(f"widths_{label}", widths, np.float64)], f"along_{label}")
    slopes_name = graph.constant(f"slopes_{label}", slopes.reshape(-1, 1), np.float64)
    graph.add("MatMul", [f"along_{label}", slopes_name], f"risen_{label}")
    return graph.add("Add", [f"risen_{label}", start], f"share_{label}")
