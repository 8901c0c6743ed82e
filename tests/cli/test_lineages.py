"""`alexnet lineages` against the figures of the literature."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

Alexnet = Callable[..., Any]


def test_json_lists_the_published_totals(alexnet: Alexnet) -> None:
    facts = {each["name"]: each for each in alexnet("lineages", "--json").document}

    assert (facts["bvlc"]["params"], facts["bvlc"]["macs"]) == (60_965_224, 724_406_816)
    assert (facts["ungrouped"]["params"], facts["ungrouped"]["macs"]) == (62_378_344, 1_135_256_096)
    assert (facts["torchvision"]["params"], facts["torchvision"]["macs"]) == (61_100_840, 714_188_480)
    assert facts["bvlc"]["input_size"] == 227


def test_the_folk_figures_are_given_to_the_ungrouped_net_alone(alexnet: Alexnet) -> None:
    text = alexnet("lineages").out
    claim = text[text.index("62.3 M") : text.index("and not of")]

    assert "ungrouped: 62,378,344 parameters, 1,135,256,096 MACs; 6.01 % / 94.84 %" in claim
    assert "paper" not in claim
    assert "60,965,224 parameters, 724,406,816 MACs; 3.83 % / 91.91 %" in text


def test_a_name_gives_the_layer_table(alexnet: Alexnet) -> None:
    document = alexnet("lineages", "paper", "--json").document
    conv2 = next(layer for layer in document["layers"] if layer["name"] == "conv2")

    assert conv2["out_shape"] == [256, 27, 27]
    assert (conv2["params"], conv2["macs"]) == (307_200 + 256, 223_948_800)
    assert sum(layer["params"] for layer in document["layers"]) == document["params"]


def test_the_order_of_the_first_stage_tells_caffenet_from_bvlc(alexnet: Alexnet) -> None:
    order = {each["name"]: each["order"] for each in alexnet("lineages", "--json").document}

    assert order["bvlc"] == ["ReLU", "LRN", "pool"]
    assert order["caffenet"] == ["ReLU", "pool", "LRN"]
    assert order["chm"] == ["LRN", "pool", "ReLU"]


def test_every_line_of_the_human_table_fits_80_columns(alexnet: Alexnet) -> None:
    table = alexnet("lineages").out.split("\n\n")[0]

    assert max(len(line.rstrip()) for line in table.splitlines()) <= 80


def test_an_unknown_name_is_answered_with_the_nearest(alexnet: Alexnet) -> None:
    answer = alexnet("lineages", "cafenet")

    assert answer.code == 2
    assert "Did you mean 'caffenet'?" in answer.err
    assert answer.out == ""


def test_lineages_needs_no_torch() -> None:
    script = (
        "import sys; from alexnet.cli.app import app; app(['lineages', 'paper'], standalone_mode=False);"
        " assert 'conv1' and not {'torch', 'numpy', 'PIL'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
