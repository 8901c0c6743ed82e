"""Caffe's files of three generations through Google's protobuf, from their .proto text and no table of ours.

A net is a list of `Part`s. `text` gives the deploy file for engines, `binary` the trained file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

Generation = Literal["V0", "V1", "V2"]
Arrays = Mapping[str, NDArray[np.float32]]

# As in caffe.proto: label, type, name, number.
PROTO = """
message BlobShape { repeated int64 dim = 1 [packed] }
message BlobProto { optional int32 num = 1; optional int32 channels = 2; optional int32 height = 3;
  optional int32 width = 4; repeated float data = 5 [packed]; repeated float diff = 6 [packed];
  optional BlobShape shape = 7; repeated double double_data = 8 [packed] }
message UnpackedBlob { optional int32 num = 1; optional int32 channels = 2; optional int32 height = 3;
  optional int32 width = 4; repeated float data = 5 }
message ConvolutionParameter { optional uint32 num_output = 1; optional bool bias_term = 2; repeated uint32 pad = 3;
  repeated uint32 kernel_size = 4; optional uint32 group = 5; repeated uint32 stride = 6 }
message InnerProductParameter { optional uint32 num_output = 1; optional bool bias_term = 2 }
message LRNParameter { optional uint32 local_size = 1; optional float alpha = 2; optional float beta = 3;
  optional int32 norm_region = 4; optional float k = 5 }
message ReLUParameter { optional float negative_slope = 1 }
message PoolingParameter { optional int32 pool = 1; optional uint32 kernel_size = 2; optional uint32 stride = 3 }
message DropoutParameter { optional float dropout_ratio = 1 }
message LayerParameter { optional string name = 1; optional string type = 2; repeated string bottom = 3;
  repeated string top = 4; repeated float loss_weight = 5; repeated BlobProto blobs = 7; optional int32 phase = 10;
  optional ConvolutionParameter convolution_param = 106; optional DropoutParameter dropout_param = 108;
  optional InnerProductParameter inner_product_param = 117; optional LRNParameter lrn_param = 118;
  optional PoolingParameter pooling_param = 121; optional ReLUParameter relu_param = 123 }
message V0LayerParameter { optional string name = 1; optional string type = 2; optional uint32 num_output = 3;
  optional bool biasterm = 4; optional uint32 pad = 7; optional uint32 kernelsize = 8; optional uint32 group = 9;
  optional uint32 stride = 10; optional int32 pool = 11; optional float dropout_ratio = 12;
  optional uint32 local_size = 13; optional float alpha = 14; optional float beta = 15; optional float k = 22;
  repeated BlobProto blobs = 50 }
message V1LayerParameter { optional V0LayerParameter layer = 1; repeated string bottom = 2; repeated string top = 3;
  optional string name = 4; optional int32 type = 5; repeated BlobProto blobs = 6; repeated float blobs_lr = 7;
  optional ConvolutionParameter convolution_param = 10; optional DropoutParameter dropout_param = 12;
  optional InnerProductParameter inner_product_param = 17; optional LRNParameter lrn_param = 18;
  optional PoolingParameter pooling_param = 19;
  optional ReLUParameter relu_param = 30 }
message NetParameter { optional string name = 1; repeated V1LayerParameter layers = 2; repeated string input = 3;
  repeated int32 input_dim = 4; repeated BlobShape input_shape = 8; repeated LayerParameter layer = 100 }
message SolverState { optional int32 iter = 1; optional string learned_net = 2; repeated BlobProto history = 3 }
"""
SCALARS = {"int32": 5, "int64": 3, "uint32": 13, "bool": 8, "float": 2, "double": 1, "string": 9}
V1_TYPES = {"Convolution": 4, "Dropout": 6, "InnerProduct": 14, "LRN": 15, "Pooling": 17, "ReLU": 18, "Softmax": 20}
V0_TYPES = {
    "Convolution": "conv", "Dropout": "dropout", "InnerProduct": "innerproduct", "LRN": "lrn", "Pooling": "pool",
    "ReLU": "relu", "Softmax": "softmax",
}  # fmt: skip
PARAMS = {
    "Convolution": "convolution_param", "InnerProduct": "inner_product_param", "LRN": "lrn_param",
    "Pooling": "pooling_param", "Dropout": "dropout_param", "ReLU": "relu_param",
}  # fmt: skip


def messages_of(proto: str, package: str) -> dict[str, Any]:
    """Google's classes for messages that are declared in words."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for declaration in proto.split("message ")[1:]:
        name, body = declaration.split("{", 1)
        message = file.message_type.add(name=name.strip())
        for line in body.rpartition("}")[0].split(";"):
            label, kind, field_name, _, number, *options = line.split()
            declared = message.field.add(name=field_name, number=int(number), label=3 if label == "repeated" else 1)
            declared.options.packed = bool(options)
            if kind in SCALARS:
                declared.type = SCALARS[kind]
            else:
                declared.type, declared.type_name = 11, f".{package}.{kind}"
            if not options:
                declared.ClearField("options")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [message.name for message in file.message_type]
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{n}")) for n in names}


MESSAGES = messages_of(PROTO, "caffe_files")


@dataclass(frozen=True)
class Part:
    """A layer as Caffe's users write it."""

    name: str
    type: str
    numbers: dict[str, float] = field(default_factory=dict)


