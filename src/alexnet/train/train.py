"""`alexnet train`: a network from scratch."""

from pathlib import Path

from alexnet.data.statistics import Statistics
from alexnet.errors import UsageError
from alexnet.inference.device import resolve_device
from alexnet.lineages import find
from alexnet.parallel.choose import Options, make_scheme
from alexnet.parallel.scheme import Scheme
from alexnet.train.engine import engine, part_engine
from alexnet.train.initial import fresh_network
from alexnet.train.job import Job
from alexnet.train.launch import Launch, launch, provenance, record
from alexnet.train.loop import fit
from alexnet.train.material import Material, open_material
from alexnet.train.pictures import picture_supply
from alexnet.train.recipe import Recipe
from alexnet.train.reporter import SILENT, Reporter
from alexnet.train.run import Run, conclude
from alexnet.train.settings import resolve_training, switched
from alexnet.train.stage import Stage
from alexnet.train.statistics import preprocessing_of, training_statistics


def train(
    data: str | Path,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    reporter: Reporter = SILENT,
    **settings: object,
) -> Run:
    """Train a network from scratch and return the finished run.

    Args:
        data: a folder per class (with or without train/ and val/), a CSV or JSONL list, tar or a prepared set.
        output: the run folder; None is `runs/` and the name of the data.
        resume: go on with the run in `output`, if there is one.
        reporter: is told how it goes.
        settings: fields of `alexnet.train.recipe.Recipe`, such as lineage="bvlc", recipe="modern", epochs=30.

    Raises:
        UsageError: a setting that does not exist or does not fit.
        DataError: pictures that no classifier can learn from.
        RunError: the run folder cannot be used, or the loss is no number any more.
        Stopped: a signal came; the message says how to go on.
    """
    with launch("train", data, output, resume, settings) as launched:
        job, material, statistics = _prepare(launched, reporter)
        scheme = share_out(job)
        fit(job, [lambda: from_scratch(job, material, statistics, scheme)])
        return conclude(job, material, launched)


def _prepare(launched: Launch, reporter: Reporter) -> tuple[Job, Material, Statistics]:
    """Open the pictures, build the network, and record what the run is."""
    lineage = find(str(launched.settings.get("lineage", Recipe.lineage)))
    recipe = resolve_training(launched.settings, lineage)
    team = launched.team
    device = resolve_device(team.device(recipe.device))
    square, folder = lineage.input, launched.folder
    with team.first_alone():
        material = open_material(launched.data, folder, recipe.val_fraction, recipe.seed, square.resize, square.fit)
        statistics = training_statistics(launched.data, folder, material.train)
    lineage = switched(lineage, recipe, len(material.train.classes))
    job = Job(
        folder=launched.folder,
        recipe=recipe,
        # NCHW on a CPU: bvlc trains 20 images/s so and 14 in channels_last (batch 32, 2 EPYC cores, torch 2.13).
        net=fresh_network(lineage, recipe).to(device),
        device=device,
        labels=material.train.classes,
        preprocessing=preprocessing_of(lineage.input, statistics, recipe.standardize, material.train.side),
        provenance=provenance(launched, recipe),
        reporter=reporter if team.speaks else SILENT,
        wish=launched.wish,
        resume_command=launched.resume_command,
        team=team,
    )
    record(launched, recipe, device)
    job.reporter.say(
        f"{lineage.name} from scratch: {len(material.train):,} training and {len(material.val):,} validation pictures "
        f"of {len(job.labels)} classes, on {device}."
    )
    return job, material, statistics


def share_out(job: Job) -> Scheme:
    """The network in the form in which it trains here, and how the processes of this run share its work."""
    recipe = job.recipe
    if recipe.cutmix and recipe.batch_size % 2 and not job.team.is_alone:
        raise UsageError(
            f"batch_size = {recipe.batch_size} is odd, so that partners of --cutmix come to different processes. "
            "Give an even one."
        )
    is_low_precision = job.device.type == "cuda" and recipe.precision != "float32"
    options = Options(
        recipe.parallel, recipe.wire, recipe.shard_optimizer, recipe.turns, is_low_precision, recipe.fc_moves == "each"
    )
    scheme, reason = make_scheme(
        job.net, job.team, options, recipe.batch_size,
        lambda net: engine(net, recipe.precision), lambda part: part_engine(part, recipe.precision),
    )  # fmt: skip
    if not job.team.is_alone:
        job.reporter.say(f"{job.team.size} processes, {scheme.name}: {reason}")
    return scheme


def from_scratch(job: Job, material: Material, statistics: Statistics, scheme: Scheme) -> Stage:
    """The one stage of a run from scratch: all of the network, from random views of the pictures."""
    return Stage(
        name="train",
        epochs=job.recipe.epochs,
        scheme=scheme,
        deep=frozenset(),
        supply=picture_supply(job, material, statistics, scheme),
    )
