"""Weights into a folder: tensors, a description for people, a model card. The Hugging Face hub's layout."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet.errors import WeightsError
from alexnet.weights.durable import replace_file, writing
from alexnet.weights.formats.safetensors import describe, write_safetensors
from alexnet.weights.validate import validate
from alexnet.weights.weights import Weights

MODEL, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
LABELS_SHOWN = 20


def save(weights: Weights, folder: Path, card: str = "", ranks: Mapping[str, int] | None = None) -> Path:
    """Write `model.safetensors`, `config.json` and `README.md` into `folder`, and return it.

    Each file is replaced whole. `load` needs the first alone, so a reader meets the old weights or the new ones.

    Args:
        weights: of any lineage of ours; checked first.
        folder: made if it does not exist.
        card: the model card, Markdown; empty for one made from the provenance.
        ranks: store compactly, see `write_safetensors`; `load` gives an ordinary network all the same.

    Raises:
        WeightsError: the folder cannot be written, or the weights are not those of their lineage.
    """
    folder = Path(folder)
    validate(weights.tensors, weights.lineage, weights.labels, folder / MODEL)
    config = {"model_type": "alexnet", "num_classes": weights.lineage.num_classes, **describe(weights)}
    with writing(folder, WeightsError):
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / MODEL, lambda path: write_safetensors(path, weights, ranks))
        replace_text(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
        replace_text(folder / CARD, card or model_card(weights))
    return folder


def replace_text(path: Path, text: str) -> None:
    """Put `text` in the place of a file's contents."""
    replace_file(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def model_card(weights: Weights) -> str:
    """Markdown that says what the network is, what it knows and where it comes from."""
    lineage, preprocessing = weights.lineage, weights.preprocessing
    changes = "".join(f", {name}={value}" for name, value in lineage.changes)
    facts = {
        "Lineage": f"{lineage.name}{changes}: {lineage.title}",
        "Parameters": f"{sum(tensor.numel() for tensor in weights.tensors.values()):,}",
        "Input": f"{preprocessing.size}x{preprocessing.size} {preprocessing.order} of 0..{preprocessing.range}, "
        f"cut from {preprocessing.resize}x{preprocessing.resize}",
        "Classes": _classes(weights),
        **{key.replace("_", " ").capitalize(): _inline(value) for key, value in weights.provenance.items()},
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return CARD_TEMPLATE.format(title=lineage.title, rows=rows)


def _classes(weights: Weights) -> str:
    labels = weights.labels[:LABELS_SHOWN]
    more = ", ..." if len(weights.labels) > LABELS_SHOWN else ""
    return f"{weights.lineage.num_classes}" + (f": {_inline(', '.join(labels))}{more}" if labels else "")


def _inline(value: Any) -> str:
    """A value as one cell of a Markdown table."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|").replace("\n", " ")


CARD_TEMPLATE = """\
---
library_name: alexnet
pipeline_tag: image-classification
tags: [alexnet]
---

# {title}

| | |
|---|---|
{rows}

Preprocessing and labels are stored in the weights; no caller repeats them:

```python
import alexnet

net = alexnet.load("path/to/this/folder")
print(net.predict(["picture.jpg"])[0].top)
```
"""
