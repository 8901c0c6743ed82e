"""Files that are right pass, and each known mistake is caught by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.data.picture import to_square
from alexnet.lineages import LINEAGES
from alexnet.lineages.spec import Norm
from alexnet.weights import Weights, load
from alexnet.weights.export import write_weights
from alexnet.weights.load import ASSETS
from alexnet.weights.proof.evidence import gather
from oracles import python2_pickle
from oracles.caffe2_files import init_net, predict_net
from oracles.caffe_files import Generation, binary
from oracles.caffe_files import alexnet as caffe_net
from oracles.cuda_convnet_files import checkpoint, decaf, in_bytes, two_towers
from oracles.matconvnet_files import matconvnet
from oracles.narrow_nets import CLASSES, WIDTHS, Arrays, arrays_of, lively, more_lineages, weights_of
from oracles.tensorflow_files import as_tensorflow
from oracles.theano_files import as_theano, zipped

from .conftest import Alexnet, Answer, draw_folder

WIDE, BVLC, CAFFENET = "narrow-wide", "narrow-bvlc", "narrow-caffenet"  # the wide one has a map of 2x2 under fc6


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    undivided = more_lineages()[WIDE]
    rows = tuple(replace(row, alpha=5 * row.alpha) if isinstance(row, Norm) else row for row in undivided.layers)
    undivided = replace(undivided, name="narrow-undivided", layers=rows)
    for name, lineage in {**more_lineages(), "narrow-undivided": undivided}.items():
        monkeypatch.setitem(LINEAGES, name, lineage)


def caffemodel(path: Path, lineage: str, generation: Generation = "V2") -> Path:
    """The original, written by Google's protobuf."""
    arrays = arrays_of(lively(lineage))
    path.write_bytes(binary(caffe_net(WIDTHS, CLASSES, pool_first="caffenet" in lineage), arrays, generation))
    return path


