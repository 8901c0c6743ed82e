"""Caffe2's pair of files through Google's protobuf, as its translator made them from Caffe's nets."""

from collections.abc import Sequence
from typing import Any

from oracles.caffe_files import Arrays, Part, messages_of, wired

PROTO = """
message Argument { optional string name = 1; optional float f = 2; optional int64 i = 3; optional bytes s = 4;
  repeated float floats = 5; repeated int64 ints = 6; repeated bytes strings = 7 }
message OperatorDef { repeated string input = 1; repeated string output = 2; optional string name = 3;
  optional string type = 4; repeated Argument arg = 5; optional string engine = 7 }
message NetDef { optional string name = 1; repeated OperatorDef op = 2; optional string type = 3;
  repeated string external_input = 7; repeated string external_output = 8 }
"""
MESSAGES = messages_of(PROTO.replace("bytes", "string"), "caffe2_files")  # on the wire they are one
TYPES = {
    "Convolution": "Conv", "InnerProduct": "FC", "ReLU": "Relu", "LRN": "LRN", "Pooling": "MaxPool",
    "Dropout": "Dropout", "Softmax": "Softmax",
}  # fmt: skip
NAMES = {"kernel_size": "kernel", "local_size": "size", "k": "bias", "dropout_ratio": "ratio"}


def init_net(arrays: Arrays, order: Sequence[str] = ()) -> bytes:
    """The tensors, values one by one with a tag each, and the input that is filled with nothing."""
    net = MESSAGES["NetDef"]()
    for key in order or list(arrays):
        layer, _, kind = key.rpartition(".")
        operator = net.op.add(type="GivenTensorFill", name="")
        operator.output.append(f"{layer}_{kind[0]}")
        operator.arg.add(name="shape").ints.extend(arrays[key].shape)
        operator.arg.add(name="values").floats.extend(arrays[key].ravel().tolist())
    fill = net.op.add(type="ConstantFill", name="")
    fill.output.append("data")
    fill.arg.add(name="shape").ints.append(1)
    return bytes(net.SerializeToString())


def predict_net(parts: Sequence[Part], **more: Any) -> bytes:
    """The network; `more` are arguments for every operator."""
    net = MESSAGES["NetDef"](name="AlexNet")
    for part, bottom, top in wired(parts):
        operator = net.op.add(type=TYPES[part.type], name="")
        operator.input.append(bottom)
        operator.output.append(top)
        if part.type in ("Convolution", "InnerProduct"):
            operator.input.extend([f"{part.name}_w", f"{part.name}_b"])
        if part.type == "Pooling":
            operator.arg.add(name="legacy_pad", i=3)
        for key, value in part.numbers.items():
            if key in ("num_output", "pool"):
                continue
            argument = operator.arg.add(name=NAMES.get(key, key))
            if key in ("alpha", "beta", "k", "dropout_ratio"):
                argument.f = value
            else:
                argument.i = int(value)
        for name, text in more.items():
            operator.arg.add(name=name, s=text)
    net.external_input.extend(["data", "conv1_w"])
    return bytes(net.SerializeToString())
