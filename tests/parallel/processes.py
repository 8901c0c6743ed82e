"""Real processes that meet over gloo on this machine, and what each of them found."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch import multiprocessing

import alexnet
from alexnet.parallel.team import Team


def together(size: int, work: Callable[..., Any], *args: Any, on_gpus: bool = False, **named: Any) -> list[Any]:
    """What `work(team, *args, **named)` returned on each of `size` ranks; anything that torch can save."""
    with TemporaryDirectory() as folder:
        context = multiprocessing.get_context("forkserver")  # it imports torch once, for all that it starts
        context.set_forkserver_preload(["alexnet.train.train"])
        port = free_port()
        processes = [
            context.Process(
                target=_member, args=(rank, size, port, Path(folder), on_gpus, partial(work, **named), args)
            )
            for rank in range(size)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(timeout=400)
            if process.is_alive():
                process.kill()
        assert [process.exitcode for process in processes] == [0] * size
        return [torch.load(Path(folder, str(rank)), weights_only=False) for rank in range(size)]


def _member(
    rank: int, size: int, port: int, folder: Path, on_gpus: bool, work: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    if on_gpus:
        torch.cuda.set_device(rank)
    backend = "cpu:gloo,cuda:nccl" if on_gpus else "gloo"
    dist.init_process_group(backend, init_method=address, rank=rank, world_size=size)
    try:
        torch.save(work(Team(rank, size, rank), *args), folder / str(rank))
    finally:
        dist.destroy_process_group()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def torchrun(size: int, *command: str, restarts: int = 0) -> subprocess.Popen[str]:
    """Start a module or script on several processes."""
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size)]
    options = ["--max-restarts", str(restarts), "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    source = str(Path(alexnet.__file__).parents[1])
    return subprocess.Popen(
        [*start, *options, "--monitor-interval", "0.1", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
    )
