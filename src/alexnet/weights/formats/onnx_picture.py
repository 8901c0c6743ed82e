"""Preprocessing as ONNX nodes, so that a graph takes pictures as they are decoded: no caller resizes or subtracts.

B pictures of one size, H rows, W columns, R side of the square that the view is cut from, S side of the view.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet.data.preprocess import Preprocessing
from alexnet.data.views import center_offset, center_view

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

PICTURES = "pictures"
OPSET = 18  # the first whose Resize is antialiased
FLOAT32 = 1


def take_pictures(model: "ModelProto", preprocessing: Preprocessing) -> None:
    """Put the preprocessing before a graph that takes `images`: it takes `pictures` (B, H, W, 3) uint8 RGB instead.

    The view is the centre. Resize rounds as Pillow does but for one pixel in a hundred.
    """
    from onnx import TensorProto, helper, numpy_helper

    constants = _constants(preprocessing)
    graph = model.graph
    for node in reversed(list(_nodes(preprocessing, graph.input[0].name))):
        graph.node.insert(0, node)
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(PICTURES, TensorProto.UINT8, ["B", "H", "W", 3]))
    model.opset_import[0].version = OPSET
    for node in graph.node:
        if node.op_type == "Split":  # which has to say since opset 18 what its outputs said before
            node.attribute.append(helper.make_attribute("num_outputs", len(node.output)))


def _nodes(preprocessing: Preprocessing, output: str) -> Iterator["NodeProto"]:
    yield _node("Transpose", [PICTURES], "planes", perm=[0, 3, 1, 2])
    yield from _sizes(preprocessing)
    yield _node(
        "Resize", ["planes", "", "", "sizes"], "resized", mode="linear", antialias=1,
        coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    yield _node("Shape", ["resized"], "resized_sides", start=2)
    yield _node("Sub", ["resized_sides", "square_sides"], "spare")
    yield _node("Div", ["spare", "two"], "square_offset")
    yield from _view() if preprocessing.side == preprocessing.resize else _enlarged_view()
    yield _node("Sub", ["view", "mean"], "centered")
    yield _node("Mul", ["centered", "scale"], "ranged")
    yield _node("Gather", ["ranged", "plane_order"], output, axis=1)


def _sizes(preprocessing: Preprocessing) -> Iterator["NodeProto"]:
    """`sizes`: R x R, or the short side R and the long one rounded down."""
    yield _node("Shape", ["planes"], "batch_and_planes", end=2)
    if preprocessing.fit == "warp":
        yield _node("Concat", ["batch_and_planes", "square_sides"], "sizes", axis=0)
        return
    yield _node("Shape", ["planes"], "sides", start=2)
    yield _node("ReduceMin", ["sides"], "short_side", keepdims=1)
    yield _node("Mul", ["sides", "square_sides"], "sides_scaled")
    yield _node("Div", ["sides_scaled", "short_side"], "sides_resized")
    yield _node("Concat", ["batch_and_planes", "sides_resized"], "sizes", axis=0)


def _view() -> Iterator["NodeProto"]:
    """`view`: the centre of the centre square, each cut at an offset rounded down."""
    yield _node("Add", ["square_offset", "view_offset"], "view_start")
    yield _node("Add", ["view_start", "view_sides"], "view_end")
    yield _node("Slice", ["resized", "view_start", "view_end", "axes"], "view_bytes")
    yield _node("Cast", ["view_bytes"], "view", to=FLOAT32)


def _enlarged_view() -> Iterator["NodeProto"]:
    """`view` of a square as small as the pictures that the network learnt from, enlarged like those."""
    yield _node("Add", ["square_offset", "square_sides"], "square_end")
    yield _node("Slice", ["resized", "square_offset", "square_end", "axes"], "square_bytes")
    yield _node("Cast", ["square_bytes"], "square", to=FLOAT32)
    yield _node("Concat", ["batch_and_planes", "large_sides"], "large_sizes", axis=0)
    yield _node(
        "Resize", ["square", "", "", "large_sizes"], "large", mode="linear", antialias=1,
        coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    yield _node("Add", ["view_offset", "view_sides"], "view_end")
    yield _node("Slice", ["large", "view_offset", "view_end", "axes"], "view")


def _constants(preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    side, size = preprocessing.resize, preprocessing.size
    mean = preprocessing.mean_at(side)  # (3, R, R) or (3, 1, 1): with one view, the centre, alignment does not matter
    if preprocessing.mean_image is not None:
        mean = center_view(mean, size)
    scale = np.array([preprocessing.range / 255 / std for std in preprocessing.std], np.float32)
    large = {} if preprocessing.side == side else {"large_sides": np.array([side, side], np.int64)}
    return large | {
        "square_sides": np.array([preprocessing.side] * 2, np.int64),
        "view_sides": np.array([size, size], np.int64),
        "view_offset": np.array([center_offset(side, size)] * 2, np.int64),
        "two": np.array([2, 2], np.int64),
        "axes": np.array([2, 3], np.int64),
        "mean": mean.numpy()[None],
        "scale": scale.reshape(1, 3, 1, 1),
        "plane_order": np.array([2, 1, 0] if preprocessing.order == "BGR" else [0, 1, 2], np.int64),
    }


def _node(type: str, inputs: list[str], output: str, **attributes: Any) -> "NodeProto":
    from onnx import helper

    return helper.make_node(type, inputs, [output], name=output, **attributes)
