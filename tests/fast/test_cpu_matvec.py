"""The compiled product of a few pictures is the plain layer's."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.fast.cpu.compiled import Compiled
from alexnet.fast.cpu.matvec import FEW, multiplied, suits
from alexnet.fast.cpu.packed import PackedLinear
from oracles.compiler import has_compiler
from oracles.lively import relative_error

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="no C compiler")


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def exact(features: Tensor, weight: Tensor, bias: Tensor | None, is_rectified: bool) -> Tensor:
    units = F.linear(features.double(), weight.double(), None if bias is None else bias.double())
    return units.relu() if is_rectified else units


@needs_compiler
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("pictures", [1, 2, FEW])
@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (1, 1), (7, 33), (97, 1000), (256, 47), (33, 16), (8, 5)])
def test_it_is_the_product(product: Compiled, rows: int, columns: int, pictures: int, threads: int) -> None:
    features, weight, bias = numbers(pictures, columns), numbers(rows, columns), numbers(rows)
    before = torch.get_num_threads()
    assert product.function is not None
    torch.set_num_threads(threads)
    try:
        for is_rectified in (True, False):
            for shift in (bias, None):
                found = multiplied(product.function, features, weight, shift, is_rectified)
                assert found.shape == (pictures, rows)
                assert (
                    found.double() - exact(features, weight, shift, is_rectified)
                ).abs().max() <= 1e-5 * columns**0.5
    finally:
        torch.set_num_threads(before)


@needs_compiler
def test_no_number_stays_none(product: Compiled) -> None:
    features, weight = numbers(2, 40), numbers(9, 40)
    features[1, 39] = torch.nan
    assert product.function is not None
    found = multiplied(product.function, features, weight, None, is_rectified=True)
    assert not found[0].isnan().any()
    assert found[1].isnan().all()


@needs_compiler
def test_a_layer_gives_the_same_by_the_operator_and_without(product: Compiled) -> None:
    layer = nn.Linear(300, 41)
    packed = PackedLinear.of(layer, torch.float32, is_rectified=True)
    missing = Compiled(product.source.with_name("nothing.c"))
    for count in (1, FEW, FEW + 1):
        features = numbers(count, 300)
        expected = exact(features, layer.weight.detach(), layer.bias.detach(), is_rectified=True)
        for operator in (product, missing):
            chosen = PackedLinear(packed.weight, packed.bias, is_rectified=True, operator=operator)
            assert relative_error(chosen(features), expected) <= 1e-6


def test_it_is_for_few_pictures_in_float32() -> None:
    weight = numbers(4, 8)
    assert suits(numbers(1, 8), weight)
    assert not suits(numbers(FEW + 1, 8), weight)
    assert not suits(numbers(1, 8).bfloat16(), weight.bfloat16())
    assert not suits(numbers(1, 4), weight.t())
