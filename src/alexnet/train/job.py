"""What all stages of a run share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from alexnet.data.loader import Skips
from alexnet.data.preprocess import Preprocessing
from alexnet.inference.classifier import Classifier
from alexnet.model import AlexNet
from alexnet.parallel.team import ALONE, Team
from alexnet.train.recipe import Recipe
from alexnet.train.reporter import Reporter
from alexnet.train.signals import StopWish
from alexnet.weights import Weights


@dataclass(frozen=True, eq=False)
class Job:
    """What all stages of a run share.

    Attributes:
        folder: of the run.
        net: the whole network, on its device.
        labels: names of the classes.
        provenance: what the weights' card says about where they come from.
        resume_command: what goes on with this run.
        team: the processes that do this job together.
        skips: training pictures that could not be read; a resumed run knows those from before.
    """

    folder: Path
    recipe: Recipe
    net: AlexNet
    device: torch.device
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: Mapping[str, object]
    reporter: Reporter
    wish: StopWish
    resume_command: str
    team: Team = ALONE
    skips: Skips = field(default_factory=Skips)

    def weights(self, **measured: object) -> Weights:
        """The network as it is now, as weights to be saved; `measured` joins the provenance."""
        tensors = {name: tensor.detach() for name, tensor in self.net.state_dict().items()}
        provenance = {**self.provenance, **measured}
        return Weights(tensors, self.net.lineage, self.labels, self.preprocessing, provenance)

    def classifier(self) -> Classifier:
        """The network as it is now, as `alexnet evaluate` sees it."""
        return Classifier(self.net, self.labels, self.preprocessing, self.net.lineage, self.device, str(self.folder))

    def stop_if_asked(self, save: Callable[[], object] = lambda: None) -> None:
        """End the run if a signal wished so.

        Args:
            save: writes the checkpoint, if there is anything to save yet.

        Raises:
            Terminated, Interrupted: the message holds the command to go on with.
        """
        if self.wish.asked is not None:
            save()
            raise self.wish.error(f"Stopped by {self.wish.asked.name}. Go on with:\n  {self.resume_command}")

    def meter(self, task: str, save: Callable[[], object] = lambda: None) -> Callable[[int, int], None]:
        """A function of (done, total) that reports a task's progress and lets a signal end it; a team ends it first."""

        def advance(done: int, total: int) -> None:
            self.reporter.progress(task, done, total)
            if self.team.is_alone:
                self.stop_if_asked(save)

        return advance
