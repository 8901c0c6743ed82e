"""How long a person waits: for `alexnet --help`, for commands that need no network, and for a first prediction.

    python benchmarks/startup.py [--rounds 11]

Each round starts every command once, in a new process; fastest and median are printed, and the median of the ratios to
`import torch` in the same round. A bare Python and a bare `import torch` are the floors. The contract is 0.3 s for
`--help`, and 1.15 times `import torch` from the start of a process to the end of `predict` with the grouped network's
244 MB. Modules are compiled before, as an installation does.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PHOTO = Path(__file__).parents[1] / "src" / "alexnet" / "assets" / "photos" / "chelsea.jpg"
COMMANDS = {
    "python": ["-c", "pass"],
    "alexnet --help": ["-m", "alexnet", "--help"],
    "alexnet train --help": ["-m", "alexnet", "train", "--help"],
    "alexnet lineages": ["-m", "alexnet", "lineages"],
    "import torch": ["-c", "import torch"],
    "alexnet predict": ["-m", "alexnet", "predict", str(PHOTO), "--device", "cpu", "--weights"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        COMMANDS["alexnet predict"].append(str(grouped_network(Path(folder))))
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        for turn in range(rounds + 1):  # the first compiles
            for name, arguments in COMMANDS.items():
                took = waited(arguments, environment)
                seconds[name] += [took] if turn else []
    for name, times in seconds.items():
        ratios = [one / other for one, other in zip(times, seconds["import torch"], strict=True)]
        figures = {"fastest_s": min(times), "median_s": statistics.median(times), "x_torch": statistics.median(ratios)}
        print(json.dumps({"command": name} | {key: round(value, 3) for key, value in figures.items()}))


def grouped_network(folder: Path) -> Path:
    """A saved `bvlc` of random weights."""
    import torch

    from alexnet.data.preprocess import Preprocessing
    from alexnet.model import AlexNet
    from alexnet.weights import Weights, save

    net = AlexNet("bvlc", generator=torch.Generator().manual_seed(0))
    preprocessing = Preprocessing(227, "BGR", 255, (123.0, 117.0, 104.0), (1.0, 1.0, 1.0), 256, "short")
    return save(Weights(dict(net.state_dict()), net.lineage, (), preprocessing, {}), folder / "bvlc")


def waited(arguments: list[str], environment: dict[str, str]) -> float:
    """Seconds until a new Python with these arguments has ended."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