def naive(path: Path, change: Callable[[Arrays], None], lineage: str = WIDE) -> Path:
    """A torch file by somebody who converted the arrays with a script of their own."""
    arrays = arrays_of(lively(lineage))
    change(arrays)
    torch.save({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, path)
    return path


def caught(answer: Answer, first: str, *says: str) -> None:
    assert answer.code == 2
    assert f"First different: {first}" in answer.err, answer.err
    assert "everything agrees" in answer.err
    for words in says:
        assert words in answer.err, answer.err


@pytest.mark.parametrize("suffix", [".safetensors", ".npy", ".caffemodel", ".pth", ".onnx"])
@pytest.mark.parametrize("lineage", [WIDE, "tiny", "narrow-torchvision"])
def test_what_we_write_verifies(alexnet: Alexnet, tmp_path: Path, suffix: str, lineage: str) -> None:
    write_weights(weights_of(lively(lineage)), tmp_path / f"net{suffix}")
    asked = ["--lineage", lineage] if suffix in (".npy", ".pth", ".caffemodel") else []
    document = alexnet("weights", "verify", tmp_path / f"net{suffix}", *asked, "--json").document
    assert document["agrees"] and document["causes"] == []
    errors = document["comparisons"][0]["errors"]
    assert next(iter(errors)) == "input" and list(errors)[-1] == "fc8" and len(errors) >= 12
    assert max(errors.values()) < 1e-5


@pytest.mark.parametrize("lineage", [WIDE, CAFFENET])
@pytest.mark.parametrize("generation", ["V0", "V1", "V2"])
def test_both_orders_of_caffe_equal_what_opencv_makes_of_the_same_file(
    alexnet: Alexnet, tmp_path: Path, lineage: str, generation: Generation
) -> None:
    path = caffemodel(tmp_path / "net.caffemodel", lineage, generation)
    document = alexnet("weights", "verify", path, "--lineage", lineage, "--json").document
    assert document["agrees"] and document["comparisons"][0]["errors"]["fc8"] < 1e-5
    program = document["comparisons"][0]["against"]
    assert program.startswith("the formulas" if generation == "V0" else "OpenCV") and "file's own layers" in program


@pytest.mark.parametrize("lineage", ["narrow-chm", "narrow-owt", "cifar-local", "cifar-quick"])
def test_lineages_of_other_layers_verify(alexnet: Alexnet, tmp_path: Path, lineage: str) -> None:
    write_weights(weights_of(lively(lineage)), tmp_path / "net.safetensors")
    answer = alexnet("weights", "verify", tmp_path / "net.safetensors")
    assert answer.code == 0 and "Agrees" in answer.out
    if lineage != "cifar-local":  # ONNX has no unshared convolution
        write_weights(weights_of(lively(lineage)), tmp_path / "net.onnx")
        document = alexnet("weights", "verify", tmp_path / "net.onnx", "--json").document
        assert document["agrees"] and "onnxruntime" in document["comparisons"][0]["against"]


@pytest.mark.parametrize("lineage", [BVLC, CAFFENET])
def test_nets_of_matconvnet_verify(alexnet: Alexnet, tmp_path: Path, lineage: str) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    net = matconvnet(arrays_of(lively(lineage)), pool_first=lineage == CAFFENET)
    scipy_io.savemat(tmp_path / "net.mat", net)
    document = alexnet("weights", "verify", tmp_path / "net.mat", "--json").document
    assert document["agrees"] and document["fed_by"] == "as MatConvNet does"


def test_two_towers_and_a_net_that_was_trained_upside_down_verify(alexnet: Alexnet, tmp_path: Path) -> None:
    towers = checkpoint(two_towers(arrays_of(lively("narrow-chm"))), as_dict=True)
    trees = {"towers": towers, "decaf": decaf(arrays_of(lively("narrow-caffenet-wide")))}
    for name, tree in trees.items():
        (tmp_path / name).write_bytes(python2_pickle.dumps(in_bytes(tree)))
        answer = alexnet("weights", "verify", tmp_path / name)
        assert answer.code == 0 and "as cuda-convnet does" in answer.out, answer.err


@pytest.mark.parametrize("lineage", [BVLC, CAFFENET])
def test_the_pair_of_caffe2_verifies(alexnet: Alexnet, tmp_path: Path, lineage: str) -> None:
    (tmp_path / "init_net.pb").write_bytes(init_net(arrays_of(lively(lineage))))
    parts = caffe_net(WIDTHS, CLASSES, pool_first=lineage == CAFFENET)
    (tmp_path / "predict_net.pb").write_bytes(predict_net(parts))
    document = alexnet("weights", "verify", tmp_path / "init_net.pb", "--json").document
    assert document["agrees"] and document["fed_by"] == "as Caffe2 does" and document["lineage"] == lineage


def test_nets_of_theano_verify(alexnet: Alexnet, tmp_path: Path) -> None:
    zipped(tmp_path / "net.zip", as_theano(arrays_of(lively("narrow-theano"))))
    document = alexnet("weights", "verify", tmp_path / "net.zip", "--lineage", "narrow-theano", "--json").document
    assert document["agrees"] and document["fed_by"] == "as theano_alexnet does"


def test_mistake_fc6_not_re_wired_is_caught(alexnet: Alexnet, tmp_path: Path) -> None:
    original = tmp_path / "bvlc_alexnet.npy"
    original.write_bytes(python2_pickle.npy(as_tensorflow(arrays_of(lively(WIDE)))))

    def transposed_only(arrays: Arrays) -> None:
        arrays["fc6.weight"] = as_tensorflow(arrays)["fc6"][0].T

    bad = naive(tmp_path / "bad.pth", transposed_only)
    answer = alexnet("weights", "verify", bad, "--lineage", WIDE, "--against", original)
    caught(answer, "fc6", "fc6 flatten order", "alexnet weights convert")
    good = naive(tmp_path / "good.pth", lambda arrays: None)
    assert alexnet("weights", "verify", good, "--lineage", WIDE, "--against", original).code == 0


def test_mistake_rgb_for_bgr_is_caught(alexnet: Alexnet, tmp_path: Path) -> None:
    original = caffemodel(tmp_path / "net.caffemodel", BVLC)

    def for_rgb(arrays: Arrays) -> None:
        arrays["conv1.weight"] = arrays["conv1.weight"][:, ::-1]

    bad = naive(tmp_path / "bad.pth", for_rgb, BVLC)
    answer = alexnet("weights", "verify", bad, "--lineage", BVLC, "--against", original)
    caught(answer, "conv1", "RGB for BGR")


def test_mistake_the_other_order_of_pool_and_lrn_is_caught(alexnet: Alexnet, tmp_path: Path) -> None:
    original = caffemodel(tmp_path / "net.caffemodel", BVLC)
    bad = naive(tmp_path / "bad.pth", lambda arrays: None, BVLC)
    answer = alexnet("weights", "verify", bad, "--lineage", CAFFENET, "--against", original)
    caught(answer, "norm1", "LRN order", "--lineage bvlc or --lineage caffenet")


def test_mistake_an_undivided_alpha_is_caught(alexnet: Alexnet, tmp_path: Path) -> None:
    original = caffemodel(tmp_path / "net.caffemodel", WIDE)
    bad = naive(tmp_path / "bad.pth", lambda arrays: None)
    answer = alexnet("weights", "verify", bad, "--lineage", "narrow-undivided", "--against", original)
    caught(answer, "norm1", "undivided alpha")


def test_several_mistakes_at_once_are_told_apart(alexnet: Alexnet, tmp_path: Path) -> None:
    original = caffemodel(tmp_path / "net.caffemodel", WIDE)

    def wrong(arrays: Arrays) -> None:
        arrays["conv1.weight"] = arrays["conv1.weight"][:, ::-1]
        arrays["fc6.weight"] = as_tensorflow(arrays)["fc6"][0].T

    answer = alexnet("weights", "verify", naive(tmp_path / "b.pth", wrong), "--lineage", WIDE, "--against", original)
    caught(answer, "conv1", "RGB for BGR", "fc6 flatten order")


def test_what_no_usual_mistake_explains_is_placed(alexnet: Alexnet, tmp_path: Path) -> None:
    original = caffemodel(tmp_path / "net.caffemodel", WIDE)

    def noisy(arrays: Arrays) -> None:
        arrays["conv4.weight"] = arrays["conv4.weight"] * np.float32(1.001)

    answer = alexnet("weights", "verify", naive(tmp_path / "b.pth", noisy), "--lineage", WIDE, "--against", original)
    assert answer.code == 2
    assert "First different: conv4" in answer.err and "No usual mistake explains it" in answer.err


def test_the_record_in_a_file_outlives_the_original(alexnet: Alexnet, tmp_path: Path) -> None:
    original = caffemodel(tmp_path / "net.caffemodel", WIDE)
    for step in ("a.onnx", "b.safetensors"):  # the record goes along
        source = original if step == "a.onnx" else tmp_path / "a.onnx"
        asked = ["--lineage", WIDE] if step == "a.onnx" else []
        assert alexnet("weights", "convert", source, tmp_path / step, *asked).code == 0
    document = alexnet("weights", "verify", tmp_path / "b.safetensors", "--json").document
    assert document["agrees"] and len(document["comparisons"]) == 2
    assert "record" in document["comparisons"][1]["against"] and "OpenCV" in document["comparisons"][1]["against"]
    assert all("--against ORIGINAL" not in line for line in document["not_proved"])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda w: replace(w, tensors=w.tensors | {"conv1.weight": w.tensors["conv1.weight"].flip(1)}), "RGB for BGR"),
        (lambda w: replace(w, preprocessing=replace(w.preprocessing, order="RGB")), "RGB for BGR"),
        (lambda w: replace(w, preprocessing=replace(w.preprocessing, mean=(0.0, 0.0, 0.0))), "mean is not subtracted"),
    ],
)
def test_a_file_that_was_changed_since_its_record_is_caught_without_the_original(
    alexnet: Alexnet, tmp_path: Path, spoil: Callable[[Weights], Weights], says: str
) -> None:
    original = caffemodel(tmp_path / "net.caffemodel", WIDE)
    assert alexnet("weights", "convert", original, tmp_path / "a.safetensors", "--lineage", WIDE).code == 0
    write_weights(spoil(load(tmp_path / "a.safetensors")), tmp_path / "b.safetensors")
    answer = alexnet("weights", "verify", tmp_path / "b.safetensors")
    assert answer.code == 2
    if "RGB" in says:
        caught(answer, "conv1", says)
    else:  # what was taken away has to be found by the user
        assert "First different: input" in answer.err and "mean" in answer.err


