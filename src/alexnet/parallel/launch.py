"""From what torchrun started to a team, and from one rank's failure to the end of all, with one message."""

import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, rendezvous  # type: ignore[attr-defined]

from alexnet.errors import AlexNetError, PeerFailed, UsageError
from alexnet.parallel.place import Place, here
from alexnet.parallel.team import ALONE, Team

FAILED = "failed"
TIMEOUT = timedelta(minutes=10)
# A rank that waits inside a collective for one that is gone gets this long to notice it by itself.
GRACE_S = 5.0
LOOK_S = 0.5


@contextmanager
def gathered() -> Iterator[Team]:
    """The team that torchrun started, while the block runs; a team of one where nobody else was started.

    The first rank to fail says why. The others end without a word, whether they wait for it or work.

    Raises:
        PeerFailed: in a rank that ends because another one did; its message is empty if that one has spoken.
    """
    place = here()
    if place.size == 1:
        yield ALONE
        return
    if dist.is_initialized():  # by the program that calls us: the group, and its end, are its own affair
        yield Team(place.rank, place.size, place.local_rank, place.restarts)
        return
    store = _join(place)
    over = threading.Event()
    threading.Thread(target=_watch, args=(store.clone(), place.rank, over), daemon=True).start()
    try:
        yield Team(place.rank, place.size, place.local_rank, place.restarts)
    except BaseException as error:
        _end(store, place.rank, error)
        raise
    finally:
        over.set()
    gc.collect()  # NCCL waits for the end of every captured graph that holds a message
    dist.destroy_process_group()


def _join(place: Place) -> Any:
    """Meet the others, and return the store that all of them can write to."""
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        if place.local_rank >= count:
            raise UsageError(
                f"rank {place.rank} has no GPU: {socket.gethostname()} has {count}, and torchrun started more "
                f"processes there. Give torchrun --nproc-per-node {count}, or train on CPUs: CUDA_VISIBLE_DEVICES=''."
            )
        torch.cuda.set_device(place.local_rank)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    os.environ.setdefault("TORCH_NCCL_HIGH_PRIORITY", "1")  # as urgent as what waits for it, see `fast.branch`
    try:
        store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
        store = PrefixStore(f"alexnet/{place.restarts}", store)  # torchrun keeps what earlier starts have written
        dist.init_process_group(backend, store=PrefixStore("group", store), rank=rank, world_size=size, timeout=TIMEOUT)
    except (dist.DistError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"the {place.size} processes did not find each other: {error}. Start them together, with `torchrun "
            "--nproc-per-node N -m alexnet train ...`; on several hosts with --nnodes and --rdzv-endpoint too."
        ) from error
    return store


def _end(store: Any, rank: int, error: BaseException) -> None:
    """Decide whether this rank's error is the one to be told; raise `PeerFailed` if it is not."""
    is_lost = _is_lost_peer(error)
    if is_lost and _told(store, patience_s=0.3) is not None:
        raise PeerFailed("") from None
    code = error.exit_code if isinstance(error, AlexNetError) else 1
    if rank and isinstance(error, AlexNetError):  # what all ranks find out alike is rank 0's to say
        time.sleep(LOOK_S)
    try:
        first = store.compare_set(FAILED, "", f"{rank} {code}").decode()
    except dist.DistError:  # the process that holds the store is gone, and has not spoken
        first = f"{rank} {code}"
    if first.split()[0] != str(rank):
        raise PeerFailed("", int(first.split()[1])) from None
    sys.stderr = sys.__stderr__  # the command line silences all ranks but the first
    if is_lost:
        raise PeerFailed(
            "another process of this run has ended without a word (killed, out of memory, or its machine lost). What "
            "was trained up to the last checkpoint is safe: go on with --resume, or let `torchrun --max-restarts 3` "
            "do so."
        ) from error


def _is_lost_peer(error: BaseException) -> bool:
    """Whether this is what a collective raises when another process is gone."""
    words = ("Connection closed", "Connection reset", "Connection refused", "gloo", "NCCL", "Broken pipe")
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def _told(store: Any, patience_s: float) -> str | None:
    """Who failed first, as soon as that is known."""
    end = time.monotonic() + patience_s
    try:
        while not store.check([FAILED]):
            if time.monotonic() > end:
                return None
            time.sleep(0.02)
        return str(store.get(FAILED).decode())
    except (dist.DistError, RuntimeError):
        return None


def _watch(store: Any, rank: int, over: threading.Event) -> None:
    """End this process if another one has failed and this one hangs in a collective, as NCCL's do."""
    while not over.wait(LOOK_S):
        try:
            if not store.check([FAILED]):
                continue
            owner, code = store.get(FAILED).decode().split()
        except (dist.DistError, RuntimeError):
            return
        if owner != str(rank) and not over.wait(GRACE_S):
            os._exit(int(code))
