from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alexnet.errors import ShapeMismatch, UnreadableWeights, UsageError
from alexnet.lineages import find
from alexnet.weights.export import write_weights
from alexnet.weights.foreign import Foreign, read_foreign
from oracles.caffe_files import MESSAGES, Generation, Part, alexnet, binary, fill_blob, mean_file, opencv, text
from oracles.lively import relative_error
from oracles.narrow_nets import CLASSES, WIDTHS, arrays_of, assert_same, lively, logits_of, pictures, weights_of

GENERATIONS: list[Generation] = ["V0", "V1", "V2"]
NARROW = {False: "narrow-bvlc", True: "narrow-caffenet"}


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read(content: bytes, folder: Path, **options: Any) -> Foreign:
    return read_foreign(written(folder / "net.caffemodel", content), **options)


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("pool_first", [False, True])
def test_every_generation_is_read_to_the_bit_and_tells_its_own_order(
    generation: Generation, pool_first: bool, tmp_path: Path
) -> None:
    model = lively(NARROW[pool_first])
    parts = alexnet(WIDTHS, CLASSES, pool_first=pool_first)
    found = read(binary(parts, arrays_of(model), generation), tmp_path)
    assert_same(found.weights, model)
    assert found.weights.lineage.name == NARROW[pool_first]
    assert found.identity.facts["lineage"].source == "the file"
    assert generation in found.identity.facts["format"].value.replace("LayerParameter", "V2")


@pytest.mark.parametrize("generation", ["V1", "V2"])  # OpenCV finds no weights in V0
@pytest.mark.parametrize("pool_first", [False, True])
def test_fc8_equals_what_opencv_computes_from_the_same_file(
    generation: Generation, pool_first: bool, tmp_path: Path
) -> None:
    parts = alexnet(WIDTHS, CLASSES, pool_first=pool_first)
    content = binary(parts, arrays_of(lively(NARROW[pool_first])), generation)
    images = pictures()
    ours = logits_of(read(content, tmp_path).weights, images)
    assert relative_error(ours, opencv(parts, content, images.numpy())) < 1e-5


def test_trap_2_the_other_order_of_pool_and_norm_is_far_from_opencv(tmp_path: Path) -> None:
    parts = alexnet(WIDTHS, CLASSES, pool_first=False)
    content = binary(parts, arrays_of(lively("narrow-bvlc")), "V2")
    weights, images = read(content, tmp_path).weights, pictures()
    swapped = replace(weights, lineage=find("narrow-caffenet"))
    assert relative_error(logits_of(swapped, images), opencv(parts, content, images.numpy())) > 1e-3


def test_trap_2_asking_for_the_other_order_is_an_error_that_names_it(tmp_path: Path) -> None:
    content = binary(alexnet(WIDTHS, CLASSES, pool_first=False), arrays_of(lively()), "V1")
    with pytest.raises(ShapeMismatch, match=r"not of lineage narrow-caffenet.*the file has LRN.*has max pooling"):
        read(content, tmp_path, lineage="narrow-caffenet")
    assert read(content, tmp_path, lineage="narrow-bvlc").weights.lineage.name == "narrow-bvlc"


def test_trap_3_another_constant_in_the_norm_is_another_network(tmp_path: Path) -> None:
    arrays = arrays_of(lively())
    with pytest.raises(ShapeMismatch, match=r"k 1\.5"):
        read(binary(alexnet(WIDTHS, CLASSES, pool_first=False, k=1.5), arrays, "V2"), tmp_path)
    # tiny has these widths, norms before pools, and k 2: the constants alone tell it
    found = read(binary(alexnet(WIDTHS, CLASSES, pool_first=False, k=2), arrays, "V2"), tmp_path)
    assert found.weights.lineage.name == "tiny"


def test_a_file_of_weights_alone_is_asked_about(tmp_path: Path) -> None:
    model = lively()
    bare = [part for part in alexnet(WIDTHS, CLASSES, pool_first=False) if part.type in ("Convolution", "InnerProduct")]
    content = binary(bare, arrays_of(model), "V2")
    with pytest.raises(UsageError, match=r"does not say which network it is.*--lineage narrow-bvlc"):
        read(content, tmp_path)
    found = read(content, tmp_path, lineage="narrow-caffenet")
    assert_same(found.weights, model)
    assert found.identity.facts["lineage"] == ("narrow-caffenet", "as asked")


