"""`--dry-run`: what a run would be, found out without starting it."""

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet.lineages import Lineage, find, trace, vary
from alexnet.train.recipe import Recipe
from alexnet.train.settings import resolve_training, resolve_tuning, switched

if TYPE_CHECKING:
    from alexnet.lineages.spec import Fit
    from alexnet.train.material import Material

BYTES = 4  # of a float32


def plan_training(data: Path, settings: Mapping[str, object]) -> dict[str, Any]:
    """What `train` would do with these settings."""
    lineage = find(str(settings.get("lineage", Recipe.lineage)))
    recipe = resolve_training(settings, lineage)
    material = look_at(data, recipe, lineage.input.resize, lineage.input.fit)
    lineage = switched(lineage, recipe, len(material.train.classes))
    return plan(recipe, lineage, material, [layer.name for layer in lineage.layers])


def plan_finetuning(data: Path, settings: Mapping[str, object]) -> dict[str, Any]:
    """What `finetune` would do with these settings."""
    from alexnet import weights
    from alexnet.train.tuning import plan_tuning

    draft = resolve_tuning(settings)
    source = weights.load(draft.weights or None)
    material = look_at(data, draft, source.preprocessing.side, source.preprocessing.fit)
    classes = material.train.classes
    tuning = plan_tuning(settings, source.lineage, classes != source.labels, len(material.train))
    lineage = vary(source.lineage, num_classes=len(classes))
    return plan(tuning.recipe, lineage, material, (*tuning.renewed, *tuning.deeper))


def look_at(data: Path, recipe: Recipe, side: int, fit: "Fit") -> "Material":
    """The pictures of the run, opened but not read."""
    from alexnet.train.material import open_material

    with tempfile.TemporaryDirectory() as folder:  # for splits.csv, which a run would keep
        return open_material(data.resolve(), Path(folder), recipe.val_fraction, recipe.seed, side, fit)


def plan(recipe: Recipe, lineage: Lineage, material: "Material", trained: Collection[str]) -> dict[str, Any]:
    """The figures of a run, as `--json` prints them."""
    rows = trace(lineage)
    params = sum(row.params for row in rows)
    trained_params = sum(row.params for row in rows if row.layer.name in trained)
    count = len(material.train)
    return {
        "dry_run": True,
        "recipe": recipe.recipe,
        "lineage": lineage.name,
        "classes": len(material.train.classes),
        "train_images": count,
        "val_images": len(material.val),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "steps": recipe.epochs * -(-count // recipe.batch_size),
        "params": params,
        "trained_params": trained_params,
        # best/ holds the weights; a checkpoint those and a velocity for each weight that is trained
        "run_bytes": BYTES * (params + recipe.keep_checkpoints * (params + trained_params)),
    }


def plan_parts(plan: Mapping[str, Any]) -> list[str]:
    """A plan for people."""
    pictures = f"{plan['train_images']:,} training and {plan['val_images']:,} validation pictures"
    trained = f"{plan['trained_params']:,} of {plan['params']:,} parameters trained"
    return [
        f"{pictures} in {plan['classes']} classes",
        f"{plan['lineage']}, recipe {plan['recipe']}: {trained}",
        f"{plan['epochs']} epochs in batches of {plan['batch_size']}: {plan['steps']:,} steps",
        f"the run folder takes up to {plan['run_bytes'] / 1e6:,.0f} MB",
        "Nothing was done: this is a dry run.",
    ]
