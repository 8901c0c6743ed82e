"""The stages of fine-tuning: on cached features while the first layers stay as they are, else on pictures."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor, nn

from alexnet.data.loader import Skips
from alexnet.data.source import Pictures
from alexnet.data.statistics import Statistics
from alexnet.data.views import center_view, ten_views
from alexnet.inference.layers import at_rest
from alexnet.parallel.scheme import Scheme
from alexnet.train.features import (
    FOLDER,
    Features,
    cache_further,
    cache_pictures,
    feature_batches,
    mirrored_pair,
    score,
)
from alexnet.train.job import Job
from alexnet.train.material import Material
from alexnet.train.pictures import picture_supply
from alexnet.train.stage import Progress, Scores, Stage, Supply
from alexnet.train.tuning import last_fixed, stage_epochs


@dataclass(frozen=True, eq=False)
class Tuner:
    """Makes the stages of a fine-tuning run.

    Attributes:
        statistics: of the training pictures; only colour noise reads them.
        renewed: layers that start anew, in order.
        deeper: layers that come trained and join in later, in order.
    """

    job: Job
    material: Material
    statistics: Statistics | None
    renewed: tuple[str, ...]
    deeper: tuple[str, ...]
    val_skips: Skips = field(default_factory=Skips)

    def plan(self) -> list[Callable[[], Stage]]:
        """The stages that have epochs: the new layers alone, then all that is trained."""
        alone, together = stage_epochs(self.job.recipe, self.renewed, self.deeper)
        head = partial(self._stage, "head", alone, self.renewed, ())
        deeper = partial(self._stage, "deeper", together, (*self.deeper, *self.renewed), self.deeper)
        return [stage for stage, epochs in ((head, alone), (deeper, together)) if epochs]

    def _stage(self, name: str, epochs: int, trained: Collection[str], deep: Collection[str]) -> Stage:
        net, cut = self.job.net, last_fixed(self.job.net.lineage, trained)
        module = net if cut is None else net.part(after=cut)
        parameters = {key: value for key, value in net.named_parameters() if key.split(".")[0] in trained}
        return Stage(
            name=name,
            epochs=epochs,
            scheme=Scheme(net, module, parameters),
            deep=frozenset(key for key in parameters if key.split(".")[0] in deep),
            supply=self._supply(cut, module),
        )

    def _supply(self, cut: str | None, module: nn.Module) -> Supply:
        job = self.job
        if cut is None:
            return picture_supply(job, self.material, self.statistics, Scheme(job.net, module, {}))
        train, val = self._features("train", cut), self._features("val", cut)

        def validate(progress: Progress) -> Scores:
            with at_rest(module):
                return score(val, module, job.device, progress)

        examples = feature_batches(train, job.recipe.seed, job.recipe.batch_size, job.recipe.flip, job.device)
        return Supply(len(train), examples, validate)

    def _features(self, split: str, cut: str) -> Features:
        """What layer `cut` makes of a split; by way of the features of the stage after this one, if there are any."""
        job, net = self.job, self.job.net
        path = job.folder / FOLDER / f"{split}-{cut}"
        base = self._cut_of_last_stage()
        meter = job.meter(f"{split} features of {cut}")
        with at_rest(net):
            if base is not None and base != cut:
                earlier = self._features(split, base)
                return cache_further(path, earlier, net.part(after=base, upto=cut), job.device, meter)
            return cache_pictures(
                path,
                self._pictures(split),
                self._cut(split),
                net.part(upto=cut),
                job,
                skips=job.skips if split == "train" else self.val_skips,
                progress=meter,
            )

    def _cut_of_last_stage(self) -> str | None:
        _, together = stage_epochs(self.job.recipe, self.renewed, self.deeper)
        trained = (*self.deeper, *self.renewed) if together else self.renewed
        return last_fixed(self.job.net.lineage, trained)

    def _pictures(self, split: str) -> Pictures:
        return self.material.train if split == "train" else self.material.val

    def _cut(self, split: str) -> Callable[[Tensor], Tensor]:
        """How the views of a split are cut: (B, 3, S, S) to (B, V, 3, size, size)."""
        size = self.job.preprocessing.size
        if split == "train":
            return partial(mirrored_pair, size=size)
        if self.job.recipe.views == 10:
            return partial(ten_views, size=size)
        return lambda pictures: center_view(pictures, size).unsqueeze(1)
