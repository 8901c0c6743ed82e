"""How long a person waits for `alexnet --help` and for commands that need no network.

    python benchmarks/startup.py [--rounds 11]

Each round starts every command once, in a new process; the fastest and the median are printed. A bare Python is the
floor. The contract is 0.3 s for `--help`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python": ["-c", "pass"],
    "alexnet --help": ["-m", "alexnet", "--help"],
    "alexnet train --help": ["-m", "alexnet", "train", "--help"],
    "alexnet lineages": ["-m", "alexnet", "lineages"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            seconds[name].append(waited(arguments))
    for name, times in seconds.items():
        fastest, median = min(times), statistics.median(times)
        print(json.dumps({"command": name, "fastest_s": round(fastest, 3), "median_s": round(median, 3)}))


def waited(arguments: list[str]) -> float:
    """Seconds until a new Python with these arguments has ended."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
