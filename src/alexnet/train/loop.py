"""What every run is: stages in order, from the latest checkpoint if there is one.

On a CPU a run that was interrupted anywhere ends with bitwise the same weights as one that was not: order,
augmentation and dropout are functions of (seed, epoch, position) and (seed, step), and a checkpoint holds the rest.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from torch import Tensor

from alexnet.train.cursor import Cursor
from alexnet.train.heap import keep_freed_memory
from alexnet.train.job import Job
from alexnet.train.metrics import MetricsLog, NoLog
from alexnet.train.stage import Stage
from alexnet.train.worker import Worker
from alexnet.weights.checkpoint import latest, read_checkpoint


def fit(job: Job, plan: Sequence[Callable[[], Stage]]) -> Cursor:
    """Train stage after stage and return where that ended.

    Args:
        job: its network's weights are those of the start, or of the checkpoint afterwards.
        plan: makes each stage when its turn comes.

    Raises:
        Terminated: SIGTERM came; the checkpoint is written.
        Interrupted: Ctrl-C came; the checkpoint is written.
        RunError: the loss is no number any more, or the run folder cannot be written.
    """
    if job.device.type == "cpu":
        keep_freed_memory()
    cursor, saved = _restore(job)
    with closing(MetricsLog(job.folder, cursor.rows) if job.team.speaks else NoLog()) as log:
        while cursor.stage < len(plan):
            Worker(job, plan[cursor.stage](), cursor, log, saved).run()
            saved = {}
    return cursor


def _latest(job: Job) -> Path | None:
    """The checkpoint that rank 0 finds, for all ranks."""
    found = latest(job.folder, job.reporter.warn) if job.team.speaks else None
    (name, *_) = job.team.collect(str(found) if found else None)
    return Path(name) if name else None


def _restore(job: Job) -> tuple[Cursor, dict[str, Tensor]]:
    """The cursor and the velocities of the latest checkpoint; its weights go into the network."""
    folder = _latest(job)
    if folder is None:
        return Cursor(), {}
    checkpoint = read_checkpoint(folder)
    job.net.load_state_dict(checkpoint.tensors)
    cursor = Cursor.from_json(checkpoint.state)
    job.skips.reasons.update(cursor.skipped)
    job.reporter.say(f"Going on from step {cursor.step}: {folder}")
    return cursor, checkpoint.optimizer_tensors
