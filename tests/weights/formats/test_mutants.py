"""Damaged and malicious files of every format: our own errors and no others, at once, and nothing is run."""

import codecs
import importlib
import io
import os
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save

from alexnet.errors import UsageError, WeightsError
from alexnet.weights.foreign import read_foreign
from alexnet.weights.means import read_mean
from oracles import python2_pickle
from oracles.audit import listening
from oracles.caffe2_files import init_net
from oracles.caffe_files import Generation, Part, binary, mean_file
from oracles.mutants import mutants
from oracles.narrow_nets import Arrays, arrays_of, lively

# What is imported when it is first used would be heard in the middle of a file.
for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "latin1", "cp437"):
    codecs.lookup(encoding)
for module in ("nested._internal.nested_tensor", "nested._internal.ops", "_subclasses.schema_check_mode"):
    importlib.import_module(f"torch.{module}")
scipy_io = pytest.importorskip("scipy.io")  # a development dependency without types

QUICK, THOROUGH = 1000, 100_000
SLOWEST_S = 1.0
NAMES = ("conv1", "conv2", "fc6", "fc8")


def caffe(arrays: Arrays) -> list[bytes]:
    numbers: dict[str, float] = {"num_output": 4, "kernel_size": 3}
    pool: dict[str, float] = {"pool": 0, "kernel_size": 3, "stride": 2}
    parts = [
        Part("conv1", "Convolution", {**numbers, "stride": 2}), Part("relu1", "ReLU"),
        Part("norm1", "LRN", {"local_size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}), Part("pool1", "Pooling", pool),
        Part("conv2", "Convolution", {**numbers, "pad": 1, "group": 2}), Part("relu2", "ReLU"),
        Part("pool2", "Pooling", pool), Part("fc6", "InnerProduct", {"num_output": 5}), Part("relu6", "ReLU"),
        Part("fc8", "InnerProduct", {"num_output": 3}),
    ]  # fmt: skip
    generations: list[Generation] = ["V0", "V1", "V2"]
    return [binary(parts, arrays, generation) for generation in generations]


def pair(arrays: Arrays, name: str) -> tuple[Any, Any]:
    return arrays[f"{name}.weight"], arrays[f"{name}.bias"]


def npy(arrays: Arrays) -> list[bytes]:
    layers: Any = {}
    for name in NAMES:
        weight, bias = pair(arrays, name)
        if name == "fc6":
            weight = weight.reshape(5, 4, 2, 2).transpose(2, 3, 1, 0).reshape(16, 5)
        else:
            weight = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        layers[name] = [np.ascontiguousarray(weight), bias]
    file = io.BytesIO()
    np.save(file, np.array(layers, dtype=object), allow_pickle=True)
    return [python2_pickle.npy(layers), file.getvalue()]


def pth(arrays: Arrays) -> list[bytes]:
    files = []
    for zipped in (True, False):
        file = io.BytesIO()
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        torch.save({"state_dict": tensors, "epoch": 3}, file, _use_new_zipfile_serialization=zipped)
        files.append(file.getvalue())
    return files


def safetensors(arrays: Arrays) -> list[bytes]:
    return [save({name: torch.from_numpy(array) for name, array in arrays.items()}, {"format": "pt"})]


def onnx_file(arrays: Arrays) -> list[bytes]:
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    square: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2]}

    def node(kind: str, at: str, to: str, name: str = "", **attributes: Any) -> Any:
        return helper.make_node(kind, [at, *([f"{name}.weight", f"{name}.bias"] if name else [])], [to], **attributes)

    nodes = [
        node("Conv", "data", "c1", "conv1", **square), node("Relu", "c1", "r1"),
        node("LRN", "r1", "n1", size=5, alpha=1e-4, beta=0.75, bias=1.0),
        node("MaxPool", "n1", "p1", ceil_mode=1, **square),
        node("Conv", "p1", "c2", "conv2", group=2, pads=[1] * 4, kernel_shape=[3, 3]), node("Relu", "c2", "r2"),
        node("MaxPool", "r2", "p2", pads=[0, 0, 1, 1], **square), node("Flatten", "p2", "f"),
        node("Gemm", "f", "c6", "fc6", transB=1), node("Relu", "c6", "r6"), node("Gemm", "r6", "c8", "fc8", transB=1),
    ]  # fmt: skip
    images = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 19, 19])
    graph = helper.make_graph(
        nodes, "micro", [images], [helper.make_tensor_value_info("c8", TensorProto.FLOAT, [1, 3])], tensors
    )
    model = helper.make_model(graph)
    onnx.checker.check_model(model)
    return [model.SerializeToString()]


