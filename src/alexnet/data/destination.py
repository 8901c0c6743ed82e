"""The folder that a prepared set is made in: whether it may be used, and by whom."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alexnet.data.dataset_card import CARD, WORK, is_prepared, read_card
from alexnet.data.durable import write_json
from alexnet.data.plan import Plan
from alexnet.errors import DataError

PLAN = "plan.json"
LOCK = "lock"


def require_apart(source: Path, destination: Path) -> None:
    """Refuse a destination that is the source or lies in it: the shards would be found as pictures next time."""
    if source.is_dir() and destination.resolve().is_relative_to(source.resolve()):
        raise DataError(f"{destination} lies in the source {source}. Choose a folder outside it.")


def is_finished(destination: Path, plan: Plan) -> bool:
    """Whether `destination` holds the very set of `plan`, complete.

    Raises:
        DataError: it holds something else.
    """
    if not destination.is_dir() or not any(destination.iterdir()):
        return False
    if not is_prepared(destination):
        raise DataError(f"{destination} has files in it that are no prepared set. Choose an empty folder.")
    is_complete = (destination / CARD).is_file()
    found = read_card(destination).plan if is_complete else _unfinished_plan(destination)
    if found is not None and found != plan:
        raise DataError(
            f"{destination} was made with {', '.join(found.differences(plan))}. "
            "Choose another folder, or remove this one to make it anew."
        )
    return is_complete


@contextmanager
def working_folder(destination: Path, plan: Plan) -> Iterator[None]:
    """Hold `destination` for one run of `plan`; what the run keeps in `.preparing/` goes when the block ends well.

    Raises:
        DataError: another process holds it, or it cannot be written to.
    """
    work = destination / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
        with (work / LOCK).open("wb") as lock:
            _take(lock.fileno(), destination)
            write_json(work / PLAN, plan.to_json())
            yield
            remove_work(destination)
    except OSError as cause:
        raise DataError(
            f"{destination} cannot be written: {cause.strerror or cause}. Free some space or choose a folder that you "
            "may write to. The same command goes on from here: finished shards are kept."
        ) from cause


def remove_work(destination: Path) -> None:
    """Remove what only an unfinished set needs."""
    if (destination / WORK).is_dir():
        shutil.rmtree(destination / WORK)


def require_room(destination: Path, needed: int) -> None:
    """Refuse to begin what cannot end: `needed` bytes must be free."""
    free = shutil.disk_usage(destination).free
    if needed > free:
        raise DataError(
            f"{destination} has {free / 1e9:.1f} GB free, and the shards still to make need {needed / 1e9:.1f} GB. "
            "Free some space, choose another disk, or use --format jpeg, which takes an eighth or less."
        )


def _take(handle: int, destination: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go of by the system when the process ends
    except BlockingIOError as cause:
        raise DataError(f"{destination}: another process is preparing this set. Wait for it to end.") from cause


def _unfinished_plan(destination: Path) -> Plan | None:
    """The plan of an unfinished set; None where not even that was written before the end came."""
    try:
        return Plan.from_json(json.loads((destination / WORK / PLAN).read_text(encoding="ascii")))
    except FileNotFoundError:
        return None
