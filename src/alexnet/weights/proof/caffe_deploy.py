"""The deploy file that OpenCV wants beside a caffemodel, copied out of the caffemodel word for word.

Our tables have no part in it: what the file says of order, groups and constants reaches OpenCV as it stands there.
"""

from pathlib import Path

from alexnet.weights.formats.caffemodel import CaffeLayer, read_layers
from alexnet.weights.formats.wire import Message

PARAMS = {
    "Convolution": "convolution_param", "InnerProduct": "inner_product_param", "LRN": "lrn_param",
    "Pooling": "pooling_param",
}  # fmt: skip
IN_PLACE = ("ReLU", "TanH", "Sigmoid", "Dropout")  # as every AlexNet of Caffe writes them
WORDS = {
    "pool": ("MAX", "AVE", "STOCHASTIC"), "norm_region": ("ACROSS_CHANNELS", "WITHIN_CHANNEL"),
    "round_mode": ("CEIL", "FLOOR"), "bias_term": ("false", "true"), "transpose": ("false", "true"),
}  # fmt: skip


def deploy_text(path: Path, size: int) -> str:
    """The layers of a caffemodel that compute something, for one picture of `size`."""
    lines = [f'input: "data"\ninput_shape {{ dim: 1 dim: 3 dim: {size} dim: {size} }}']
    bottom = "data"
    for layer in read_layers(path):
        if layer.type not in PARAMS and layer.type not in IN_PLACE:
            continue
        top = bottom if layer.type in IN_PLACE else layer.name
        param = _param(layer)
        lines.append(f'layer {{ name: "{layer.name}" type: "{layer.type}" bottom: "{bottom}" top: "{top}" {param}}}')
        bottom = top
    return "\n".join(lines) + "\n"


def _param(layer: CaffeLayer) -> str:
    if layer.type not in PARAMS:
        return ""
    fields = " ".join(_field(key, value) for key, value in layer.params.items() if key not in ("name", "type", "blobs"))
    return f"{PARAMS[layer.type]} {{ {fields} }} "


def _field(key: str, value: int | float | list[int] | Message) -> str:
    if isinstance(value, list):
        return " ".join(f"{key}: {number}" for number in value)
    if key in WORDS and isinstance(value, int) and 0 <= value < len(WORDS[key]):
        return f"{key}: {WORDS[key][value]}"
    return f"{key}: {value}"
