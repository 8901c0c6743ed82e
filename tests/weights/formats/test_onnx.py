import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from alexnet.errors import MissingExtra, ShapeMismatch, UnreadableWeights
from alexnet.weights.export import write_weights
from alexnet.weights.foreign import Foreign, read_foreign
from oracles.lively import relative_error
from oracles.narrow_nets import Arrays, arrays_of, assert_same, lively, logits_of, pictures, weights_of


def zoo(
    arrays: Arrays,
    *,
    pool_first: bool = False,
    trans_b: bool = True,
    ceil_mode: bool = False,
    product: str = "Gemm",
    flatten: str = "Reshape",
    raw: bool = True,
    constants: bool = False,
    size: int = 67,
) -> onnx.ModelProto:
    """A net as the model zoo's came from Caffe2: numbered blobs, Reshape with a shape tensor, pads in place of ceil."""
    nodes: list[Any] = []
    tensors: list[Any] = []
    count = [0]

    def blob(array: NDArray[Any]) -> str:
        name = f"blob_{len(tensors) + len(nodes)}"
        tensor = numpy_helper.from_array(array, name) if raw else helper.make_tensor(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape, array.ravel().tolist())  # fmt: skip
        if constants:
            nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            tensors.append(tensor)
        return name

    def add(kind: str, at: str, *others: str, **attributes: Any) -> str:
        count[0] += 1
        nodes.append(helper.make_node(kind, [at, *others], [f"out_{count[0]}"], **attributes))
        return f"out_{count[0]}"

    def conv(at: str, number: int, group: int = 1, stride: int = 1, pad: int = 0) -> str:
        weight = arrays[f"conv{number}.weight"]
        at = add("Conv", at, blob(weight), blob(arrays[f"conv{number}.bias"]), group=group, strides=[stride] * 2,
                 pads=[pad] * 4, kernel_shape=list(weight.shape[2:]))  # fmt: skip
        return add("Relu", at)

    def pool(at: str) -> str:
        how = {"ceil_mode": 1} if ceil_mode else {"pads": [0, 0, 1, 1]}
        return add("MaxPool", at, kernel_shape=[3, 3], strides=[2, 2], **how)

    def norm(at: str) -> str:
        return add("LRN", at, size=5, alpha=1e-4, beta=0.75, bias=1.0)

    def dense(at: str, number: int) -> str:
        weight, bias = arrays[f"fc{number}.weight"], blob(arrays[f"fc{number}.bias"])
        if product == "MatMul":
            return add("Add", add("MatMul", at, blob(np.ascontiguousarray(weight.T))), bias)
        turned = weight if trans_b else np.ascontiguousarray(weight.T)
        return add("Gemm", at, blob(turned), bias, transB=int(trans_b))

    at = "data_0"
    for number, group, stride, pad in ((1, 1, 4, 0), (2, 2, 1, 2)):
        at = conv(at, number, group, stride, pad)
        at = norm(pool(at)) if pool_first else pool(norm(at))
    for number, group in ((3, 1), (4, 2), (5, 2)):
        at = conv(at, number, group, 1, 1)
    at = pool(at)
    at = (
        add("Flatten", at)
        if flatten == "Flatten"
        else add("Reshape", at, blob(np.array([-1, arrays["fc6.weight"].shape[1]])))
    )
    at = add("Dropout", add("Relu", dense(at, 6)))
    at = add("Dropout", add("Relu", dense(at, 7)))
    logits = dense(at, 8)
    probs = add("Softmax", logits, axis=1)
    images = helper.make_tensor_value_info("data_0", TensorProto.FLOAT, [1, 3, size, size])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 10]) for name in (logits, probs)]
    graph = helper.make_graph(nodes, "AlexNet", [images], outputs, tensors)
    model = helper.make_model(graph, producer_name="onnx-caffe2", opset_imports=[helper.make_opsetid("", 12)])
    model.ir_version = 7
    onnx.checker.check_model(model)
    return model


def read(model: onnx.ModelProto, folder: Path, **options: Any) -> Foreign:
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return read_foreign(folder / "net.onnx", **options)