def test_a_deploy_file_beside_that_swaps_pool_and_lrn_is_caught(alexnet: Alexnet, tmp_path: Path) -> None:
    from oracles.caffe_files import text

    original = caffemodel(tmp_path / "net.caffemodel", BVLC)
    (tmp_path / "net.prototxt").write_text(text(caffe_net(WIDTHS, CLASSES, pool_first=True), 67))
    answer = alexnet("weights", "verify", original)
    caught(answer, "pool1", "OpenCV", "net.prototxt", "LRN order")


def test_an_agreement_says_what_it_leaves_open(alexnet: Alexnet, tmp_path: Path) -> None:
    bad = naive(tmp_path / "bad.pth", lambda arrays: None)
    answer = alexnet("weights", "verify", bad, "--lineage", WIDE)
    assert answer.code == 0
    assert f"Not proved: that it is {WIDE}" in answer.out and "--against ORIGINAL" in answer.out
    assert "NOT SEEN" not in answer.out and answer.out.count("  seen") == 8


def test_a_network_that_barely_normalises_cannot_tell_and_says_so(alexnet: Alexnet, tmp_path: Path) -> None:
    def faint(arrays: Arrays) -> None:
        arrays["conv1.weight"] = arrays["conv1.weight"] * np.float32(1e-5)
        arrays["conv1.bias"] = arrays["conv1.bias"] * np.float32(1e-5)
        arrays["conv2.weight"] = arrays["conv2.weight"] * np.float32(1e-5)
        arrays["conv2.bias"] = arrays["conv2.bias"] * np.float32(1e-5)

    answer = alexnet("weights", "verify", naive(tmp_path / "net.pth", faint), "--lineage", WIDE)
    assert answer.code == 0
    lines = [line for line in answer.out.splitlines() if "NOT SEEN" in line]
    assert any(line.startswith("undivided alpha") for line in lines)


