"""Sec. 1 and 7: removing any convolutional layer costs about 2 points of top-1."""

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, gain
from alexnet.reproduce.imagenet import base, variant
from alexnet.reproduce.trial import Results, Trial, curves, values

LAYERS = ("conv2", "conv3", "conv4", "conv5")


def shorter(budget: Budget, layer: str) -> list[Trial]:
    """A network without this layer and its norm; its pooling stays, for the sizes of what follows."""
    return variant(budget, f"no {layer}", without=(layer, "norm2") if layer == "conv2" else (layer,))


def plan(budget: Budget) -> list[Trial]:
    return [*base(budget), *(trial for layer in LAYERS for trial in shorter(budget, layer))]


def find(budget: Budget, results: Results) -> Found:
    costs = {layer: gain(results, shorter(budget, layer), base(budget), "error") for layer in LAYERS}
    return Found(
        tuple(Comparison(f"top-1 error without {layer}, less with it", cost, 2.0) for layer, cost in costs.items()),
        "The paper removes middle layers. conv1 stays: without its stride the next layer would read 227x227 positions. "
        "Without conv5 fc6 reads 384 maps in place of 256, and the network has more weights than before.",
        tuple(Line(f"no {layer}", curves(results, shorter(budget, layer), "error")) for layer in LAYERS),
        details={"whole": values(results, base(budget), "error")},
    )


CLAIM = Claim("depth", "1, 7", "removing any convolutional layer costs about 2 points", ("tiny",), plan, find)
