r"""Make the packaged network `tiny200` from a trained run: name its classes, store it compactly, write its card.

    alexnet prepare tiny-imagenet-200 tiny-raw --format raw --size 64
    alexnet train tiny-raw -o runs/tiny200 --lineage bvlc --epochs 280 --batch-size 256 --init he --min-area 0.25 \
        --cutmix 0.5 --val-epochs 10 --views 10
    python benchmarks/tiny200.py runs/tiny200 tiny-raw classes.tsv tiny200/

Measures ten-view errors before and after. `classes.tsv` has a line per class: its WordNet number, a tab, its names.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from alexnet.data.source import open_pictures
from alexnet.inference.classifier import Classifier
from alexnet.inference.device import resolve_device
from alexnet.inference.evaluate import Evaluation, evaluate
from alexnet.weights import Weights, load, save

RANKS = {"fc6.weight": 640, "fc7.weight": 512}


def class_names(file: Path) -> dict[str, str]:
    """The first of each class's names, by WordNet number."""
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    return {number: names.split(",")[0].strip() for number, names, *_ in rows}


def errors(weights: Weights, data: Path) -> Evaluation:
    """Ten-view errors on the validation pictures, whose classes are WordNet numbers in the order of the network's."""
    classifier = Classifier.of(replace(weights, labels=()), resolve_device(), "tiny200")
    square = weights.preprocessing
    return evaluate(classifier, open_pictures(data, "val", square.side, square.fit), views=10, batch_size=1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("classes", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--ranks", type=int, nargs=2, default=list(RANKS.values()), metavar=("FC6", "FC7"))
    given = parser.parse_args()
    names, weights = class_names(given.classes), load(given.run)
    ranks = dict(zip(RANKS, given.ranks, strict=True))
    labels = tuple(names[number] for number in weights.labels)
    tensors = {name: tensor.to(resolve_device()) for name, tensor in weights.tensors.items()}
    weights = replace(weights, labels=labels, tensors=tensors)
    before = errors(weights, given.data)
    folder = save(weights, given.output, ranks=ranks)
    after = errors(load(folder), given.data)
    size = (folder / "model.safetensors").stat().st_size
    found = {"before": [before.top1_error, before.top5_error], "after": [after.top1_error, after.top5_error]}
    print(json.dumps({"ranks": ranks, "bytes": size, **found}))


if __name__ == "__main__":
    main()
