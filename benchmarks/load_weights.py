"""Seconds to load 244 MB of weights from each kind of file, beside `numpy.fromfile` of the same bytes, and peak memory.

    python benchmarks/load_weights.py

Files of random weights are written once, read once to fill the page cache, then measured in rounds that alternate
between the two. Loading includes recognising the file, its lineage, the change of layout and the check of every value.
Memory is the most that a fresh process holds above what it held after its imports; at most the file, a copy of the
tensors and 64 MB are aimed at. Files of MATLAB need scipy to be written.
"""

import argparse
import json
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet.data.preprocess import Preprocessing
from alexnet.lineages import find
from alexnet.lineages.spec import Conv, Layer
from alexnet.model import AlexNet
from alexnet.weights import Weights, load
from alexnet.weights.export import write_weights
from alexnet.weights.formats.wire import encode, header

MB = 1 << 20
SLACK = 64 * MB
Write = Callable[[Weights, Path], None]


def main() -> None:
    """Write, measure, print a table, or the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", choices=FILES, default=list(FILES), metavar="KIND")
    parser.add_argument("--peak", nargs=2, metavar=("FILE", "LINEAGE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(peak(Path(options.peak[0]), options.peak[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(name, Path(folder), options.rounds) for name in options.only if name != "mat" or has_scipy()]
    print(json.dumps(rows, indent=2) if options.json else table(rows))


def has_scipy() -> bool:
    """Whether files of MATLAB can be written."""
    try:
        import scipy.io  # type: ignore[import-untyped,unused-ignore]  # noqa: F401
    except ImportError:
        print("scipy is not installed: no file of MATLAB is measured", file=sys.stderr)
        return False
    return True


def weights_of(lineage: str) -> Weights:
    """Random weights of a lineage at full size."""
    model = AlexNet(lineage, generator=torch.Generator().manual_seed(0))
    given = model.lineage.input
    preprocessing = Preprocessing(
        given.size, given.order, given.range, (122.7, 116.7, 104.0), given.std, given.resize, given.fit
    )
    return Weights(dict(model.state_dict()), find(lineage), (), preprocessing, {})


def write(weights: Weights, path: Path) -> None:
    """Write with the package's own writer, by suffix."""
    write_weights(weights, path)


def write_legacy(weights: Weights, path: Path) -> None:
    """A torch file as of before 2020."""
    torch.save(weights.tensors, path, _use_new_zipfile_serialization=False)


def write_mat(weights: Weights, path: Path) -> None:
    """A net of MatConvNet."""
    import scipy.io

    def cells(values: list[Any]) -> np.ndarray:
        found = np.empty((1, len(values)), dtype=object)
        found[0] = values
        return found

    layers: list[dict[str, Any]] = []
    for row in weights.lineage.layers:
        key = f"{row.name}.weight"
        if key in weights.tensors:
            weight = weights.tensors[key].numpy()
            shape = {"fc6": (256, 6, 6)}.get(row.name, (*weight.shape[1:], 1, 1)[:3])
            kernels = np.asfortranarray(weight.reshape(len(weight), *shape).transpose(2, 3, 1, 0))
            pair = cells([kernels, weights.tensors[f"{row.name}.bias"].numpy()[None]])
            stride, padding = getattr(row, "stride", 1), getattr(row, "padding", 0)
            layers.append({"type": "conv", "name": row.name, "weights": pair, "stride": stride, "pad": padding})
            layers += [{"type": "relu", "name": "relu"}] * (row.name != "fc8")
        elif row.name.startswith("norm"):
            layers.append({"type": "normalize", "name": row.name, "param": [[5.0, 1.0, 2e-5, 0.75]]})
        elif row.name.startswith("pool"):
            numbers: dict[str, Any] = {"pool": [[3.0, 3.0]], "stride": 2.0, "pad": [[0.0, 1.0, 0.0, 1.0]]}
            layers.append({"type": "pool", "name": row.name, "method": "max", **numbers})
    scipy.io.savemat(path, {"layers": cells(layers)})


def write_cuda_convnet(weights: Weights, path: Path) -> None:
    """A checkpoint of one tower."""
    layers: list[dict[str, Any]] = [{"type": "data", "name": "data", "inputs": []}]
    pool = {"type": "pool", "pool": "max", "sizeX": 3, "stride": 2, "start": 0}
    norm = {"type": "cmrnorm", "size": 5, "scale": 2e-5, "pow": 0.75}
    for row in weights.lineage.layers:
        layer: dict[str, Any] = {"name": row.name, "inputs": [layers[-1]["name"]]}
        if f"{row.name}.weight" in weights.tensors:
            layers.append(layer | cuda_weights(weights, row))
            if row.name != "fc8":
                relu = {"type": "neuron", "name": f"{row.name}_neuron", "neuron": {"type": "relu"}}
                layers.append(relu | {"inputs": [row.name]})
        elif row.name.startswith(("norm", "pool")):
            layers.append(layer | (norm if row.name.startswith("norm") else pool))
    with path.open("wb") as file:
        pickle.dump({"model_state": {"layers": layers}}, file, protocol=4)


