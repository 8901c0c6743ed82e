import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from alexnet.errors import ShapeMismatch, UnreadableWeights, UsageError
from alexnet.lineages import find
from alexnet.model import build
from alexnet.weights.export import write_weights
from alexnet.weights.foreign import Foreign, read_foreign
from alexnet.weights.formats.state_dict import raw_of
from alexnet.weights.identity import identify
from oracles import python2_pickle
from oracles.audit import listening
from oracles.narrow_nets import assert_same, lively, weights_of

NAMES = {"conv1": "features.0", "conv2": "features.3", "conv3": "features.6", "conv4": "features.8",
         "conv5": "features.10", "fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6"}  # fmt: skip


def renamed(model: torch.nn.Module, before: str = "", features: str = "features") -> "OrderedDict[str, torch.Tensor]":
    """A state dict under torchvision's names, with whatever DataParallel puts before them."""
    found = OrderedDict()
    for name, tensor in model.state_dict().items():
        layer, kind = name.split(".")
        found[before + NAMES[layer].replace("features", features) + "." + kind] = tensor
    return found


def read(value: Any, folder: Path, lineage: str | None = "tiny", zipped: bool = True) -> Foreign:
    torch.save(value, folder / "net.pth", _use_new_zipfile_serialization=zipped)
    return read_foreign(folder / "net.pth", lineage)


@pytest.fixture
def model() -> torch.nn.Module:
    return lively("tiny")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("before", "features"),
    [("", "features"), ("module.", "features"), ("", "features.module"), ("module.module.", "features")],
)
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_state_dicts_are_read_to_the_bit_however_they_are_wrapped(
    model: Any, zipped: bool, before: str, features: str, wrapper: str | None, tmp_path: Path
) -> None:
    value: Any = renamed(model, before, features)
    if wrapper is not None:
        value = {
            "epoch": 90,
            "arch": "alexnet",
            wrapper: value,
            "best_prec1": torch.tensor(46.7),
            "optimizer": {"lr": 1},
        }
    assert_same(read(value, tmp_path, zipped=zipped).weights, model)


def test_our_own_names_are_read_too(model: Any, tmp_path: Path) -> None:
    assert_same(read(model.state_dict(), tmp_path).weights, model)
    assert_same(read(lively("cifar-local").state_dict(), tmp_path, None).weights, lively("cifar-local"))


def test_torchvisions_names_at_its_widths_are_its_lineage(tmp_path: Path) -> None:
    """owt has the same shapes: the names tell."""
    tensors = {}
    for name, tensor in build(find("torchvision")).state_dict().items():
        layer, kind = name.split(".")
        tensors[f"{NAMES[layer]}.{kind}"] = torch.zeros(1).expand(tensor.shape)
    found = identify(raw_of(tensors, tmp_path / "x.pth", "pth", ""))
    assert found.lineage == find("torchvision")
    assert found.preprocessing.order == "RGB"
    assert found.preprocessing.range == 1
    assert found.facts["order"] == ("RGB", "the lineage's table")


@pytest.mark.parametrize("classes", [205, 365])
def test_places_heads_are_heads(classes: int, tmp_path: Path) -> None:
    model = lively("tiny", num_classes=classes)
    assert_same(read({"state_dict": renamed(model, features="features.module")}, tmp_path).weights, model)


def test_trap_27_a_file_of_python_2_called_tar_is_neither(model: Any, tmp_path: Path) -> None:
    """Places' .pth.tar: torch 0.2 on Python 2, text as bytes that are no UTF-8, a numpy scalar beside the weights."""
    path = tmp_path / "alexnet_places365.pth.tar"
    path.write_bytes(python_2_file(renamed(model, features="features.module")))
    assert_same(read_foreign(path, "tiny").weights, model)


def python_2_file(tensors: dict[str, torch.Tensor]) -> bytes:
    """A legacy torch file with every text a str of Python 2, from the format's description."""
    text, whole = python2_pickle._any, python2_pickle.dumps
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    head = magic + whole(1001) + whole({b"protocol_version": 1001, b"little_endian": True, b"type_sizes": {b"int": 4}})
    body = b"\x80\x02}(" + text(b"arch") + text(b"alexnet") + text(b"author") + text(b"Zh\xf6u")
    # best_prec1 as a numpy scalar, as averages of Python 2 came out
    body += text(b"best_prec1") + b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n" + text(b"f8") + b"K\x00K\x01\x87R"
    body += text((3, b"<", None, None, None, -1, -1, 0)) + b"b" + text(struct.pack("<d", 47.3)) + b"tR"
    body += text(b"state_dict") + b"ccollections\nOrderedDict\n)R("
    for index, (name, tensor) in enumerate(tensors.items()):
        storage = b"(" + text(b"storage") + b"ctorch.cuda\nFloatStorage\n" + text(str(index).encode())
        storage += text(b"cuda:0") + text(tensor.numel()) + b"NtQ"
        body += text(name.encode()) + b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\x00"
        body += text(tuple(tensor.shape)) + text(tuple(tensor.stride())) + b"tR"
    keys = whole([str(index).encode() for index in range(len(tensors))])
    data = b"".join(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes() for tensor in tensors.values())
    return head + body + b"uu." + keys + data


