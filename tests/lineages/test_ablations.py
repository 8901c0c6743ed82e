"""Networks with layers left out, fewer kernels, other biases."""

import pytest

from alexnet.errors import UsageError
from alexnet.lineages import find, trace, vary
from alexnet.lineages.spec import Conv, Norm
from alexnet.lineages.trace import totals


def test_the_one_gpu_network_of_the_paper_has_its_counts() -> None:
    """cuda-convnet's config of half the kernels: 59,798,312 parameters, 391,514,384 multiply-adds."""
    found = totals(trace(vary(find("chm"), groups=False, width=0.5)))
    assert (found.params, found.macs) == (59_798_312, 391_514_384)


def test_a_layer_is_left_out_and_the_next_reads_what_it_would_have_read() -> None:
    rows = {row.layer.name: row for row in trace(vary(find("bvlc"), without=("conv4",)))}
    assert "conv4" not in rows
    assert rows["conv5"].in_shape == rows["conv3"].out_shape


def test_a_layer_that_is_not_there_cannot_be_left_out() -> None:
    with pytest.raises(UsageError, match="conv9"):
        vary(find("bvlc"), without=("conv9",))


def test_towers_can_be_kept_from_talking_before_fc6() -> None:
    """Half of the weights of conv3, which is the only convolution behind the first that sees both."""
    lineage = vary(find("bvlc"), tower_norms=True, apart=("conv3",))
    assert {layer.groups for layer in lineage.layers[1:] if isinstance(layer, Conv | Norm)} == {2}
    whole, parted = totals(trace(find("bvlc"))).params, totals(trace(lineage)).params
    assert whole - parted == 384 * 256 * 9 // 2


@pytest.mark.parametrize(("name", "said"), [("conv1", "conv2, norm2"), ("fc6", "conv2, norm2"), ("conv9", "'conv9'")])
def test_what_has_no_halves_cannot_be_kept_apart(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        vary(find("bvlc"), apart=(name,))


def test_a_network_without_towers_keeps_nothing_apart() -> None:
    with pytest.raises(UsageError, match="no towers"):
        vary(find("ungrouped"), apart=("conv3",))


def test_only_biases_that_start_above_zero_are_changed() -> None:
    biases = {row.layer.name: getattr(row.layer, "bias", None) for row in trace(vary(find("paper"), init_bias=0.5))}
    assert (biases["conv1"], biases["conv2"], biases["conv3"], biases["fc7"], biases["fc8"]) == (0, 0.5, 0, 0.5, 0)


def test_changes_can_be_made_again_from_what_a_file_says() -> None:
    changed = vary(find("bvlc"), without=("conv4",), width=0.5, init_bias=0.0, apart=("conv3",))
    assert vary(find("bvlc"), **dict(changed.changes)) == changed  # type: ignore[arg-type]
