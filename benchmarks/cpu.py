"""Predictions on a CPU: ours beside eager torch, torch.compile, ONNX Runtime and OpenVINO, in one run.

    python benchmarks/cpu.py [--cases bvlc:1 bvlc:32 torchvision:1] [--rounds 9] [--path DIR] [--json FILE]

Each peer lives in a process of its own with its own defaults, so that no pool of threads is in another's way, and
waits while the others work. A round asks each in turn for a few passes; the order rotates. All have the same weights,
drawn at random, and the same pictures; `error` is the distance of their logits from float64's. Making and warming up a
peer comes before the clock. A peer whose packages are missing says so; --path names a folder to find them in (one made
by `pip install --target`). The threads of all torch peers wait as the `alexnet` command lets them. On a busy machine
the ratios count, and `best`. Under `taskset` all keep to its cores; set OMP_NUM_THREADS to their number.
"""

import argparse
import copy
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.cli.imports import SPINS
from alexnet.data.ordered import core_count

CASES = ("bvlc:1", "bvlc:32", "torchvision:1", "torchvision:32")
PASSES = 8
SECONDS_TO_BUILD = 300
Pass = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Figure:
    """One peer's times.

    Attributes:
        cpu_ms: median of the processor time of all threads in a pass; it moves least when others use the cores.
        times_eager: how much faster than eager, from the medians.
        error: of the logits, relative to float64's.
    """

    lineage: str
    batch_size: int
    peer: str
    median_ms: float
    best_ms: float
    cpu_ms: float
    images_per_s: float
    times_eager: float
    error: float
    rounds: int


# ------------------------------------------------------------------------------------------------ peers, in processes


def network(lineage: str) -> Any:
    """The same network in every process: He's weights, so that all layers matter."""
    import torch

    from alexnet.model import AlexNet

    net = AlexNet(lineage, generator=torch.Generator().manual_seed(0)).eval()
    generator = torch.Generator().manual_seed(1)
    for name, tensor in net.named_parameters():
        if name.endswith("weight"):
            tensor.data.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
    return net


def pictures(size: int, batch_size: int) -> Any:
    """Smooth pictures (B, 3, S, S) in -128..127."""
    import torch

    coarse = torch.rand((batch_size, 3, 9, 9), generator=torch.Generator().manual_seed(2)) * 255 - 128
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


def plain_build(lineage: str) -> Any:
    """The lineage as one would write it with torch's own modules."""
    from torch import nn

    from alexnet.model.layers import LocalResponseNorm

    net = network(lineage)
    for name, layer in list(net.named_children()):
        if isinstance(layer, LocalResponseNorm) and layer.groups == 1:
            setattr(net, name, nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k))
    return net


def torch_pass(forward: Any, images: Any) -> Pass:
    import torch

    def run() -> np.ndarray:
        with torch.inference_mode():
            logits: np.ndarray = forward(images).float().numpy()
        return logits

    return run


def ours(lineage: str, images: Any, folder: Path, precision: str) -> Pass:
    import torch

    from alexnet.fast import accelerate

    return torch_pass(accelerate(network(lineage), getattr(torch, precision), samples=images[:8]), images)


def eager(lineage: str, images: Any, folder: Path, precision: str) -> Pass:
    return torch_pass(plain_build(lineage), images)


def compiled(lineage: str, images: Any, folder: Path, precision: str) -> Pass:
    import torch
    import torch._inductor.config

    torch._inductor.config.freezing = True
    dtype = getattr(torch, precision)
    return torch_pass(torch.compile(plain_build(lineage).to(dtype), dynamic=False), images.to(dtype))


def onnx_file(lineage: str, images: Any, folder: Path) -> Path:
    from alexnet.data.preprocess import Preprocessing
    from alexnet.weights.export import write_weights
    from alexnet.weights.weights import Weights

    net, path = network(lineage), folder / f"{lineage}.onnx"
    if not path.exists():
        size = images.shape[-1]
        preprocessing = Preprocessing(size, "RGB", 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), max(size, 256), "short")
        tensors = {name: tensor.detach() for name, tensor in net.named_parameters()}
        write_weights(Weights(tensors, net.lineage, (), preprocessing, {}), path)
    return path


