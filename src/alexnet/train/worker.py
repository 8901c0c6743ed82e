"""One stage at work: step, log, validate, keep the best, and be able to stop and go on anywhere."""

import signal
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from alexnet.parallel.pulse import Pulse
from alexnet.train.cursor import Best, Cursor
from alexnet.train.job import Job
from alexnet.train.metrics import NoLog
from alexnet.train.schedule import rate
from alexnet.train.stage import Examples, Stage
from alexnet.train.step import make_step, step_seed
from alexnet.train.watch import require_finite, stuck_advice
from alexnet.weights import save
from alexnet.weights.checkpoint import prune, step_folder, write_checkpoint


class Worker:
    """Trains one stage from where `cursor` stands, and moves the cursor along.

    In a team every rank has a worker, whose cursors move alike; rank 0 alone writes.

    Args:
        saved: velocities of a checkpoint within this stage; empty at its start.
    """

    def __init__(self, job: Job, stage: Stage, cursor: Cursor, log: NoLog, saved: Mapping[str, Tensor]) -> None:
        self.job, self.stage, self.cursor, self.log = job, stage, cursor, log
        self.recipe, self.team, self.scheme = job.recipe, job.team, stage.scheme
        self.pulse = Pulse(job.team)
        batch_size = min(self.recipe.batch_size, stage.supply.count)
        self.step = make_step(stage.scheme, stage.deep, self.recipe, batch_size, saved)
        # Summed where it is made, of this rank's pictures: to read it is to wait for the device.
        self.window_loss = torch.tensor(cursor.window_loss if self.team.speaks else 0.0, device=job.device)
        self.steps_per_epoch = -(-stage.supply.count // self.recipe.batch_size)
        self.note, self.images_per_s = "", 0.0
        self.checkpoint: Path | None = None
        self.saved_at = self.ticked_at = time.monotonic()

    def run(self) -> None:
        """Train the epochs of the stage that are left."""
        self._prepare()
        while self.cursor.epoch < self.stage.epochs:
            self._train_epoch()
            if self._is_validation_due():
                self._validate()
            self.cursor.next_epoch()
        self.cursor.next_stage()
        self._save({})

    def _prepare(self) -> None:
        """Let only the stage's parameters move, and only its part of the network drop out."""
        self.job.net.requires_grad_(False).eval()
        self.scheme.module.train()
        for parameter in self.scheme.learners():
            parameter.requires_grad_(True)

    def _train_epoch(self) -> None:
        cursor, count = self.cursor, self.stage.supply.count
        began, first = time.monotonic(), cursor.position
        task = f"{self.stage.name}, epoch {cursor.epoch + 1} of {self.stage.epochs}"
        with closing(self.stage.supply.batches(cursor.epochs, first)) as stream:
            for examples in stream:
                self._step(examples)
                self.images_per_s = (cursor.position - first) / (time.monotonic() - began)
                self.job.reporter.progress(task, cursor.position, count, self.note)
                self._after_step()
        cursor.position = count
        if cursor.window_pictures:
            self._close_window()
        self._warn_of_skips()

    def _warn_of_skips(self) -> None:
        if not self.team.is_alone:
            self.job.skips.join(self.team.collect(self.job.skips.reasons), self.stage.supply.count)
        reasons, known = self.job.skips.reasons, self.cursor.skipped
        if len(reasons) > len(known):
            first = next(reason for name, reason in reasons.items() if name not in known)
            self.job.reporter.warn(f"{len(reasons)} pictures could not be read and are passed over; such as {first}")
            self.cursor.skipped = dict(reasons)

    def _step(self, examples: Examples) -> None:
        cursor = self.cursor
        cursor.lr = rate(self.recipe, cursor.stage_step, self.steps_per_epoch, self.stage.epochs, cursor.plateau)
        self.window_loss += self.step(examples, cursor.lr, step_seed(self.recipe.seed, cursor.step))
        cursor.step += 1
        cursor.stage_step += 1
        cursor.position = examples.upto
        cursor.window_steps += 1
        cursor.window_pictures += examples.count

    def _after_step(self) -> None:
        if self.cursor.step % self.recipe.log_steps == 0:
            self._write_row(event="step", train_loss=self._close_window(), images_per_s=self.images_per_s)
        wish = self.job.wish
        asked, is_late = self.pulse.ask(int(wish.asked or 0), int(self._is_checkpoint_late()))
        if is_late or self._is_checkpoint_due():
            self._save_here()
        if asked:
            wish.asked = signal.Signals(asked)  # of another rank, perhaps
            self.job.stop_if_asked(self._save_here)

    def _close_window(self) -> float:
        """Return the mean loss of the pictures since the last row, after a look at it, and start anew."""
        cursor, total = self.cursor, float(self.team.sum(self.window_loss))
        mean = total / cursor.window_pictures
        require_finite(mean, cursor.step, cursor.lr, self.checkpoint)
        cursor.watch = cursor.watch.after(total, cursor.window_pictures, cursor.window_steps, len(self.job.labels))
        if cursor.watch.is_stuck(self.steps_per_epoch) and not cursor.watch.is_said:
            expected = self.job.net.lineage.input
            self.job.reporter.warn(stuck_advice(cursor.watch, len(self.job.labels), self.recipe, expected))
            cursor.watch = replace(cursor.watch, is_said=True)
        cursor.epoch_loss += total
        cursor.epoch_pictures += cursor.window_pictures
        cursor.window_steps = cursor.window_pictures = 0
        self.window_loss.zero_()
        self.note = f"loss {mean:.3f}"
        return mean

    def _is_validation_due(self) -> bool:
        done = self.cursor.epoch + 1
        return done % self.recipe.val_epochs == 0 or done == self.stage.epochs

    def _validate(self) -> None:
        cursor, recipe = self.cursor, self.recipe
        self.scheme.assemble()
        scores = self.stage.supply.validate(self.job.meter("validation", self._save_here))
        row = self._write_row(
            event="epoch",
            train_loss=cursor.epoch_loss / cursor.epoch_pictures,
            val_loss=scores.loss,
            top1_error=scores.top1_error,
            top5_error=scores.top5_error,
            images_per_s=self.images_per_s,
        )
        self.job.reporter.epoch(row)
        cursor.plateau = cursor.plateau.after(scores.top1_error, recipe.patience, recipe.lr_drops)
        best = Best(cursor.epochs + 1, cursor.step, scores.top1_error, scores.loss)
        if best.beats(cursor.best):
            cursor.best = best
            measured = {"top1_error": scores.top1_error, "top5_error": scores.top5_error, "epoch": best.epoch}
            if self.team.speaks:
                save(self.job.weights(**measured), self.job.folder / "best")

    def _write_row(self, **figures: object) -> dict[str, object]:
        now = time.monotonic()
        self.cursor.seconds += now - self.ticked_at
        self.ticked_at = now
        row = {
            "event": figures["event"],
            "stage": self.stage.name,
            "epoch": self.cursor.epochs + 1,
            "step": self.cursor.step,
            "lr": self.cursor.lr,
            "seconds": self.cursor.seconds,
            **figures,
        }
        self.log.append(row)
        self.cursor.rows += 1
        return row

    def _is_checkpoint_due(self) -> bool:
        every = self.recipe.checkpoint_steps
        return every > 0 and self.cursor.step % every == 0

    def _is_checkpoint_late(self) -> bool:
        minutes = self.recipe.checkpoint_minutes
        return minutes > 0 and time.monotonic() - self.saved_at >= 60 * minutes

    def _save_here(self) -> None:
        """Write a checkpoint within the stage."""
        self._save(self.step.velocities())

    def _save(self, optimizer_tensors: Mapping[str, Tensor]) -> None:
        cursor = self.cursor
        cursor.window_loss = float(self.team.sum(self.window_loss.clone()))
        require_finite(cursor.window_loss, cursor.step, cursor.lr, self.checkpoint)
        self.scheme.assemble()
        self.checkpoint = step_folder(self.job.folder, cursor.step)
        if self.team.speaks:
            self.log.sync()
            write_checkpoint(self.checkpoint, self.job.weights(), optimizer_tensors, cursor.to_json())
            prune(self.job.folder, self.recipe.keep_checkpoints)
        self.saved_at = time.monotonic()