def cuda_weights(weights: Weights, row: Layer) -> dict[str, Any]:
    """What cuda-convnet keeps of a layer with weights: a matrix with a column for each output."""
    weight = weights.tensors[f"{row.name}.weight"].numpy()
    matrix = np.ascontiguousarray(weight.reshape(len(weight), -1).T)
    kept = {"weights": [matrix], "biases": weights.tensors[f"{row.name}.bias"].numpy()[:, None]}
    if not isinstance(row, Conv):
        return kept | {"type": "fc", "outputs": len(weight)}
    numbers = {"filterSize": [row.kernel_size], "stride": [row.stride], "groups": [row.groups]}
    return kept | numbers | {"type": "conv", "filters": len(weight), "padding": [-row.padding]}


def write_theano(weights: Weights, path: Path) -> None:
    """theano_alexnet's archive: a NumPy file per tensor, packed as people pack."""
    layers = [name.removesuffix(".weight") for name in weights.tensors if name.endswith(".weight")]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for index, layer in enumerate(layers):
            weight, bias = (weights.tensors[f"{layer}.{kind}"].numpy() for kind in ("weight", "bias"))
            kept = weight[:, :, ::-1, ::-1].transpose(1, 2, 3, 0) if weight.ndim == 4 else weight.T
            for kind, array in (("W", kept), ("b", bias)):
                with archive.open(f"{kind}_{index}_65.npy", "w") as entry:
                    np.save(entry, np.ascontiguousarray(array))


def write_caffe2(weights: Weights, path: Path) -> None:
    """An `init_net.pb`, each number with a tag of its own."""
    with path.open("wb") as file:
        for name, tensor in weights.tensors.items():
            layer, _, kind = name.partition(".")
            values = np.empty(tensor.numel(), np.dtype([("tag", "u1"), ("value", "<f4")]))
            values["tag"], values["value"] = 5 << 3 | 5, tensor.numpy().ravel()
            shape = encode(1, "shape") + b"".join(encode(6, size) for size in tensor.shape)
            beginning = encode(1, "values")
            operator = encode(2, f"{layer}_{kind[0]}") + encode(4, "GivenTensorFill") + encode(5, shape)
            operator += header(5, len(beginning) + values.nbytes) + beginning
            file.write(header(2, len(operator) + values.nbytes) + operator)
            file.write(values.tobytes())


FILES: dict[str, tuple[str, str, Write]] = {
    "safetensors": ("net.safetensors", "bvlc", write),
    "caffemodel": ("net.caffemodel", "bvlc", write),
    "npy": ("net.npy", "bvlc", write),
    "pth": ("net.pth", "torchvision", write),
    "pth of before 2020": ("old.pth", "bvlc", write_legacy),
    "onnx": ("net.onnx", "bvlc", write),
    "mat": ("net.mat", "bvlc", write_mat),
    "cuda-convnet": ("net.pickle", "bvlc", write_cuda_convnet),
    "caffe2": ("init_net.pb", "bvlc", write_caffe2),
    "theano": ("net.zip", "theano", write_theano),
}


def measure(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    """One row of the table: medians, the range of both, the ratio, peak memory."""
    file, lineage, write_file = FILES[name]
    path = folder / file
    weights = weights_of(lineage)
    write_file(weights, path)
    tensors = sum(tensor.nbytes for tensor in weights.tensors.values())
    del weights
    loads, reads = [], []
    for _ in range(rounds + 1):
        reads.append(seconds(lambda: np.fromfile(path, np.float32)))
        loads.append(seconds(lambda: load(path, lineage)))
    loads, reads = loads[1:], reads[1:]  # the first round fills the page cache and imports what is imported late
    command = [sys.executable, __file__, "--peak", str(path), lineage]
    held = int(subprocess.run(command, check=True, capture_output=True).stdout)
    size = path.stat().st_size
    path.unlink()
    load_s, fromfile_s = statistics.median(loads), statistics.median(reads)
    return {
        "file": name,
        "file_mb": size / MB,
        "load_s": load_s,
        "load_range_s": [min(loads), max(loads)],
        "fromfile_s": fromfile_s,
        "fromfile_range_s": [min(reads), max(reads)],
        "allowed_s": 1.5 * fromfile_s + 0.5,
        "peak_mb": held / MB,
        "allowed_mb": (size + tensors + SLACK) / MB,
    }


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call, its result thrown away."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak(path: Path, lineage: str) -> int:
    """Bytes that loading holds at most above what was held before; Linux alone can tell."""
    Path("/proc/self/clear_refs").write_text("5")  # start the high-water mark anew
    before = memory("VmRSS")
    load(path, lineage)
    return memory("VmHWM") - before


def memory(entry: str) -> int:
    """One of the sizes that Linux keeps of this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(entry))


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for people."""
    lines = [f"{'file':20} {'load':>22} {'fromfile':>22} {'allowed':>8} {'peak MB':>8} {'allowed':>8}"]
    for row in rows:
        times = " ".join(
            f"{row[f'{key}_s']:7.3f} ({row[f'{key}_range_s'][0]:.3f}-{row[f'{key}_range_s'][1]:.3f})"
            for key in ("load", "fromfile")
        )
        memory = f"{row['peak_mb']:8.0f} {row['allowed_mb']:8.0f}"
        lines.append(f"{row['file']:20} {times} {row['allowed_s']:8.3f} {memory}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
