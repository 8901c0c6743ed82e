"""`alexnet finetune`: a trained network learns the classes of a folder, the new layers first, then deeper ones."""

import shutil
from pathlib import Path

from alexnet import weights
from alexnet.errors import UsageError
from alexnet.inference.device import resolve_device
from alexnet.lineages import Lineage, vary
from alexnet.lineages.spec import Conv, Linear, Local
from alexnet.model import AlexNet, build
from alexnet.model.init import initialize_layer
from alexnet.train.features import FOLDER
from alexnet.train.initial import weight_generator
from alexnet.train.job import Job
from alexnet.train.launch import Launch, launch, provenance, record
from alexnet.train.loop import fit
from alexnet.train.material import open_material
from alexnet.train.reporter import SILENT, Reporter
from alexnet.train.run import Run, conclude
from alexnet.train.settings import resolve_tuning
from alexnet.train.statistics import training_statistics
from alexnet.train.tuner import Tuner
from alexnet.train.tuning import plan_tuning
from alexnet.weights import Weights
from alexnet.weights.load import is_name


def finetune(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    reporter: Reporter = SILENT,
    **settings: object,
) -> Run:
    """Teach a trained network the classes of a folder and return the finished run.

    The layers that start anew learn first, alone; then those behind `freeze` join in, at a lower rate. Preprocessing
    and lineage are those of the weights.

    Args:
        folder: a folder per class (with or without train/ and val/), a CSV or JSONL list, tar or a prepared set.
        output: the run folder; None is `runs/` and the name of the folder.
        resume: go on with the run in `output`, if there is one.
        reporter: is told how it goes.
        settings: fields of `alexnet.train.recipe.Recipe`, such as weights="runs/pets", freeze="conv5", epochs=5.

    Raises:
        UsageError: a setting that does not exist or does not fit; no weights to start from.
        WeightsError: the weights cannot be used.
        DataError: pictures that no classifier can learn from.
        RunError: the run folder cannot be used, or the loss is no number any more.
        Stopped: a signal came; the message says how to go on.
    """
    with launch("finetune", folder, output, resume, _absolute(settings)) as launched:
        if not launched.team.is_alone:
            raise UsageError(
                f"torchrun started {launched.team.size} processes, and `alexnet finetune` works in one: its features "
                "are computed once and its epochs take seconds. Start it without torchrun."
            )
        tuner = _prepare(launched, reporter)
        fit(tuner.job, tuner.plan())
        run = conclude(tuner.job, tuner.material, launched)
        shutil.rmtree(launched.folder / FOLDER, ignore_errors=True)
        return run


def _absolute(settings: dict[str, object]) -> dict[str, object]:
    """The settings with the whole path of the weights, so that the run can go on from any folder."""
    source = settings.get("weights")
    is_path = isinstance(source, Path) or (isinstance(source, str) and not is_name(source))
    if is_path and Path(str(source)).expanduser().exists():
        return {**settings, "weights": str(Path(str(source)).expanduser().resolve())}
    return settings


def _prepare(launched: Launch, reporter: Reporter) -> Tuner:
    """Open weights and pictures, build the network with its new layers, and record what the run is."""
    draft = resolve_tuning(launched.settings)
    device = resolve_device(draft.device)
    source = weights.load(draft.weights or None, notice=reporter.warn)
    square = source.preprocessing
    material = open_material(launched.data, launched.folder, draft.val_fraction, draft.seed, square.side, square.fit)
    labels = material.train.classes
    tuning = plan_tuning(launched.settings, source.lineage, labels != source.labels, len(material.train))
    recipe = tuning.recipe
    job = Job(
        folder=launched.folder,
        recipe=recipe,
        net=renewed_network(source, len(labels), tuning.renewed, recipe.seed).to(device),
        device=device,
        labels=labels,
        preprocessing=source.preprocessing,
        provenance=provenance(launched, recipe, trained_from=recipe.weights or str(weights.DEFAULT_WEIGHTS)),
        reporter=reporter,
        wish=launched.wish,
        resume_command=launched.resume_command,
    )
    statistics = None
    if recipe.color != "off":
        statistics = training_statistics(launched.data, launched.folder, material.train)
    record(launched, recipe, device)
    tuner = Tuner(job, material, statistics, tuning.renewed, tuning.deeper)
    reporter.say(_greeting(tuner))
    return tuner


def _greeting(tuner: Tuner) -> str:
    job, material = tuner.job, tuner.material
    return (
        f"{job.net.lineage.name} from {job.provenance['trained_from']}: {len(material.train):,} training and "
        f"{len(material.val):,} validation pictures of {len(job.labels)} classes, on {job.device}. "
        f"New: {', '.join(tuner.renewed) or 'nothing'}; trained later: {', '.join(tuner.deeper) or 'nothing'}."
    )


def renewed_network(source: Weights, num_classes: int, renewed: tuple[str, ...], seed: int) -> AlexNet:
    """The network of `source` with `num_classes` classes, the layers `renewed` drawn anew by the lineage's table."""
    lineage = vary(source.lineage, num_classes=num_classes)
    net = build(lineage).to_empty(device="cpu")
    kept = {key: value for key, value in source.tensors.items() if key.split(".")[0] not in renewed}
    net.load_state_dict(kept, strict=False)
    generator = weight_generator(seed)
    for row in _rows(lineage, renewed):
        initialize_layer(net.get_submodule(row.name), row, generator)
    return net


def _rows(lineage: Lineage, names: tuple[str, ...]) -> list[Conv | Local | Linear]:
    return [row for row in lineage.layers if isinstance(row, Conv | Local | Linear) and row.name in names]
