"""Networks with layers left out, fewer kernels, other biases."""

import pytest

from alexnet.errors import UsageError
from alexnet.lineages import find, trace, vary
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


def test_only_biases_that_start_above_zero_are_changed() -> None:
    biases = {row.layer.name: getattr(row.layer, "bias", None) for row in trace(vary(find("paper"), init_bias=0.5))}
    assert (biases["conv1"], biases["conv2"], biases["conv3"], biases["fc7"], biases["fc8"]) == (0, 0.5, 0, 0.5, 0)


def test_changes_can_be_made_again_from_what_a_file_says() -> None:
    changed = vary(find("bvlc"), without=("conv4",), width=0.5, init_bias=0.0, groups=False)
    assert vary(find("bvlc"), **dict(changed.changes)) == changed  # type: ignore[arg-type]
