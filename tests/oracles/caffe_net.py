"""OpenCV's Caffe importer as an engine that shares no code with ours.

The prototxt is written out from Caffe's own vocabulary, the caffemodel through Google's protobuf from a table of
field numbers.
"""

import cv2
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from torch import Tensor, nn

_FIELDS = {
    "Shape": [("dim", 1, "int64", True)],
    "Blob": [("data", 5, "float", True), ("shape", 7, "Shape", False)],
    "Layer": [("name", 1, "string", False), ("type", 2, "string", False), ("blobs", 7, "Blob", True)],
    "Net": [("name", 1, "string", False), ("layer", 100, "Layer", True)],
}
_SCALARS = {"int64": 3, "float": 2, "string": 9}


def _messages() -> dict[str, type]:
    file = descriptor_pb2.FileDescriptorProto(name="caffe_subset.proto", package="oracle", syntax="proto2")
    for message, fields in _FIELDS.items():
        descriptor = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            field = descriptor.field.add(name=name, number=number, label=3 if repeated else 1)
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
                if repeated:
                    field.options.packed = True
            else:
                field.type, field.type_name = 11, f".oracle.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"oracle.{name}")) for name in _FIELDS}


def caffemodel(net: nn.Module) -> bytes:
    """The weights of `net` as a binary NetParameter."""
    made = _messages()
    message = made["Net"](name="oracle")
    for name, module in net.named_children():
        if isinstance(module, nn.Conv2d | nn.Linear):
            layer = message.layer.add(
                name=name, type="Convolution" if isinstance(module, nn.Conv2d) else "InnerProduct"
            )
            for tensor in module.parameters():
                blob = layer.blobs.add()
                blob.data.extend(tensor.detach().numpy().ravel().tolist())
                blob.shape.dim.extend(tensor.shape)
    return bytes(message.SerializeToString())


def _layer(name: str, kind: str, bottom: str, top: str, body: str = "") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {body} }}\n'


def _conv(name: str, bottom: str, outputs: int, kernel: int, stride: int = 1, pad: int = 0, group: int = 1) -> str:
    numbers = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad} group: {group}"
    conv = _layer(name, "Convolution", bottom, name, f"convolution_param {{ {numbers} }}")
    return conv + _layer("relu" + name[-1], "ReLU", name, name)


def _pool(name: str, bottom: str) -> str:
    return _layer(name, "Pooling", bottom, name, "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")


def _norm(name: str, bottom: str) -> str:
    return _layer(name, "LRN", bottom, name, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")


def _dense(name: str, bottom: str, outputs: int) -> str:
    return _layer(name, "InnerProduct", bottom, name, f"inner_product_param {{ num_output: {outputs} }}")


def prototxt(pool_first: bool, classes: int = 1000) -> str:
    """Deploy file of BVLC AlexNet, or with `pool_first` of CaffeNet."""
    text = 'name: "oracle"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 227\ninput_dim: 227\n'
    text += _conv("conv1", "data", 96, 11, stride=4)
    if pool_first:
        text += _pool("pool1", "conv1") + _norm("norm1", "pool1") + _conv("conv2", "norm1", 256, 5, pad=2, group=2)
        text += _pool("pool2", "conv2") + _norm("norm2", "pool2") + _conv("conv3", "norm2", 384, 3, pad=1)
    else:
        text += _norm("norm1", "conv1") + _pool("pool1", "norm1") + _conv("conv2", "pool1", 256, 5, pad=2, group=2)
        text += _norm("norm2", "conv2") + _pool("pool2", "norm2") + _conv("conv3", "pool2", 384, 3, pad=1)
    text += _conv("conv4", "conv3", 384, 3, pad=1, group=2) + _conv("conv5", "conv4", 256, 3, pad=1, group=2)
    text += _pool("pool5", "conv5")
    text += _dense("fc6", "pool5", 4096) + _layer("relu6", "ReLU", "fc6", "fc6")
    text += _dense("fc7", "fc6", 4096) + _layer("relu7", "ReLU", "fc7", "fc7")
    return text + _dense("fc8", "fc7", classes)


def opencv_logits(net: nn.Module, images: Tensor, pool_first: bool) -> np.ndarray:
    """What OpenCV computes for `images` (B, 3, 227, 227) with the weights of `net`."""
    files = (prototxt(pool_first).encode(), caffemodel(net))
    engine = cv2.dnn.readNetFromCaffe(*(np.frombuffer(file, np.uint8) for file in files))
    engine.setInput(images.numpy())
    return np.asarray(engine.forward("fc8"))
