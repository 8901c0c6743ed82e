"""A lineage as Caffe would write it: layers in order, as text (`.prototxt`) or as the parts of a binary message."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from string import ascii_lowercase

from alexnet.errors import UsageError
from alexnet.lineages import Lineage, Row, trace
from alexnet.lineages.spec import Activation, AdaptivePool, Conv, Dropout, Linear, Norm, Pool

ACTIVATIONS = {"relu": "ReLU", "tanh": "TanH", "sigmoid": "Sigmoid"}
FLOOR = 1  # round_mode; Caffe rounds pooled sizes up unless told


@dataclass(frozen=True)
class CaffeLayer:
    """One layer; `params` belong to the message `param`."""

    name: str
    type: str
    bottom: str
    top: str
    param: str = ""
    params: dict[str, int | float] = field(default_factory=dict)


def caffe_layers(lineage: Lineage) -> list[CaffeLayer]:
    """The layers of a lineage, softmax included.

    Raises:
        UsageError: Caffe has no layer that computes one of them.
    """
    layers: list[CaffeLayer] = []
    bottom = "data"
    for row in trace(lineage):
        for layer in _layers(row, bottom, lineage):
            layers.append(layer)
            bottom = layer.top
    return [*layers, CaffeLayer("prob", "Softmax", bottom, "prob")]


def _layers(row: Row, bottom: str, lineage: Lineage) -> Iterator[CaffeLayer]:
    layer = row.layer
    match layer:
        case Conv():
            if layer.ceil and _hangs_over(row, layer):
                raise _cannot(lineage, f"{layer.name} rounds its size up at {row.in_shape[1]} pixels")
            numbers: dict[str, int | float] = {
                "num_output": layer.out_channels, "pad": layer.padding, "kernel_size": layer.kernel_size,
                "group": layer.groups, "stride": layer.stride,
            }  # fmt: skip
            yield CaffeLayer(layer.name, "Convolution", bottom, layer.name, "convolution_param", numbers)
        case Linear():
            count: dict[str, int | float] = {"num_output": layer.out_features}
            yield CaffeLayer(layer.name, "InnerProduct", bottom, layer.name, "inner_product_param", count)
        case Norm(groups=1):
            floats = {"alpha": float(layer.alpha), "beta": float(layer.beta), "k": float(layer.k)}
            constants: dict[str, int | float] = {"local_size": layer.size, **floats}
            yield CaffeLayer(layer.name, "LRN", bottom, layer.name, "lrn_param", constants)
        case Pool():
            pooling: dict[str, int | float] = {
                "pool": int(layer.kind == "avg"), "kernel_size": layer.kernel_size, "stride": layer.stride,
            }  # fmt: skip
            is_exact = (row.in_shape[1] - layer.kernel_size) % layer.stride == 0
            pooling |= {} if layer.ceil or is_exact else {"round_mode": FLOOR}  # which OpenCV cannot read
            yield CaffeLayer(layer.name, "Pooling", bottom, layer.name, "pooling_param", pooling)
        case Dropout():
            yield CaffeLayer(layer.name, "Dropout", bottom, bottom, "dropout_param", {"dropout_ratio": layer.p})
        case AdaptivePool() if row.in_shape == row.out_shape:
            return
        case Activation():
            yield CaffeLayer(layer.name, ACTIVATIONS[lineage.activation], bottom, bottom)
        case _:
            raise _cannot(lineage, f"{layer.name} is a {type(layer).__name__}")
    if isinstance(layer, Conv | Linear) and layer.active:
        number = layer.name.lstrip(ascii_lowercase)
        yield CaffeLayer(lineage.activation + number, ACTIVATIONS[lineage.activation], layer.name, layer.name)


def _hangs_over(row: Row, layer: Conv) -> bool:
    return (row.in_shape[1] + 2 * layer.padding - layer.kernel_size) % layer.stride != 0


def _cannot(lineage: Lineage, why: str) -> UsageError:
    return UsageError(
        f"Caffe cannot compute lineage {lineage.name}: {why}. "
        "Save it as safetensors, which holds any lineage, or as ONNX."
    )


def prototxt(lineage: Lineage, size: int) -> str:
    """The deploy file that goes with the weights, for pictures of `size`."""
    channels = lineage.in_channels
    lines = [f'name: "{lineage.name}"', 'input: "data"']
    lines.append(f"input_shape {{ dim: 1 dim: {channels} dim: {size} dim: {size} }}")
    for layer in caffe_layers(lineage):
        body = f'name: "{layer.name}" type: "{layer.type}" bottom: "{layer.bottom}" top: "{layer.top}"'
        if layer.param:
            numbers = " ".join(f"{key}: {_text(key, value)}" for key, value in layer.params.items())
            body += f" {layer.param} {{ {numbers} }}"
        lines.append(f"layer {{ {body} }}")
    return "\n".join(lines) + "\n"


def _text(key: str, value: float) -> str:
    names = {"pool": ("MAX", "AVE"), "round_mode": ("CEIL", "FLOOR")}
    return names[key][int(value)] if key in names else f"{value:g}"
