"""`alexnet explain filters`: the kernels of the first layer, as the paper's figure 3."""

from alexnet.cli.figure import Figure, finish
from alexnet.cli.options import Json, LineageName, Weights
from alexnet.cli.settings import command


def filters(output: Figure = None, weights: Weights = None, lineage: LineageName = None, json: Json = False) -> None:
    """Draw the first layer's kernels, tower by tower, and print how much of each tower is colour."""
    from alexnet.inference import load
    from alexnet.inference.explain_layers import explain_filters

    explanation = explain_filters(load(weights, "cpu", lineage))
    towers = explanation.facts["towers"]
    lines = [f"tower {each['tower']}: {each['kernels']} kernels, {each['colour_share']:.1%} colour" for each in towers]
    finish(explanation, output, None, json, *lines)


app = command(filters)
