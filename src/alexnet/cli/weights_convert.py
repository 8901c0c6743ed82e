"""`alexnet weights convert A B`: any kind of file to any other."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from alexnet.cli.options import Classes, External, Json, LineageName, Mean, flag
from alexnet.cli.output import say, show
from alexnet.cli.settings import command


def convert(
    source: Annotated[
        str, typer.Argument(metavar="A", help="A file or a folder of weights, of any kind.", show_default=False)
    ],
    target: Annotated[Path, typer.Argument(metavar="B", help="The file to write, or a folder.", show_default=False)],
    format: Annotated[
        str | None,
        flag(
            help="safetensors, caffemodel, npy, onnx, pth or folder.",
            metavar="FORMAT",
            show_default="as the suffix of B says",
        ),
    ] = None,
    lineage: LineageName = None,
    mean: Mean = None,
    classes: Classes = None,
    external: External = None,
    force: Annotated[bool, flag("--force", help="Replace what is there.", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Write weights of any kind as any other kind, read them back, and say what the new file cannot hold.

    Nothing is lost in safetensors or in a folder. A caffemodel gets its prototxt beside it.
    """
    from alexnet.weights.class_names import read_class_names
    from alexnet.weights.convert import convert, sentences, summary
    from alexnet.weights.opened import open_weights

    opened = open_weights(source, lineage, mean=mean, external=external)
    if classes is not None:
        labels = read_class_names(classes.expanduser(), opened.weights.lineage.num_classes)
        opened = replace(opened, weights=replace(opened.weights, labels=labels))
    done = convert(opened, target.expanduser(), format, force=force)
    say(f"{opened.path}: {opened.facts['format'].value}, lineage {opened.weights.lineage.name}.")
    show(json, summary(done, opened), [*sentences(done)])


app = command(convert)
