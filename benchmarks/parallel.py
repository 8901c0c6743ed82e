"""Training steps that several processes share: our schemes, one process alone, and torch's DDP, in one run.

    torchrun --nproc-per-node 2 benchmarks/parallel.py [--lineage bvlc] [--batch-sizes 256,2048]

Rank 0 prints a line of JSON per figure. On GPUs through NCCL, elsewhere through gloo. `--batch-sizes` are of all
processes together; a line's `efficiency` compares with one process on its part of the batch, `speedup` with one on all
of it. Pictures are drawn at random and lie on the device; compiling and warming up come before the clock.
"""

import argparse
import json
from dataclasses import asdict
from typing import Any

from alexnet.bench.sharing import collectives, contenders, shared_steps
from alexnet.inference.device import resolve_device
from alexnet.inference.machine import machine
from alexnet.lineages import find
from alexnet.parallel.launch import gathered


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lineage", default="bvlc")
    parser.add_argument("--batch-sizes", default="", help="of all processes together; default 128 and 1024 for each")
    parser.add_argument("--contenders", default="", help="separated by semicolons; default: all that fit")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each is timed")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compiled", action="store_true", help="torch.compile as a peer too; takes minutes")
    return parser.parse_args()


def main() -> None:
    args = parse()
    with gathered() as team:
        if team.is_alone:
            print("One process has nobody to share with: torchrun --nproc-per-node 2 benchmarks/parallel.py")
            return
        device = resolve_device(team.device(args.device))

        def say(line: dict[str, Any]) -> None:
            if team.speaks:
                print(json.dumps({key: value for key, value in line.items() if value is not None}), flush=True)

        say({"processes": team.size, "device": str(device), **machine()})
        for line in collectives(team, device):
            say(line)
        lineage = find(args.lineage)
        names = args.contenders.split(";") if args.contenders else contenders(lineage, team, device, args.compiled)
        sizes = args.batch_sizes or f"{128 * team.size},{1024 * team.size}"
        for size in map(int, sizes.split(",")):
            for step in shared_steps(lineage, size, team, device, names, args.seconds):
                say(asdict(step))


if __name__ == "__main__":
    main()