def test_caffe_is_fed_bgr_of_0_to_255_and_it_is_said_from_where_that_is_known(tmp_path: Path) -> None:
    found = read(binary(alexnet(WIDTHS, CLASSES, pool_first=False), arrays_of(lively()), "V2"), tmp_path)
    assert found.weights.preprocessing.order == "BGR"
    assert found.identity.facts["order"] == ("BGR", "Caffe's convention")
    assert found.identity.facts["flatten"] == ("CHW", "Caffe's convention")
    assert found.identity.facts["fit"] == ("warp", "the lineage's table")
    assert found.weights.preprocessing.mean == (122.67891, 116.66877, 104.00699)


@pytest.mark.parametrize(("head", "classes"), [("fc8_flickr", 20), ("fc-rcnn", 200), ("fc8", 205), ("fc8", 365)])
def test_heads_of_other_names_and_widths_are_heads(head: str, classes: int, tmp_path: Path) -> None:
    model = lively("narrow-caffenet", num_classes=classes)
    arrays = arrays_of(model)
    arrays |= {f"{head}.weight": arrays.pop("fc8.weight"), f"{head}.bias": arrays.pop("fc8.bias")}
    found = read(binary(alexnet(WIDTHS, classes, pool_first=True, head=head), arrays, "V1"), tmp_path)
    assert_same(found.weights, model)
    assert found.weights.lineage.num_classes == classes


def test_numbers_in_double_precision_are_read(tmp_path: Path) -> None:
    model = lively()
    parts = alexnet(WIDTHS, CLASSES, pool_first=False)
    assert_same(read(binary(parts, arrays_of(model), "V2", is_double=True), tmp_path).weights, model)


def test_floats_with_a_tag_each_are_read_as_packed_ones_are(tmp_path: Path) -> None:
    """proto2's default: a writer without [packed] puts five bytes for every weight."""
    model = lively("micro")
    arrays = arrays_of(model)
    content = b""
    for name in ("conv1", "conv2", "fc6", "fc8"):
        layer = MESSAGES["V1LayerParameter"](name=name, type=4 if name.startswith("conv") else 14)
        layer.convolution_param.kernel_size.append(3)
        body = layer.SerializeToString()
        for kind in ("weight", "bias"):
            blob = MESSAGES["UnpackedBlob"]()
            array = arrays[f"{name}.{kind}"]
            blob.data.extend(array.ravel().tolist())
            blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - array.ndim) + array.shape
            part = blob.SerializeToString()
            body += b"\x32" + _length(part) + part
        content += b"\x12" + _length(body) + body
    assert len(MESSAGES["NetParameter"].FromString(content).layers) == 4  # Google's parser takes it too
    assert_same(read(content, tmp_path, lineage="micro").weights, model)


def _length(part: bytes) -> bytes:
    size, out = len(part), bytearray()
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes([*out, size])


def test_a_mean_image_beside_the_file_is_turned_to_rgb(tmp_path: Path) -> None:
    image = np.random.default_rng(0).uniform(80, 140, (80, 80, 3)).astype(np.float32)
    content = binary(alexnet(WIDTHS, CLASSES, pool_first=False), arrays_of(lively()), "V2")
    found = read(content, tmp_path, mean=written(tmp_path / "mean.binaryproto", mean_file(image)))
    assert found.weights.preprocessing.mean_image is not None
    assert np.array_equal(found.weights.preprocessing.mean_image, image)
    assert found.weights.preprocessing.mean == pytest.approx(image.mean(axis=(0, 1)))
    assert found.identity.facts["mean"].source == "mean.binaryproto, as asked"
    np.save(tmp_path / "mean.npy", image[:, :, ::-1].transpose(2, 0, 1).astype(np.float64))  # as Caffe's own copy
    found = read(content, tmp_path, mean=tmp_path / "mean.npy")
    assert found.weights.preprocessing.mean_image is not None
    assert np.array_equal(found.weights.preprocessing.mean_image, image)


def test_what_is_written_is_read_back_and_computes_the_same_in_opencv(tmp_path: Path) -> None:
    for lineage in ("narrow-bvlc", "narrow-caffenet"):
        model = lively(lineage)
        path = tmp_path / f"{lineage}.caffemodel"
        lost = write_weights(weights_of(model), path)
        assert [line for line in lost if "lineage" in line or "planes" in line] == []
        found = read_foreign(path)
        assert_same(found.weights, model)
        assert found.weights.lineage.name == lineage
        images = pictures()
        engine = _engine(path)
        engine.setInput(images.numpy())
        assert relative_error(logits_of(found.weights, images), engine.forward("fc8")) < 1e-5


def _engine(path: Path) -> Any:
    import cv2

    return cv2.dnn.readNetFromCaffe(str(path.with_suffix(".prototxt")), str(path))