def test_half_and_bfloat_come_as_float32(model: Any, tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        value = {name: tensor.to(dtype) for name, tensor in renamed(model).items()}
        found = read(value, tmp_path).weights.tensors
        assert torch.equal(found["fc6.weight"], model.state_dict()["fc6.weight"].to(dtype).float())


def test_tensors_that_are_views_come_as_themselves(model: Any, tmp_path: Path) -> None:
    value = {
        name: tensor.t().contiguous().t() if tensor.ndim == 2 else tensor for name, tensor in renamed(model).items()
    }
    assert_same(read(value, tmp_path).weights, model)


def test_a_small_storage_that_claims_to_be_large_takes_no_memory(model: Any, tmp_path: Path) -> None:
    value = renamed(model) | {"classifier.1.weight": torch.zeros(1).expand(1 << 20, 1 << 20)}
    with pytest.raises(UnreadableWeights, match="more than the file has"):
        read(value, tmp_path)


def test_a_compressed_archive_is_refused_before_it_is_unpacked(model: Any, tmp_path: Path) -> None:
    torch.save(renamed(model), tmp_path / "net.pth")
    with (
        zipfile.ZipFile(tmp_path / "net.pth") as old,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(UnreadableWeights, match="compressed"):
        read_foreign(tmp_path / "bomb.pth")


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_run(model: Any, zipped: bool, tmp_path: Path) -> None:
    torch.save(
        {"state_dict": renamed(model), "hook": Evil()}, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(UnreadableWeights, match=r"more than tensors.*posix\.system") as caught, listening() as events:
        read_foreign(tmp_path / "net.pth")
    assert not [event for event in events if event.startswith(("os.system", "exec", "subprocess"))]
    assert "Traceback" not in str(caught.value)


def test_what_scripts_store_beside_the_weights_is_left_out(model: Any, tmp_path: Path) -> None:
    from argparse import Namespace

    value = {"state_dict": renamed(model), "args": Namespace(lr=0.1, data=["a"]), "acc": np.float64(3.5)}
    assert_same(read(value, tmp_path).weights, model)


def test_a_whole_module_is_refused_and_told_what_to_save(model: Any, tmp_path: Path) -> None:
    torch.save(model, tmp_path / "net.pth")
    with pytest.raises(UnreadableWeights, match=r"alexnet\.model.*save `model\.state_dict\(\)` alone"):
        read_foreign(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (torch.zeros(3), "a Tensor and no dict"),
        ({}, "a dict and no dict of tensors|no dict"),
        ({"features.0.running_mean": torch.zeros(3)}, "neither the weight nor the bias"),
        ({"features.0.weight": "text"}, "it holds a str"),
        ({"features.0.weight": torch.zeros(3, 3).to_sparse()}, "not a plain tensor"),
        ({"features.0.bias": torch.zeros(3)}, "weight is missing"),
        ({"a.weight": torch.zeros(3, 3), "module.a.weight": torch.zeros(3, 3)}, "neither"),
    ],
)
def test_what_is_no_state_dict_of_ours_is_named(value: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch, match=says):
        read(value, tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_anywhere_is_refused(model: Any, zipped: bool, tmp_path: Path) -> None:
    torch.save(renamed(lively("tiny")), tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "net.pth").read_bytes()
    for length in [1, 2, 15, 100, *range(200, len(content), len(content) // 40)]:
        (tmp_path / "net.pth").write_bytes(content[:length])
        with pytest.raises(UnreadableWeights):
            read_foreign(tmp_path / "net.pth", "tiny")


def test_the_name_of_a_file_says_nothing(model: Any, tmp_path: Path) -> None:
    """torch itself takes any file called .safetensors for one."""
    torch.save(renamed(model), tmp_path / "net.safetensors")
    assert_same(read_foreign(tmp_path / "net.safetensors", "tiny").weights, model)


def test_what_is_written_comes_back_to_the_bit(model: Any, tmp_path: Path) -> None:
    lost = write_weights(weights_of(model), tmp_path / "net.pth")
    assert_same(read_foreign(tmp_path / "net.pth", "tiny").weights, model)
    assert [line for line in lost if "lineage" in line]


def test_what_is_written_is_what_torchvision_loads(tmp_path: Path) -> None:
    model = lively("tiny")
    write_weights(weights_of(model), tmp_path / "net.pth")
    loaded = torch.load(tmp_path / "net.pth", weights_only=True)
    assert list(loaded) == list(renamed(model))
    assert all(torch.equal(loaded[name], tensor) for name, tensor in renamed(model).items())


def test_a_lineage_of_other_layers_has_no_such_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cifar-local has conv1, conv2, local3, local4, fc5"):
        write_weights(weights_of(lively("cifar-local")), tmp_path / "net.pth")


@pytest.mark.parametrize("before", ["", "module."])
def test_safetensors_of_the_hub_are_read_as_state_dicts(model: Any, before: str, tmp_path: Path) -> None:
    save_file(
        {name: tensor.clone() for name, tensor in renamed(model, before).items()}, tmp_path / "x.bin", {"format": "pt"}
    )
    found = read_foreign(tmp_path / "x.bin", "tiny")
    assert_same(found.weights, model)
    assert found.identity.facts["format"].value.startswith("safetensors (no description of ours")


def test_pickles_of_torch_are_told_from_others(tmp_path: Path) -> None:
    file = io.BytesIO()
    pickle.dump({"a": 1}, file, protocol=2)
    (tmp_path / "x.pth").write_bytes(file.getvalue())
    with pytest.raises(ShapeMismatch, match="without cuda-convnet's list of layers"):
        read_foreign(tmp_path / "x.pth")