def alexnet(widths: Sequence[int], classes: int, *, pool_first: bool, k: float = 1.0, head: str = "fc8") -> list[Part]:
    """BVLC AlexNet, or with `pool_first` CaffeNet, of seven widths: five convolutions, two fully connected layers."""

    def conv(number: int, kernel: int, stride: int = 1, pad: int = 0, group: int = 1) -> list[Part]:
        numbers = {"num_output": widths[number - 1], "pad": pad, "kernel_size": kernel, "group": group}
        return [Part(f"conv{number}", "Convolution", {**numbers, "stride": stride}), Part(f"relu{number}", "ReLU")]

    def stage(number: int) -> list[Part]:
        norm = Part(f"norm{number}", "LRN", {"local_size": 5, "alpha": 1e-4, "beta": 0.75, "k": k})
        pool = Part(f"pool{number}", "Pooling", {"pool": 0, "kernel_size": 3, "stride": 2})
        return [pool, norm] if pool_first else [norm, pool]

    parts = [*conv(1, 11, stride=4), *stage(1), *conv(2, 5, pad=2, group=2), *stage(2)]
    parts += [*conv(3, 3, pad=1), *conv(4, 3, pad=1, group=2), *conv(5, 3, pad=1, group=2)]
    parts.append(stage(5)[0 if pool_first else 1])
    for number, width in zip((6, 7), widths[5:], strict=True):
        parts += [Part(f"fc{number}", "InnerProduct", {"num_output": width}), Part(f"relu{number}", "ReLU")]
        parts += [Part(f"drop{number}", "Dropout", {"dropout_ratio": 0.5})]
    return [*parts, Part(head, "InnerProduct", {"num_output": classes}), Part("prob", "Softmax")]


def wired(parts: Sequence[Part]) -> list[tuple[Part, str, str]]:
    """Each layer with its bottom and top; what works in place keeps the name of what it works on."""
    found, at = [], "data"
    for part in parts:
        top = at if part.type in ("ReLU", "Dropout") else part.name
        found.append((part, at, top))
        at = top
    return found


def text(parts: Sequence[Part], size: int) -> str:
    """The deploy file."""
    lines = [f'name: "oracle"\ninput: "data"\ninput_shape {{ dim: 1 dim: 3 dim: {size} dim: {size} }}']
    for part, bottom, top in wired(parts):
        numbers = " ".join(f"{key}: {'MAX' if key == 'pool' else value}" for key, value in part.numbers.items())
        param = f"{PARAMS[part.type]} {{ {numbers} }}" if part.numbers else ""
        lines.append(f'layer {{ name: "{part.name}" type: "{part.type}" bottom: "{bottom}" top: "{top}" {param} }}')
    return "\n".join(lines)


def fill_blob(blob: Any, array: NDArray[np.float32], *, has_shape: bool, is_double: bool = False) -> None:
    """Put an array into a BlobProto; without a shape as before 2015, in four numbers with ones in front."""
    (blob.double_data if is_double else blob.data).extend(array.ravel().tolist())
    if has_shape:
        blob.shape.dim.extend(array.shape)
    else:
        blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - array.ndim) + array.shape


def binary(parts: Sequence[Part], arrays: Arrays, generation: Generation, **fill: bool) -> bytes:
    """The trained file; `arrays` by "conv1.weight"."""
    net = MESSAGES["NetParameter"](name="oracle")
    for part, bottom, top in wired(parts):
        if generation == "V0":
            _v0(net, part, bottom, top, arrays)
            continue
        layer = net.layer.add() if generation == "V2" else net.layers.add()
        layer.name, layer.type = part.name, part.type if generation == "V2" else V1_TYPES[part.type]
        layer.bottom.append(bottom)
        layer.top.append(top)
        for key, value in part.numbers.items():
            _put(getattr(layer, PARAMS[part.type]), key, value)
        for array in _of(part, arrays):
            fill_blob(layer.blobs.add(), array, has_shape=generation == "V2", **fill)
    return bytes(net.SerializeToString())


def _v0(net: Any, part: Part, bottom: str, top: str, arrays: Arrays) -> None:
    """A layer of 2013, padding a layer of its own."""
    numbers = dict(part.numbers)
    pad = int(numbers.pop("pad", 0))
    if pad:
        padding = net.layers.add()
        padding.layer.name, padding.layer.type, padding.layer.pad = f"pad{part.name[-1]}", "padding", pad
        padding.bottom.append(bottom)
        padding.top.append(bottom := padding.layer.name)
    layer = net.layers.add()
    layer.layer.name, layer.layer.type = part.name, V0_TYPES[part.type]
    layer.bottom.append(bottom)
    layer.top.append(top)
    for key, value in numbers.items():
        _put(layer.layer, {"kernel_size": "kernelsize"}.get(key, key), value)
    for array in _of(part, arrays):
        fill_blob(layer.layer.blobs.add(), array, has_shape=False)


def _put(message: Any, key: str, value: float) -> None:
    if key in ("pad", "kernel_size", "stride") and message.DESCRIPTOR.name == "ConvolutionParameter":
        getattr(message, key).append(int(value))
    else:
        setattr(message, key, value)


def _of(part: Part, arrays: Arrays) -> list[NDArray[np.float32]]:
    return [arrays[f"{part.name}.{kind}"] for kind in ("weight", "bias") if f"{part.name}.{kind}" in arrays]


def mean_file(image: NDArray[np.float32]) -> bytes:
    """`mean.binaryproto` of an RGB image (S, S, 3)."""
    blob = MESSAGES["BlobProto"]()
    fill_blob(blob, image[:, :, ::-1].transpose(2, 0, 1), has_shape=False)
    return bytes(blob.SerializeToString())


def opencv(parts: Sequence[Part], model: bytes, images: NDArray[np.float32], layer: str = "fc8") -> NDArray[np.float32]:
    """What OpenCV computes from the files for images (B, 3, S, S)."""
    files = (text(parts, images.shape[-1]).encode(), model)
    engine = cv2.dnn.readNetFromCaffe(*(np.frombuffer(file, np.uint8) for file in files))
    engine.setInput(images)
    return np.asarray(engine.forward(layer))