def test_googles_parser_reads_what_is_written(tmp_path: Path) -> None:
    model = lively()
    write_weights(weights_of(model), tmp_path / "net.caffemodel")
    net = MESSAGES["NetParameter"].FromString((tmp_path / "net.caffemodel").read_bytes())
    arrays = arrays_of(model)
    for layer in net.layer:
        for blob, kind in zip(layer.blobs, ("weight", "bias"), strict=False):
            expected = arrays[f"{layer.name}.{kind}"]
            assert tuple(blob.shape.dim) == expected.shape
            assert np.array_equal(np.array(blob.data, np.float32).reshape(expected.shape), expected)
    assert [layer.lrn_param.k for layer in net.layer if layer.type == "LRN"] == [1.0, 1.0]


def test_rgb_weights_are_written_for_bgr_and_say_so(tmp_path: Path) -> None:
    model = lively()
    weights = weights_of(model, order="RGB")
    lost = write_weights(weights, tmp_path / "net.caffemodel")
    assert any("feed it BGR" in line for line in lost)
    found = read_foreign(tmp_path / "net.caffemodel").weights
    images = pictures()
    turned = logits_of(found, images.flip(1))
    assert relative_error(turned, logits_of(weights, images)) < 1e-6
    assert relative_error(logits_of(found, images), logits_of(weights, images)) > 1e-2  # RGB for BGR is seen


@pytest.mark.parametrize("lineage", ["chm", "cifar-local", "owt"])
def test_what_caffe_cannot_compute_is_refused_by_name(lineage: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"Caffe cannot compute lineage {lineage}"):
        write_weights(weights_of(lively(lineage)), tmp_path / "net.caffemodel")
    assert not list(tmp_path.iterdir())


def test_a_truncated_file_says_so_wherever_it_was_cut(tmp_path: Path) -> None:
    content = binary(alexnet(WIDTHS, CLASSES, pool_first=False), arrays_of(lively()), "V2")
    for length in range(1, len(content), len(content) // 60):
        with pytest.raises(UnreadableWeights):
            read(content[:length], tmp_path)


def test_a_shape_that_its_data_do_not_fill_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    net = MESSAGES["NetParameter"]()
    layer = net.layer.add(name="conv1", type="Convolution")
    fill_blob(layer.blobs.add(), np.zeros((2, 3, 1, 1), np.float32), has_shape=True)
    layer.blobs[0].shape.dim[0] = 1 << 40
    with pytest.raises(UnreadableWeights, match=r"says that its shape is \(1099511627776, 3, 1, 1\), and holds 6"):
        read(net.SerializeToString(), tmp_path)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (Part("conv1", "Convolution", {"num_output": 16, "kernel_size": 7, "stride": 4}), "a 7x7 convolution"),
        (Part("conv1", "Convolution", {"num_output": 16, "kernel_size": 11, "stride": 2}), "stride 2"),
    ],
)
def test_another_geometry_is_named(part: Part, says: str, tmp_path: Path) -> None:
    parts = [part, *alexnet(WIDTHS, CLASSES, pool_first=False)[1:]]
    with pytest.raises(ShapeMismatch, match=says):
        read(binary(parts, arrays_of(lively()), "V2"), tmp_path)


@pytest.mark.parametrize("generation", ["V1", "V2"])
def test_a_relu_that_leaks_is_another_network(generation: Generation, tmp_path: Path) -> None:
    parts = alexnet(WIDTHS, CLASSES, pool_first=False)
    leaky = [Part("relu1", "ReLU", {"negative_slope": 0.1}) if part.name == "relu1" else part for part in parts]
    with pytest.raises(ShapeMismatch, match=r"'relu1' is a ReLU that leaks by 0\.1"):
        read(binary(leaky, arrays_of(lively()), generation), tmp_path)


def test_the_deploy_file_is_what_caffes_users_write(tmp_path: Path) -> None:
    write_weights(weights_of(lively()), tmp_path / "net.caffemodel")
    lines = (tmp_path / "net.prototxt").read_text().splitlines()
    expected = text(alexnet(WIDTHS, CLASSES, pool_first=False), 67).splitlines()
    names = [line.split('name: "')[1].split('"')[0] for line in lines if line.startswith("layer")]
    assert names == [line.split('name: "')[1].split('"')[0] for line in expected if line.startswith("layer")]


def test_half_precision_tensors_are_written_as_floats(tmp_path: Path) -> None:
    weights = weights_of(lively())
    halved = replace(weights, tensors={name: tensor.half() for name, tensor in weights.tensors.items()})
    write_weights(halved, tmp_path / "net.caffemodel")
    found = read_foreign(tmp_path / "net.caffemodel").weights
    assert torch.equal(found.tensors["fc6.weight"], halved.tensors["fc6.weight"].float())
