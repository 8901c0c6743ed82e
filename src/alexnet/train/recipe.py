"""How a network is trained, as plain settings: the flags of `alexnet train` and `alexnet finetune`.

A `Recipe` has every value set. What a caller gives (flags, a config file, the environment, keyword arguments) is a
mapping of some of its fields; `resolve` fills the rest from a preset, once, and that is what run.toml records.
No torch here: `--help` reads this file.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from alexnet.lineages.spec import Lineage

Command = Literal["train", "finetune"]
BOTH: tuple[Command, ...] = ("train", "finetune")
TRAIN: tuple[Command, ...] = ("train",)
FINETUNE: tuple[Command, ...] = ("finetune",)


def _setting(
    default: Any, help: str, commands: tuple[Command, ...] = BOTH, least: float | None = None, most: float = math.inf
) -> Any:
    return field(default=default, metadata={"help": help, "commands": commands, "least": least, "most": most})


@dataclass(frozen=True)
class Recipe:
    """Every setting of a run; the defaults are the modern recipe's.

    Rates of change: `lr` is the peak rate of the weights; a bias has `bias_lr` times that, a layer that comes
    trained has `deep_lr` times that.
    """

    recipe: Literal["paper", "modern", "finetune"] = _setting(
        "modern", "paper: as the lineage was trained; modern: better in the same number of epochs", TRAIN
    )
    lineage: str = _setting("bvlc", "which AlexNet: a name of `alexnet lineages`", TRAIN)
    activation: Literal["relu", "tanh", "sigmoid"] = _setting("relu", "what follows each layer", TRAIN)
    norm: bool = _setting(True, "keep the response normalisation layers", TRAIN)
    overlap: bool = _setting(True, "keep pooling windows that overlap", TRAIN)
    dropout: bool = _setting(True, "keep dropout", TRAIN)
    groups: bool = _setting(True, "keep the two towers of grouped convolutions", TRAIN)
    tower_norms: bool = _setting(False, "keep the windows of response norms inside the towers", TRAIN)
    apart: tuple[str, ...] = _setting((), "convolutions that each tower keeps to itself too, such as conv3", TRAIN)
    without: tuple[str, ...] = _setting((), "layers to leave out", TRAIN)
    width: float = _setting(1.0, "factor on the kernels of all convolutions but the last", TRAIN, least=0.01)
    init_bias: float = _setting(
        -1.0, "initial biases where the lineage's are above zero; -1: the lineage's", TRAIN, least=-1
    )

    weights: str = _setting("", "trained network to start from: name, file or run folder", FINETUNE)
    skip: tuple[str, ...] = _setting((), "layers that start anew; the head does whenever the classes differ", FINETUNE)
    freeze: str = _setting("conv5", "last layer that stays as it is, or none", FINETUNE)
    head_epochs: int = _setting(10, "epochs for the new layers alone, before the deeper ones join", FINETUNE, 0)
    deep_lr: float = _setting(0.1, "factor on the rate of layers that come trained", FINETUNE, 0)

    epochs: int = _setting(30, "passes over the training pictures, all stages together", least=1)
    batch_size: int = _setting(64, "pictures per step", least=1)
    lr: float = _setting(0.02, "learning rate, at its peak", least=0)
    momentum: float = _setting(0.9, "share of the velocity kept at each step", least=0, most=0.999)
    update: Literal["paper", "nesterov", "torch"] = _setting(
        "nesterov", "paper: the rate inside the velocity; torch: outside; nesterov: outside, looking ahead"
    )
    weight_decay: float = _setting(5e-4, "pull of the weights towards zero", least=0)
    bias_lr: float = _setting(1.0, "factor on the rate of biases", least=0)
    bias_decay: bool = _setting(False, "let weight decay act on biases")
    schedule: Literal["plateau", "cosine", "steps", "constant"] = _setting(
        "cosine", "how the rate falls: /10 when validation stops improving, along a cosine, /10 at even steps, never"
    )
    lr_drops: int = _setting(3, "how often `plateau` and `steps` divide the rate by 10", least=0)
    patience: int = _setting(5, "validations without a better error before `plateau` acts", least=1)
    warmup_epochs: float = _setting(1.0, "epochs over which the rate rises from zero", least=0)
    clip: float = _setting(10.0, "norm that a step's gradient is cut down to; 0: never cut", least=0)
    label_smoothing: float = _setting(0.1, "share of the target spread over all classes", least=0, most=0.9)
    init: Literal["lineage", "scaled", "he"] = _setting(
        "scaled", "initial weights: as the lineage's table says, of variance 1 / inputs, or He's 2 / inputs", TRAIN
    )
    standardize: bool = _setting(True, "divide colours by their standard deviation where the lineage does not", TRAIN)

    crop: Literal["random", "area", "center"] = _setting("area", "training crop: shifted, of random area, or centre")
    min_area: float = _setting(0.5, "smallest share of the picture that an `area` crop shows", least=0.01, most=1)
    flip: bool = _setting(True, "mirror half of the training pictures")
    cutmix: float = _setting(
        0.0, "how likely a view shows a box of another one, and shares its label", TRAIN, least=0, most=1
    )
    color: Literal["sqrt", "eigenvalue", "off"] = _setting("sqrt", "reading of the PCA colour noise")
    color_std: float = _setting(0.1, "standard deviation of the PCA colour noise", least=0)

    val_fraction: float = _setting(
        0.1, "share of each class kept for validation where the data has no split", least=0.001, most=0.9
    )
    views: Literal[1, 10] = _setting(1, "views per picture at validation")
    val_epochs: int = _setting(1, "epochs from one validation to the next; the last is always validated", least=1)
    seed: int = _setting(0, "seed of everything random", least=0)
    workers: int = _setting(0, "threads that read pictures; 0: as many as the machine bears", least=0)
    device: str = _setting("auto", "auto, cpu, cuda, cuda:N or mps")
    precision: Literal["auto", "float32", "bfloat16"] = _setting(
        "auto", "of a step's arithmetic; weights stay in float32; auto: bfloat16 where the GPU kernels run", TRAIN
    )
    parallel: Literal["auto", "ddp", "hybrid", "towers"] = _setting(
        "auto", "how several processes share the work (under torchrun): auto chooses and says why", TRAIN
    )
    wire: Literal["auto", "float32", "bfloat16"] = _setting(
        "auto", "what gradients travel as between processes; auto: as they were computed", TRAIN
    )
    turns: Literal["a", "b", "c"] = _setting(
        "a",
        "hybrid: features come to the fully connected layers all at once, process by process, or in equal parts",
        TRAIN,
    )
    fc_moves: Literal["once", "each"] = _setting(
        "once",
        "hybrid: move the fully connected layers once a step, or after each turn (b and c), by smaller batches",
        TRAIN,
    )
    shard_optimizer: bool = _setting(False, "ddp: each process moves its own part of the weights", TRAIN)
    log_steps: int = _setting(50, "steps between two lines of metrics.jsonl", least=1)
    checkpoint_minutes: float = _setting(10.0, "minutes between two checkpoints; 0: not by the clock", least=0)
    checkpoint_steps: int = _setting(0, "steps between two checkpoints; 0: not by steps", least=0)
    keep_checkpoints: int = _setting(2, "how many checkpoints stay on disk", least=1)


MODERN = Recipe()

# Small steps from a network that can already see: pictures come from a cache, so there is no crop to draw.
TUNED = replace(
    MODERN,
    recipe="finetune",
    lineage="",
    lr=0.01,
    crop="random",
    color="off",
    label_smoothing=0.0,
    val_fraction=0.2,
)

# Where a preset does not decide alone: the lineage's solver, or the number of pictures.
PAPER_DECIDES = frozenset({
    "epochs", "batch_size", "lr", "momentum", "update", "weight_decay", "bias_lr", "bias_decay", "schedule",
    "lr_drops", "patience", "warmup_epochs", "clip", "label_smoothing", "init", "standardize", "crop", "color",
})  # fmt: skip
COUNT_DECIDES = frozenset(("epochs", "head_epochs", "batch_size"))

# What a resumed run may be told anew: nothing here changes the weights, but by how sums are rounded.
FREE_ON_RESUME = frozenset(
    (
        "workers",
        "device",
        "parallel",
        "wire",
        "turns",
        "shard_optimizer",
        "log_steps",
        "checkpoint_minutes",
        "checkpoint_steps",
        "keep_checkpoints",
    )
)


def paper(lineage: Lineage) -> Recipe:
    """The recipe that the lineage's own authors used; what its `solver` says."""
    solver = lineage.solver
    return replace(
        MODERN,
        recipe="paper",
        epochs=solver.epochs,
        batch_size=solver.batch_size,
        lr=solver.lr,
        momentum=solver.momentum,
        update="paper",
        weight_decay=solver.weight_decay,
        bias_lr=solver.bias_lr,
        bias_decay=solver.bias_decay,
        schedule="plateau",
        lr_drops=solver.lr_drops,
        warmup_epochs=0.0,
        clip=0.0,
        label_smoothing=0.0,
        init="lineage",
        standardize=False,
        crop="random",
        color=solver.color,
    )


def tuned(count: int, epochs: int | None = None, batch_size: int | None = None) -> Recipe:
    """The fine-tuning preset for `count` training pictures: a few hundred steps per stage, whatever the folder's size.

    40 pictures make batches of 8 and 30 epochs a stage, 4000 pictures batches of 64 and 5 epochs. On a CPU a step costs
    the update of fc6 and fc7 whatever the batch, so batches are as large as some ten steps an epoch allow.

    Args:
        count: training pictures.
        epochs: of both stages together, where that was given.
        batch_size: where it was given.
    """
    size = batch_size or min(64, max(8, 2 ** round(math.log2(max(count, 8) / 8))))
    total = epochs or 2 * min(30, max(5, math.ceil(200 * size / max(count, 1))))
    return replace(TUNED, batch_size=size, epochs=total, head_epochs=math.ceil(total / 2))