def mat(arrays: Arrays) -> list[bytes]:
    def cells(values: list[Any]) -> Any:
        found = np.empty((1, len(values)), dtype=object)
        found[0] = values
        return found

    def conv(name: str, stride: int, pad: int) -> dict[str, Any]:
        weight, bias = pair(arrays, name)
        shape = {"fc6": (4, 2, 2), "fc8": (-1, 1, 1)}.get(name, weight.shape[1:])
        kernels = np.asfortranarray(weight.reshape(len(weight), *shape).transpose(2, 3, 1, 0))
        layer: dict[str, Any] = {"type": "conv", "name": name, "weights": cells([kernels, bias[None]])}
        return {**layer, "stride": [[float(stride)]], "pad": [[float(pad)]]}

    relu = {"type": "relu", "name": "relu"}
    pool: dict[str, Any] = {"type": "pool", "name": "pool", "method": "max", "pool": [[3.0, 3.0]]}
    pool |= {"stride": [[2.0]], "pad": [[0.0, 1.0, 0.0, 1.0]]}
    norm = {"type": "normalize", "name": "norm", "param": [[5.0, 1.0, 2e-5, 0.75]]}
    layers = [conv("conv1", 2, 0), relu, norm, pool, conv("conv2", 1, 1), relu, pool]
    layers += [conv("fc6", 1, 0), relu, conv("fc8", 1, 0)]
    meta = {"normalization": {"imageSize": [[19.0, 19.0, 3.0]]}, "classes": {"description": cells(["a", "b", "c"])}}
    files = []
    for packed in (False, True):
        file = io.BytesIO()
        scipy_io.savemat(file, {"layers": cells(layers), "meta": meta}, do_compression=packed)
        files.append(file.getvalue())
    return files


def cuda_convnet(arrays: Arrays) -> list[bytes]:
    def weighted(kind: str, name: str, source: str, **numbers: Any) -> dict[bytes, Any]:
        weight, bias = pair(arrays, name)
        matrix = weight.reshape(len(weight), -1).T
        numbers = {"filters": 4, "filterSize": [3], **numbers} if kind == "conv" else numbers
        return entry(kind, name, source, weights=[np.ascontiguousarray(matrix)], biases=bias[:, None], **numbers)

    def entry(kind: str, name: str, source: str, **numbers: Any) -> dict[bytes, Any]:
        values = {
            "type": kind.encode(),
            "name": name.encode(),
            "inputs": [source.encode()] if source else [],
            **numbers,
        }
        return {key.encode(): value for key, value in values.items()}

    def relu(name: str, source: str) -> dict[bytes, Any]:
        return entry("neuron", name, source, neuron={b"type": b"relu"})

    pool: dict[str, Any] = {"pool": b"max", "sizeX": 3, "stride": 2, "start": 0}
    layers = [
        entry("data", "data", ""), weighted("conv", "conv1", "data", stride=[2], padding=[0], groups=[1]),
        relu("r1", "conv1"), entry("cmrnorm", "n1", "r1", size=5, scale=2e-5, pow=0.75),
        entry("pool", "p1", "n1", **pool),
        weighted("conv", "conv2", "p1", stride=[1], padding=[-1], groups=[2]), relu("r2", "conv2"),
        entry("pool", "p2", "r2", **pool), weighted("fc", "fc6", "p2", outputs=5), relu("r6", "fc6"),
        weighted("fc", "fc8", "r6", outputs=3),
    ]  # fmt: skip
    named = {b"model_state": {b"layers": {layer[b"name"]: layer for layer in layers}}}
    return [python2_pickle.dumps(layers), python2_pickle.dumps(named)]


def theano(arrays: Arrays) -> list[bytes]:
    """Zipped as it is: packed, nearly every wound would end at zip's own checksum."""
    files = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name, array in theano_tensors(arrays).items():
                archive.writestr(f"net/{name}", array)
        files.append(file.getvalue())
    return files


def theano_tensors(arrays: Arrays) -> dict[str, bytes]:
    tensors: dict[str, Any] = {}
    for index, name in enumerate(NAMES):
        weight, bias = pair(arrays, name)
        kept = weight[:, :, ::-1, ::-1].transpose(1, 2, 3, 0) if weight.ndim == 4 else weight.T
        if name == "conv2":
            tensors |= {
                "W0_1_9.npy": kept[..., :2],
                "W1_1_9.npy": kept[..., 2:],
                "b0_1_9.npy": bias[:2],
                "b1_1_9.npy": bias[2:],
            }
        else:
            tensors |= {f"W_{index}_9.npy": kept, f"b_{index}_9.npy": bias}
    content = {}
    for name, array in tensors.items():
        file = io.BytesIO()
        np.save(file, array)
        content[name] = file.getvalue()
    return content