def onnxruntime(lineage: str, images: Any, folder: Path, precision: str) -> Pass:
    from onnxruntime import InferenceSession, SessionOptions
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    path, array = onnx_file(lineage, images, folder), images.numpy()
    if precision == "int8":

        class Samples:
            rest = iter([{"images": array[:8]}])

            def get_next(self) -> Any:
                return next(self.rest, None)

        float_path, path = path, folder / f"{lineage}-int8.onnx"
        quantize_static(
            float_path, path, Samples(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
    options = SessionOptions()
    options.intra_op_num_threads = core_count()  # by itself it takes all that the host has
    session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: np.asarray(session.run(["logits"], {"images": array})[0])


def openvino(lineage: str, images: Any, folder: Path, precision: str) -> Pass:
    import openvino as ov

    array = images.numpy()
    model = ov.Core().read_model(onnx_file(lineage, images, folder))
    if precision == "int8":
        import nncf

        model.reshape([1, *array.shape[1:]])
        model = nncf.quantize(model, nncf.Dataset([array[i : i + 1] for i in range(len(array[:8]))]), subset_size=8)
    model.reshape(list(array.shape))
    hint = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}[precision]
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    return lambda: np.asarray(request.infer({0: array}, share_inputs=True)["logits"])


MAKERS: dict[str, Callable[[str, Any, Path, str], Pass]] = {
    "ours": ours, "eager": eager, "torch.compile": compiled, "onnxruntime": onnxruntime, "openvino": openvino,
}  # fmt: skip
PEERS = (
    "eager float32", "ours float32", "ours bfloat16", "ours int8", "torch.compile float32", "torch.compile bfloat16",
    "onnxruntime float32", "onnxruntime int8", "openvino float32", "openvino bfloat16", "openvino int8",
)  # fmt: skip


def serve(peer: str, case: str, folder: Path) -> None:
    """Be a peer: say the error of the logits, then for each line on stdin time as many passes as it says."""
    import torch

    from alexnet.lineages import find

    lineage, batch_size = case.split(":")
    who, precision = peer.split()
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    images = pictures(find(lineage).input.size, int(batch_size))
    with torch.inference_mode():
        expected = copy.deepcopy(network(lineage)).double()(images[:2].double()).numpy()
    run = MAKERS[who](lineage, images, folder, precision)
    for _ in range(3):
        found = run()[:2].astype(np.float64)
    print(float(np.linalg.norm(found - expected) / np.linalg.norm(expected)), file=answers, flush=True)
    for line in sys.stdin:
        run()
        times = [time_pass(run) for _ in range(int(line))]
        print(json.dumps(times), file=answers, flush=True)


def time_pass(run: Pass) -> tuple[float, float]:
    """Seconds on the clock, and of processor time."""
    started, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - started, time.process_time() - processor


# ------------------------------------------------------------------------------------------------ the run


class Peer:
    """A process that is one peer of one case."""

    def __init__(self, name: str, case: str, folder: str, path: str) -> None:
        self.name, self.times = name, list[tuple[float, float]]()
        places = [str(Path(__file__).parents[1] / "src"), os.environ.get("PYTHONPATH", ""), path]
        environment = {**dict([SPINS]), **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        self.log = Path(folder, "log.txt").open("w+")  # noqa: SIM115, open as long as the process lives
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name, case, folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment,
        )  # fmt: skip
        self.error = self._first_answer()

    def _first_answer(self) -> float | None:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if answer:
            return float(answer)
        self.log.seek(0)
        lines = self.log.read().strip().splitlines() or ["no answer"]
        print(f"  {self.name}: left out: {lines[-1][:140]}", file=sys.stderr)
        return None

    def measure(self, passes: int) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(passes, file=self.process.stdin, flush=True)
        self.times += json.loads(self.process.stdout.readline())

    @property
    def seconds(self) -> list[float]:
        return [clock for clock, _ in self.times]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


def measure(case: str, names: list[str], rounds: int, path: str) -> list[Figure]:
    """All peers of a case, interleaved."""
    lineage, batch_size = case.split(":", maxsplit=1)[0], int(case.split(":")[1])
    with tempfile.TemporaryDirectory() as folder:
        peers = [Peer(name, case, folder, path) for name in names]
        there = [peer for peer in peers if peer.error is not None]
        for turn in range(rounds):
            for index in range(len(there)):
                there[(turn + index) % len(there)].measure(max(1, PASSES // batch_size))
        for peer in peers:
            peer.close()
    base = next((statistics.median(peer.seconds) for peer in there if peer.name == "eager float32"), float("nan"))
    return sorted((figure(peer, lineage, batch_size, base, rounds) for peer in there), key=lambda each: each.median_ms)


def figure(peer: Peer, lineage: str, batch_size: int, base: float, rounds: int) -> Figure:
    median, processor = statistics.median(peer.seconds), statistics.median(processor for _, processor in peer.times)
    assert peer.error is not None
    return Figure(
        lineage, batch_size, peer.name,
        median_ms=round(1e3 * median, 2),
        best_ms=round(1e3 * min(peer.seconds), 2),
        cpu_ms=round(1e3 * processor, 2),
        images_per_s=round(batch_size / median, 1),
        times_eager=round(base / median, 2),
        error=peer.error,
        rounds=rounds,
    )  # fmt: skip


def show(figures: list[Figure]) -> None:
    print(f"\n{figures[0].lineage}, batch {figures[0].batch_size}, load {os.getloadavg()[0]:.1f}")
    print(f"{'peer':24s}{'median ms':>10s}{'best ms':>9s}{'cpu ms':>9s}{'images/s':>10s}{'x eager':>9s}{'error':>9s}")
    for each in figures:
        print(
            f"{each.peer:24s}{each.median_ms:10.2f}{each.best_ms:9.2f}{each.cpu_ms:9.2f}{each.images_per_s:10.1f}"
            f"{each.times_eager:9.2f}{each.error:9.1e}"
        )
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=CASES, metavar="LINEAGE:BATCH")
    parser.add_argument("--peers", nargs="+", default=PEERS, metavar="PEER")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--path", default="", help="where more packages lie, such as openvino and nncf")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        peer, case, folder = arguments.serve
        serve(peer, case, Path(folder))
        return
    print(f"{platform.processor() or platform.machine()}, {core_count()} of {os.cpu_count()} cores")
    figures = []
    for case in arguments.cases:
        figures += measure(case, list(arguments.peers), arguments.rounds, arguments.path)
        show([each for each in figures if f"{each.lineage}:{each.batch_size}" == case])
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in figures], indent=1))


if __name__ == "__main__":
    main()