def engine_logits(content: bytes, images: torch.Tensor) -> NDArray[np.float32]:
    """What onnxruntime computes, one picture at a time."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feed, name = session.get_inputs()[0].name, session.get_outputs()[0].name
    return np.concatenate([session.run([name], {feed: image[None].numpy()})[0] for image in images])


@pytest.mark.parametrize("pool_first", [False, True])
@pytest.mark.parametrize(
    "style",
    [
        {}, {"trans_b": False}, {"ceil_mode": True}, {"product": "MatMul"}, {"flatten": "Flatten"}, {"raw": False},
        {"constants": True},
    ],
)  # fmt: skip
def test_every_way_of_the_zoo_is_read_to_the_bit_and_computes_what_onnxruntime_does(
    pool_first: bool, style: dict[str, Any], tmp_path: Path
) -> None:
    model = lively("narrow-caffenet" if pool_first else "narrow-bvlc")
    made = zoo(arrays_of(model), pool_first=pool_first, **style)
    found = read(made, tmp_path)
    assert_same(found.weights, model)
    assert found.weights.lineage.name == model.lineage.name
    assert found.identity.facts["lineage"].source == "the file"
    images = pictures()
    assert relative_error(logits_of(found.weights, images), engine_logits(made.SerializeToString(), images)) < 1e-5


def test_trap_26_the_zoo_is_fed_bgr_at_the_size_of_its_input(tmp_path: Path) -> None:
    """Three pixels fewer, as 224 is to 227: sizes rounded up hide it from the shapes."""
    model = lively("narrow-bvlc")
    made = zoo(arrays_of(model), size=64)
    found = read(made, tmp_path)
    assert found.weights.preprocessing.size == 64
    assert found.identity.facts["size"] == (64, "the file")
    assert found.identity.facts["order"] == ("BGR", "the lineage's table")
    images = pictures(64)
    assert relative_error(logits_of(found.weights, images), engine_logits(made.SerializeToString(), images)) < 1e-5


def test_trap_1_a_size_that_makes_other_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch, match="asks for pictures of 131x131"):
        read(zoo(arrays_of(lively("narrow-bvlc")), size=131), tmp_path)


def test_trap_2_the_order_that_is_not_the_files_is_an_error(tmp_path: Path) -> None:
    made = zoo(arrays_of(lively("narrow-caffenet")), pool_first=True)
    with pytest.raises(ShapeMismatch, match=r"not of lineage narrow-bvlc: the file says narrow-caffenet"):
        read(made, tmp_path, lineage="narrow-bvlc")


def edited(change: Any) -> onnx.ModelProto:
    model = zoo(arrays_of(lively("narrow-bvlc")))
    change(model.graph)
    return model


def _swap_operator(graph: Any) -> None:
    graph.node[2].op_type = "BatchNormalization"


def _branch(graph: Any) -> None:
    graph.node[5].input[0] = graph.node[1].output[0]


def _scale(graph: Any) -> None:
    next(node for node in graph.node if node.op_type == "Gemm").attribute.append(helper.make_attribute("alpha", 2.0))


def _dilate(graph: Any) -> None:
    graph.node[0].attribute.append(helper.make_attribute("dilations", [2, 2]))


def _pad_by_itself(graph: Any) -> None:
    graph.node[0].attribute.append(helper.make_attribute("auto_pad", "SAME_UPPER"))


def _double(graph: Any) -> None:
    node = helper.make_node("Add", [graph.node[0].output[0], graph.node[0].input[2]], ["twice"])
    graph.node[1].input[0] = "twice"
    graph.node.insert(1, node)


def _quantized(graph: Any) -> None:
    graph.initializer[0].data_type = TensorProto.INT8


def _foreign_weights(graph: Any) -> None:
    graph.node[0].input[1] = "data_1"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_swap_operator, "an operator 'BatchNormalization'"),
        (_branch, "does not follow the node before it"),
        (_scale, "no plain product"),
        (_dilate, "dilat"),
        (_pad_by_itself, "pads by itself"),
        (_double, "adds no biases"),
        (_quantized, "quantized"),
        (_foreign_weights, "does not have its weights in the file"),
    ],
)
def test_what_no_alexnet_has_is_named(change: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch, match=says):
        read(edited(change), tmp_path)


def external(folder: Path, location: str | None = None) -> Path:
    model = zoo(arrays_of(lively("narrow-bvlc")))
    onnx.save_model(
        model, str(folder / "net.onnx"), save_as_external_data=True, location="net.data", size_threshold=100
    )
    if location is not None:
        model = onnx.load(str(folder / "net.onnx"), load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = location
        (folder / "net.onnx").write_bytes(model.SerializeToString())
    return folder / "net.onnx"


def test_weights_in_another_file_are_not_opened_unasked(tmp_path: Path) -> None:
    path = external(tmp_path)
    with pytest.raises(UnreadableWeights, match=r"'net\.data', which is not opened unasked"):
        read_foreign(path)
    assert_same(read_foreign(path, external=tmp_path).weights, lively("narrow-bvlc"))


@pytest.mark.parametrize("location", ["../net.data", "/etc/passwd", "folder/../../net.data", "nowhere", "", "link"])
def test_weights_outside_the_folder_are_not_opened_at_all(location: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    path = external(inside, location)
    (tmp_path / "net.data").write_bytes((inside / "net.data").read_bytes())
    (inside / "link").symlink_to(tmp_path / "net.data")
    with pytest.raises(UnreadableWeights, match="which is no file in"):
        read_foreign(path, external=inside)


@pytest.mark.parametrize(
    ("key", "value"), [("offset", "-4"), ("offset", "x"), ("length", "999999999"), ("length", "6")]
)
def test_external_data_that_are_not_there_are_refused(key: str, value: str, tmp_path: Path) -> None:
    path = external(tmp_path)
    model = onnx.load(str(path), load_external_data=False)
    entry = next(entry for entry in model.graph.initializer[0].external_data if entry.key == key)
    entry.value = value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UnreadableWeights, match="damaged or cut short"):
        read_foreign(path, external=tmp_path)


def test_a_shape_that_its_data_do_not_fill_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    def grow(graph: Any) -> None:
        graph.initializer[0].dims[0] = 1 << 40

    with pytest.raises(UnreadableWeights, match="says that its shape is"):
        read(edited(grow), tmp_path)


def test_what_is_written_comes_back_whole(tmp_path: Path) -> None:
    model = lively("narrow-bvlc")
    weights = weights_of(model, labels=tuple("äbcdefghij"), order="RGB", mean=(1.5, 2.5, 3.5))
    assert write_weights(weights, tmp_path / "net.onnx") == []
    found = read_foreign(tmp_path / "net.onnx")
    assert_same(found.weights, model)
    assert found.weights.labels == weights.labels
    assert found.weights.preprocessing == weights.preprocessing
    assert found.weights.lineage == weights.lineage
    assert found.identity.facts["order"] == ("RGB", "the file")


@pytest.mark.parametrize(
    "lineage",
    [
        "narrow-bvlc",
        "narrow-caffenet",
        "narrow-chm",
        "narrow-owt",
        "narrow-torchvision",
        "cifar-quick",
        "tiny",
        "micro",
    ],
)
def test_what_is_written_computes_the_same_in_onnxruntime(lineage: str, tmp_path: Path) -> None:
    model = lively(lineage)
    write_weights(weights_of(model), tmp_path / "net.onnx")
    images = pictures(model.lineage.input.size, count=1)
    content = (tmp_path / "net.onnx").read_bytes()
    assert relative_error(logits_of(weights_of(model), images), engine_logits(content, images)) < 1e-5


def test_24_nodes_with_two_native_norms(tmp_path: Path) -> None:
    write_weights(weights_of(lively("narrow-bvlc")), tmp_path / "net.onnx")
    nodes = [node.op_type for node in onnx.load(str(tmp_path / "net.onnx")).graph.node]
    assert len(nodes) == 24
    assert nodes.count("LRN") == 2
    described = json.loads(onnx.load(str(tmp_path / "net.onnx")).metadata_props[0].value)
    assert described["lineage"] == "narrow-bvlc"
    assert described["preprocessing"]["order"] == "BGR"


def test_the_batch_of_what_is_written_is_free(tmp_path: Path) -> None:
    write_weights(weights_of(lively("tiny")), tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession((tmp_path / "net.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    logits, probs = session.run(["logits", "probs"], {"images": pictures(count=5).numpy()})
    assert logits.shape == (5, 10)
    assert probs.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"alexnet\[onnx\]"):
        write_weights(weights_of(lively("tiny")), tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("value", "says"),
    [("{", "description makes no sense"), ("{}", "description makes no sense"), ('{"lineage": []}', "makes no sense")],
)
def test_a_damaged_description_is_refused(value: str, says: str, tmp_path: Path) -> None:
    write_weights(weights_of(lively("tiny")), tmp_path / "net.onnx")
    model = onnx.load(str(tmp_path / "net.onnx"))
    model.metadata_props[0].value = value
    with pytest.raises(UnreadableWeights, match=says):
        read(model, tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("lineage", "alexnot"), ("changes", {"depth": 3}), ("preprocessing", {"size": 1})]
)
def test_a_description_of_something_else_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    write_weights(weights_of(lively("tiny")), tmp_path / "net.onnx")
    model = onnx.load(str(tmp_path / "net.onnx"))
    model.metadata_props[0].value = json.dumps(json.loads(model.metadata_props[0].value) | {key: value})
    with pytest.raises((UnreadableWeights, ShapeMismatch)):
        read(model, tmp_path)


def test_a_description_of_another_lineage_is_seen_in_the_shapes(tmp_path: Path) -> None:
    write_weights(weights_of(lively("tiny")), tmp_path / "net.onnx")
    model = onnx.load(str(tmp_path / "net.onnx"))
    model.metadata_props[0].value = model.metadata_props[0].value.replace('"tiny"', '"bvlc"')
    with pytest.raises(ShapeMismatch, match=r"says that it is bvlc, but"):
        read(model, tmp_path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    content = zoo(arrays_of(lively("narrow-bvlc"))).SerializeToString()
    for length in range(1, len(content), len(content) // 60):
        (tmp_path / "net.onnx").write_bytes(content[:length])
        with pytest.raises(UnreadableWeights):
            read_foreign(tmp_path / "net.onnx")
