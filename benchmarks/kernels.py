"""What a GPU does in a step of training, kernel by kernel: when each begins, how long it takes, on which stream.

    python benchmarks/kernels.py [--lineage bvlc] [--batch-size 128] [--output kernels.txt]
    torchrun --nproc-per-node 2 benchmarks/kernels.py --who towers      # or any of benchmarks/parallel.py's contenders

The first line is the step's time without the profiler, the median and the best of 100; under it kernels take a little
longer. The batch is of all processes together; rank 0's GPU is shown.
"""

import argparse
import sys
from pathlib import Path
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile

from alexnet.bench.clock import Work, on_gpu
from alexnet.bench.sharing import SCHEMES, step_of
from alexnet.fast.graph import cudnn_searches
from alexnet.lineages import find
from alexnet.parallel.launch import gathered

WARM_UPS, REPEATS, PROFILED = 30, 100, 3
NAME = 110  # letters of a kernel's name that are shown


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lineage", default="bvlc")
    parser.add_argument("--batch-size", type=int, default=128, help="of all processes together")
    parser.add_argument("--who", default="", help=f"under torchrun: {', '.join(SCHEMES)}")
    parser.add_argument("--output", type=Path, help="where to write; default: print")
    return parser.parse_args()


def lines(work: Work) -> list[str]:
    """The step's time, and the kernels of the one in the middle of those that were profiled."""
    with cudnn_searches():
        for _ in range(WARM_UPS):
            work()
        times = [on_gpu(work) for _ in range(REPEATS)]
        with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
            for _ in range(PROFILED):
                work()
            torch.cuda.synchronize()
    found = [event for event in profiler.events() if event.device_type.name == "CUDA"]
    found.sort(key=lambda event: event.time_range.start)
    count = len(found) // PROFILED
    step = found[count : 2 * count]
    first = step[0].time_range.start
    shown = [
        f"{event.time_range.start - first:9.1f} {event.time_range.elapsed_us():8.1f} "
        f"{event.device_resource_id:4} {event.name[:NAME]}"
        for event in step
    ]
    return [f"# median {median(times):.4f} ms, best {min(times):.4f}; {count} kernels: start in us, us, stream", *shown]


def main() -> None:
    args = parse()
    if not torch.cuda.is_available():
        print("This benchmark needs a CUDA GPU.")
        return
    with gathered() as team:
        device = torch.device("cuda", team.local_rank)
        torch.cuda.set_device(device)
        shown = lines(step_of(args.who, find(args.lineage), args.batch_size, team, device))
        if team.speaks:
            target = args.output.open("w", encoding="utf-8") if args.output else sys.stdout
            print(*shown, sep="\n", file=target)


if __name__ == "__main__":
    main()