def test_mistakes_of_the_command_are_told(alexnet: Alexnet, tmp_path: Path) -> None:
    write_weights(weights_of(lively("tiny")), tmp_path / "net.caffemodel")
    write_weights(weights_of(lively("tiny")), tmp_path / "net.safetensors")
    for file, against, says in (
        ("net.caffemodel", "opencv", "it takes the k of every LRN for 1"),
        ("net.caffemodel", "onnxruntime", "it reads onnx"),
        ("net.caffemodel", "tensorflow", "no file of weights, nor one of opencv"),
        ("net.safetensors", "record", "no record"),
    ):
        answer = alexnet("weights", "verify", tmp_path / file, "--against", against, "--lineage", "tiny")
        assert answer.code == 2 and says in answer.err, answer.err


def test_another_picture_can_be_looked_at_but_no_gray_one(alexnet: Alexnet, tmp_path: Path, pictures: Path) -> None:
    write_weights(weights_of(lively("tiny")), tmp_path / "net.safetensors")
    picture = next(pictures.rglob("*.png"))
    assert picture.name in alexnet("weights", "verify", tmp_path / "net.safetensors", "--picture", picture).out
    Image.new("L", (90, 90), 127).save(tmp_path / "gray.png")
    answer = alexnet("weights", "verify", tmp_path / "net.safetensors", "--picture", tmp_path / "gray.png")
    assert answer.code == 2 and "is gray" in answer.err