def caffe2(arrays: Arrays) -> list[bytes]:
    return [init_net(arrays)]


SEEDS: dict[str, Callable[[Arrays], list[bytes]]] = {
    "caffemodel": caffe, "npy": npy, "pth": pth, "safetensors": safetensors, "onnx": onnx_file, "mat": mat,
    "cuda-convnet": cuda_convnet, "theano": theano, "caffe2": caffe2,
}  # fmt: skip


def seeds(format: str) -> list[bytes]:
    return SEEDS[format](arrays_of(lively("micro")))


def endure(files: list[bytes], count: int, path: Path, read: Callable[[Path], object]) -> dict[str, int]:
    """Read mutants of files; how many ended how."""
    ends: dict[str, int] = {}
    for content in files:  # what torch imports when it is first used is imported now
        path.write_bytes(content)
        read(path)
    for content in mutants(files, count):
        path.write_bytes(content)
        started = time.process_time()  # other tests share the machine
        with listening() as events:
            end = _end(read, path)
        taken = time.process_time() - started
        heard = [event for event in events if event != f"os.scandir{(str(path.parent),)}"]  # to look beside the file
        assert heard == [], (content, heard)
        assert taken < SLOWEST_S, (content, taken)
        ends[end] = ends.get(end, 0) + 1
    return ends


def _end(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
    except (WeightsError, UsageError) as error:
        return type(error).__name__
    return "read"


@pytest.mark.parametrize("format", SEEDS)
def test_the_files_that_are_wounded_are_whole(format: str, tmp_path: Path) -> None:
    model = lively("micro")
    for content in seeds(format):
        (tmp_path / "net").write_bytes(content)
        found = read_foreign(tmp_path / "net", "micro").weights
        if format != "cuda-convnet":  # whose list is turned upright
            assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in found.tensors.items())


@pytest.mark.parametrize("format", SEEDS)
def test_a_wounded_file_is_read_or_refused_at_once_and_runs_nothing(format: str, tmp_path: Path) -> None:
    ends = endure(seeds(format), QUICK, tmp_path / "net", lambda path: read_foreign(path, "micro"))
    assert sum(count for end, count in ends.items() if end != "read") > QUICK / 4, ends


@pytest.mark.slow
@pytest.mark.parametrize("format", SEEDS)
def test_a_hundred_thousand_wounded_files_are_read_or_refused(format: str, tmp_path: Path) -> None:
    count = int(os.environ.get("ALEXNET_TEST_MUTANTS", THOROUGH))
    ends = endure(seeds(format), count, tmp_path / "net", lambda path: read_foreign(path, "micro"))
    assert sum(count for end, count in ends.items() if end != "read") > count / 4, ends


def test_a_wounded_mean_image_is_read_or_refused(tmp_path: Path) -> None:
    files = [mean_file(np.ones((9, 9, 3), np.float32))]
    file = io.BytesIO()
    np.save(file, np.ones((3, 9, 9)))
    scipy_io.savemat(packed := io.BytesIO(), {"image_mean": np.ones((9, 9, 3))})
    meta = python2_pickle.dumps({b"data_mean": np.ones((243, 1)), b"label_names": ["a", "b"]})
    with tarfile.open(fileobj=(archive := io.BytesIO()), mode="w:gz") as members:
        entry = tarfile.TarInfo("imagenet_mean.binaryproto")
        entry.size = len(files[0])
        members.addfile(entry, io.BytesIO(files[0]))
    seeds = [*files, file.getvalue(), packed.getvalue(), meta, archive.getvalue()]
    endure(seeds, 2 * QUICK, tmp_path / "mean", read_mean)


def test_a_wounded_tensor_in_a_folder_is_read_or_refused(tmp_path: Path) -> None:
    tensors = theano_tensors(arrays_of(lively("micro")))
    for name, content in tensors.items():
        (tmp_path / name).write_bytes(content)
    ends = endure([tensors["W0_1_9.npy"]], QUICK, tmp_path / "W0_1_9.npy", lambda path: read_foreign(path, "micro"))
    assert sum(count for end, count in ends.items() if end != "read") > QUICK / 4, ends
