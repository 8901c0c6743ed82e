from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import ShapeMismatch, UnreadableWeights, UsageError
from alexnet.weights.foreign import Foreign, read_foreign
from alexnet.weights.recognize import recognize
from oracles.caffe2_files import MESSAGES, init_net, predict_net
from oracles.caffe_files import Part, alexnet
from oracles.narrow_nets import CLASSES, WIDTHS, arrays_of, assert_same, lively

NARROW = {False: "narrow-bvlc", True: "narrow-caffenet"}
LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


def parts(pool_first: bool = False) -> list[Part]:
    return alexnet(WIDTHS, CLASSES, pool_first=pool_first)


def pair(folder: Path, init: bytes, predict: bytes | None = None, prefix: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{prefix}init_net.pb"
    path.write_bytes(init)
    if predict is not None:
        (folder / f"{prefix}predict_net.pb").write_bytes(predict)
    return path


def read(path: Path, lineage: str | None = None) -> Foreign:
    return read_foreign(path, lineage)


@pytest.mark.parametrize("pool_first", [False, True])
@pytest.mark.parametrize("prefix", ["", "alexnet_"])
def test_the_pair_is_read_to_the_bit_and_tells_its_own_order(pool_first: bool, prefix: str, tmp_path: Path) -> None:
    model = lively(NARROW[pool_first])
    path = pair(tmp_path, init_net(arrays_of(model)), predict_net(parts(pool_first)), prefix)
    for named in (path, path.with_name(f"{prefix}predict_net.pb")):
        assert recognize(named) == "caffe2"
        found = read(named)
        assert_same(found.weights, model)
        assert found.weights.lineage.name == NARROW[pool_first]
        assert found.identity.facts["lineage"].source == "the file"


def test_tensors_alone_are_asked_about(tmp_path: Path) -> None:
    path = pair(tmp_path, init_net(arrays_of(lively())))
    with pytest.raises(UsageError, match="does not say which network it is"):
        read(path)
    found = read(path, "narrow-bvlc")
    assert_same(found.weights, lively())
    assert found.identity.facts["format"].value == "caffe2 (tensors without a network)"


def test_tensors_in_any_order_are_put_in_order(tmp_path: Path) -> None:
    arrays = arrays_of(lively())
    order = sorted(arrays, reverse=True)
    assert_same(read(pair(tmp_path, init_net(arrays, order)), "narrow-bvlc").weights, lively())
    assert_same(read(pair(tmp_path, init_net(arrays, order), predict_net(parts()))).weights, lively())


def test_what_is_known_is_said_with_its_source(tmp_path: Path) -> None:
    facts = read(pair(tmp_path, init_net(arrays_of(lively())), predict_net(parts()))).identity.to_dict()
    assert facts["order"] == {"value": "BGR", "source": "Caffe's convention"}
    assert facts["format"]["value"] == "caffe2 (tensors and network)"


def test_the_order_that_was_asked_for_must_be_the_networks(tmp_path: Path) -> None:
    path = pair(tmp_path, init_net(arrays_of(lively())), predict_net(parts()))
    with pytest.raises(ShapeMismatch, match=r"not of lineage narrow-caffenet: .*the file has LRN"):
        read(path, "narrow-caffenet")


def test_a_network_without_its_tensors_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "predict_net.pb").write_bytes(predict_net(parts()))
    with pytest.raises(UnreadableWeights, match=r"without its tensors: put its init_net\.pb beside it"):
        read(tmp_path / "predict_net.pb")


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    arrays = {name: array for name, array in arrays_of(lively()).items() if name != "conv3.weight"}
    with pytest.raises(UnreadableWeights, match="the tensor 'conv3_w' is missing"):
        read(pair(tmp_path, init_net(arrays), predict_net(parts())))
    arrays = {name: array for name, array in arrays_of(lively()).items() if name != "fc7.bias"}
    with pytest.raises(UnreadableWeights, match="the tensor 'fc7_b' is missing"):
        read(pair(tmp_path, init_net(arrays), predict_net(parts())))
    assert not read(pair(tmp_path / "alone", init_net(arrays)), "narrow-bvlc").weights.tensors["fc7.bias"].any()


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (Part("bn1", "Softmax"), ""),
        (Part("norm9", "LRN", {"local_size": 5, "alpha": 1e-4, "beta": 0.75, "k": 9.0}), "k 9"),
        (Part("pool9", "Pooling", {"kernel_size": 3, "stride": 2, "pad": 1}), "a padded pool"),
    ],
)
def test_another_network_is_named(extra: Part, says: str, tmp_path: Path) -> None:
    whole = parts()
    path = pair(tmp_path, init_net(arrays_of(lively())), predict_net([*whole[:2], extra, *whole[2:]]))
    if not says:
        assert_same(read(path).weights, lively())
        return
    with pytest.raises(ShapeMismatch, match=says):
        read(path)


def test_operators_that_we_do_not_know_are_named(tmp_path: Path) -> None:
    net = MESSAGES["NetDef"].FromString(predict_net(parts()))
    net.op[1].type = "SpatialBN"
    path = pair(tmp_path, init_net(arrays_of(lively())), net.SerializeToString())
    with pytest.raises(ShapeMismatch, match="an operator of type 'SpatialBN'"):
        read(path)
    with pytest.raises(ShapeMismatch, match="channels that lie last"):
        read(pair(tmp_path, init_net(arrays_of(lively())), predict_net(parts(), order="NHWC")))


def test_a_shape_that_does_not_fit_its_values_is_refused(tmp_path: Path) -> None:
    net = MESSAGES["NetDef"].FromString(init_net(arrays_of(lively())))
    net.op[0].arg[0].ints[0] = 15
    with pytest.raises(UnreadableWeights, match=r"'conv1_w' says that its shape is \(15, 3, 11, 11\), and holds 5808"):
        read(pair(tmp_path, net.SerializeToString()), "narrow-bvlc")


def test_values_that_are_packed_are_the_same_values(tmp_path: Path) -> None:
    """protobuf lets a reader meet either."""
    from alexnet.weights.formats.wire import encode

    arrays, content = arrays_of(lively()), b""
    for layer in LAYERS:
        for kind in ("weight", "bias"):
            array = arrays[f"{layer}.{kind}"]
            shape = encode(1, "shape") + b"".join(encode(6, size) for size in array.shape)
            values = encode(1, "values") + encode(5, np.ascontiguousarray(array))
            operator = encode(2, f"{layer}_{kind[0]}") + encode(4, "GivenTensorFill") + encode(5, shape)
            content += encode(2, operator + encode(5, values))
    assert_same(read(pair(tmp_path, content), "narrow-bvlc").weights, lively())


def test_a_model_of_cntk_is_called_so(tmp_path: Path) -> None:
    from alexnet.weights.formats.wire import encode

    entry = encode(1, "root_uid") + encode(2, encode(9, "Composite0"))
    (tmp_path / "net.model").write_bytes(encode(1, 1) + encode(2, entry))
    with pytest.raises(UnreadableWeights, match="a CNTK model: export it to ONNX"):
        recognize(tmp_path / "net.model")
