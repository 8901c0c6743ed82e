"""Compact storage: what comes back, how near it is, and how many bytes it takes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from alexnet.errors import UnreadableWeights, WeightsError
from alexnet.model import AlexNet
from alexnet.weights import Weights, load, save
from alexnet.weights.compact import compact, expand, factors

FILE = Path("model.safetensors")


def test_a_matrix_of_low_rank_comes_back_but_for_rounding() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(40, 5, generator=generator) @ torch.randn(5, 60, generator=generator)
    left, right = factors(weight, 5)
    torch.testing.assert_close(left @ right, weight, rtol=0, atol=1e-4)
    found = expand(compact({"fc.weight": weight}, {"fc.weight": 5}), FILE)["fc.weight"]
    assert (found - weight).norm() / weight.norm() < 0.01


def test_no_product_of_that_rank_is_nearer() -> None:
    weight = np.random.default_rng(0).standard_normal((30, 20))
    left, right = factors(torch.from_numpy(weight).float(), 7)
    error = np.linalg.norm(weight - (left @ right).numpy())
    # Eckart and Young: the norm of the singular values that are left out.
    assert error == pytest.approx(np.linalg.norm(np.linalg.svd(weight, compute_uv=False)[7:]), rel=1e-4)


def test_eight_bits_are_half_a_step_off_at_most() -> None:
    weight = torch.randn(8, 3, 5, 5)
    weight[3] *= 1000  # one large output does not cost the others their precision
    found = expand(compact({"conv.weight": weight, "conv.bias": torch.randn(8)}, {}), FILE)["conv.weight"]
    step = weight.abs().amax((1, 2, 3), keepdim=True) / 127
    assert ((found - weight).abs() <= step * 0.501).all()


def test_saved_compactly_it_loads_as_the_ordinary_network(weights: Weights, tmp_path: Path) -> None:
    weights = replace(weights, preprocessing=replace(weights.preprocessing, mean_image=None))
    ranks = {"fc6.weight": 24}
    whole, small = save(weights, tmp_path / "whole"), save(weights, tmp_path / "small", ranks=ranks)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (whole, small)]
    assert sizes[1] < 0.3 * sizes[0]
    found = load(small)
    AlexNet(found.lineage).load_state_dict(found.tensors)
    assert found.labels == weights.labels and found.preprocessing == weights.preprocessing
    for name, tensor in weights.tensors.items():
        if tensor.ndim == 1:
            assert torch.equal(found.tensors[name], tensor)
        elif name not in ranks:
            assert (found.tensors[name] - tensor).norm() < 0.02 * tensor.norm()


def test_a_part_that_is_missing_is_named(weights: Weights, tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    file = save(weights, tmp_path / "small", ranks={"fc6.weight": 24}) / "model.safetensors"
    with safe_open(file, "pt") as opened:
        metadata, tensors = opened.metadata(), {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    for missing in ("fc6.weight.right.scale", "fc6.weight.right.codes", "conv1.weight.scale"):
        save_file({name: each for name, each in tensors.items() if name != missing}, file, metadata)
        with pytest.raises(UnreadableWeights, match=re.escape(missing.removesuffix(".codes"))):
            load(file)
    save_file(tensors | {"fc6.weight.left.scale": torch.ones(3)}, file, metadata)
    with pytest.raises(WeightsError):
        load(file)