def test_planes_that_were_turned_with_the_pictures_are_no_mistake(alexnet: Alexnet, tmp_path: Path) -> None:
    weights = weights_of(lively("tiny"))  # RGB, and BGR once it is a file of TensorFlow
    for suffix in (".safetensors", ".npy"):
        write_weights(weights, tmp_path / f"net{suffix}")
    asked = ["--lineage", "tiny", "--mean", "122,116,104", "--against", tmp_path / "net.safetensors"]
    answer = alexnet("weights", "verify", tmp_path / "net.npy", *asked)
    assert answer.code == 0, answer.err


def test_an_engine_that_cannot_read_the_deploy_file_beside_says_so(alexnet: Alexnet, tmp_path: Path) -> None:
    original = caffemodel(tmp_path / "net.caffemodel", BVLC)
    (tmp_path / "net.prototxt").write_text('layer { name: "conv1" type: "Nonsense" nonsense_param { a: 1 } }')
    answer = alexnet("weights", "verify", original)
    assert answer.code == 2 and "with net.prototxt cannot compute" in answer.err and "--against numpy" in answer.err
    assert alexnet("weights", "verify", original, "--against", "numpy").code == 0


def test_a_run_is_verified_described_and_converted(alexnet: Alexnet, tmp_path: Path, trained: Path) -> None:
    assert alexnet("weights", "info", trained).code == 0
    assert alexnet("weights", "convert", trained, tmp_path / "net.onnx").code == 0
    for source in (trained, tmp_path / "net.onnx"):
        document = alexnet("weights", "verify", source, "--json").document
        assert document["agrees"] and document["lineage"] == "tiny", document
    assert alexnet("weights", "verify", tmp_path / "net.onnx", "--against", "numpy").code == 0


def test_numbers_that_overflow_are_no_agreement(alexnet: Alexnet, tmp_path: Path) -> None:
    def huge(arrays: Arrays) -> None:
        for name in ("conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
            arrays[f"{name}.weight"] = arrays[f"{name}.weight"] * np.float32(1e12)

    answer = alexnet("weights", "verify", naive(tmp_path / "net.pth", huge), "--lineage", WIDE)
    assert answer.code == 2 and "not comparable" in answer.err


def test_the_packaged_network_verifies(alexnet: Alexnet) -> None:
    document = alexnet("weights", "verify", "tiny200", "--json").document
    assert document["agrees"]
    assert all(control["seen"] for control in document["controls"].values())


def test_doubts_on_pictures_are_evidence_of_the_order_of_colours(
    alexnet: Alexnet, tmp_path: Path, trained: Path, pictures: Path
) -> None:
    answer = alexnet("weights", "verify", trained, "--pictures", pictures)
    assert answer.code == 2 and "18 pictures are too few" in answer.err
    more = draw_folder(tmp_path / "more", count=12)
    (more / "red" / "broken.png").write_bytes(b"no picture")
    answer = alexnet("weights", "verify", trained, "--pictures", more, "--json")
    assert "Skipped" in answer.err and "broken.png" in answer.err
    evidence = answer.document["evidence"]
    assert evidence["pictures"] == 36
    assert set(evidence["doubts"]) == {"colours"}  # a map of one pixel has one order
    assert "evidence and no proof" in alexnet("weights", "verify", trained, "--pictures", more).out


def test_a_trained_network_is_surer_with_its_colours_turned_back() -> None:
    weights = load("tiny200")
    weights = replace(weights, preprocessing=replace(weights.preprocessing, order="RGB"))
    tiles = []
    for name in ("chelsea", "coffee", "hubble_deep_field", "rocket"):  # nine parts of each
        picture = Image.open(ASSETS / "photos" / f"{name}.jpg").convert("RGB")
        width, height = picture.size[0] // 3, picture.size[1] // 3
        boxes = [(x * width, y * height, (x + 1) * width, (y + 1) * height) for x in range(3) for y in range(3)]
        tiles += [to_square(picture.crop(box), weights.preprocessing.side, "warp") for box in boxes]
    doubt = gather(weights, tiles).doubts["colours"]
    assert doubt.mistaken < doubt.as_fed and doubt.deviations < 0
