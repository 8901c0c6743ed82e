"""The layers of every AlexNet in float64 numpy, each as its formula says: slow, plain, and without torch.

Weights stay in the file's own order of axes, so that no re-ordering of ours is relied on. One picture: x is (C, H, W).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from alexnet.lineages.spec import Activation, AdaptivePool, Conv, Dropout, Layer, Linear, Local, Norm, Pool, SpatialNorm
from alexnet.weights.proof.stages import INPUT, kind_of
from alexnet.weights.raw import RawLayer

ROWS_AT_ONCE = 256  # of a matrix, as float64: the copy of all of fc6 would take 300 MB
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def walk(
    layers: Sequence[RawLayer], rows: Iterable[Layer], x: np.ndarray, *, activation: str = "relu", hwc: bool = False
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the kind of each row that is compared, and what it makes of the picture.

    Args:
        layers: those with weights, in the order of work.
        rows: the network.
        hwc: the program keeps channels last, so that a map becomes a vector in the order H, W, C.
    """
    waiting, act = iter(layers), FUNCTIONS[activation]
    held = (INPUT, x)
    for row in rows:
        if not isinstance(row, Activation):
            yield held
            held = ("", x)
        if isinstance(row, Activation):
            x = act(x)
            held = (held[0], x) if held[0] == kind_of(Pool("")) else held
        elif isinstance(row, Conv | Local | Linear):
            x = weighted(next(waiting), row, x, hwc=hwc)
            held = (kind_of(row), x)
            x = act(x) if row.active else x
        else:
            x = plain(row, x)
            held = (kind_of(row), x)
    yield held


def weighted(layer: RawLayer, row: Conv | Local | Linear, x: np.ndarray, *, hwc: bool) -> np.ndarray:
    """A layer with weights; what old dropout left to it is taken off its input, as the program that trained it did."""
    x = x * layer.scale
    bias = np.zeros(1) if layer.bias is None else layer.bias.astype(np.float64)
    match row:
        case Conv():
            return convolve(x, layer, row) + bias.reshape(-1, 1, 1)
        case Local():
            return locally(x, layer, row, bias)
        case Linear():
            return dense(x, layer, hwc=hwc) + bias


def plain(row: Layer, x: np.ndarray) -> np.ndarray:
    """A layer without weights."""
    match row:
        case Norm():
            parts = [normalise(part, row) for part in np.split(x, row.groups)]
            return np.concatenate(parts)
        case SpatialNorm():
            return normalise_in_map(x, row)
        case Pool():
            return pool(x, row)
        case AdaptivePool() if row.out_size:
            return average_to(x, row.out_size)
        case Dropout() | AdaptivePool():
            return x
        case _:
            raise AssertionError(row)


def convolve(x: np.ndarray, layer: RawLayer, row: Conv) -> np.ndarray:
    """Sum over kernel positions of a matrix times the pixels under it; zeros beyond the edges."""
    at = layer.axes.index
    kernels = np.moveaxis(layer.weight, (at("H"), at("W")), (0, 1))  # (H, W, and O and I in the file's order)
    outputs_first = at("O") < at("I")
    side = kernels.shape[0]
    over = (side - x.shape[1] - 2 * row.padding) % row.stride if row.ceil else 0
    x = np.pad(x, ((0, 0), *((row.padding, row.padding + over),) * 2))
    size = (x.shape[1] - side) // row.stride + 1
    outs = []
    for group, part in enumerate(np.split(x, row.groups)):
        out: np.ndarray | float = 0.0
        for dy in range(side):
            for dx in range(side):
                matrix = kernels[dy, dx] if outputs_first else kernels[dy, dx].T  # (O, I)
                matrix = np.split(matrix, row.groups)[group].astype(np.float64)
                seen = part[:, dy : dy + row.stride * size : row.stride, dx : dx + row.stride * size : row.stride]
                out = out + np.tensordot(matrix, seen, axes=1)
        outs.append(out)
    return np.concatenate(outs)


def locally(x: np.ndarray, layer: RawLayer, row: Local, bias: np.ndarray) -> np.ndarray:
    """A kernel of its own at every position: weights (P, O, C*K*K), biases (P, O)."""
    x = np.pad(x, ((0, 0), *((row.padding,) * 2,) * 2))
    size = x.shape[1] - row.kernel_size + 1
    out = np.empty((layer.weight.shape[1], size, size))
    for y in range(size):
        for z in range(size):
            patch = x[:, y : y + row.kernel_size, z : z + row.kernel_size].ravel()
            out[:, y, z] = layer.weight[y * size + z].astype(np.float64) @ patch + bias[y * size + z]
    return out


def dense(x: np.ndarray, layer: RawLayer, *, hwc: bool) -> np.ndarray:
    """A matrix times all that there is; a map becomes a vector as the program of the file does it."""
    if x.ndim == 3 and (hwc or layer.axes == "HWIO"):
        x = x.transpose(1, 2, 0)
    x = x.ravel()
    weight, at = layer.weight, layer.axes.index
    if at("O") == 0:
        return _in_parts(weight.reshape(len(weight), -1), x)
    assert at("O") == weight.ndim - 1, layer.axes
    return _in_parts(weight.reshape(-1, weight.shape[-1], order="C").T, x)


def _in_parts(matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    starts = range(0, len(matrix), ROWS_AT_ONCE)
    return np.concatenate([matrix[start : start + ROWS_AT_ONCE].astype(np.float64) @ x for start in starts])


def normalise(x: np.ndarray, row: Norm) -> np.ndarray:
    """b_i = a_i / (k + alpha / n * sum of a_j squared, over n channels around i) ** beta; sec. 3.3 but for the n."""
    reach, out = row.size // 2, np.empty_like(x)
    for i in range(len(x)):
        near = x[max(0, i - reach) : i + reach + 1]
        out[i] = x[i] / (row.k + row.alpha / row.size * (near**2).sum(axis=0)) ** row.beta
    return out


def normalise_in_map(x: np.ndarray, row: SpatialNorm) -> np.ndarray:
    """The same over a square of one map, k being 1."""
    reach, out = row.size // 2, np.empty_like(x)
    for y in range(x.shape[1]):
        for z in range(x.shape[2]):
            near = x[:, max(0, y - reach) : y + reach + 1, max(0, z - reach) : z + reach + 1]
            out[:, y, z] = x[:, y, z] / (1 + row.alpha / row.size**2 * (near**2).sum(axis=(1, 2))) ** row.beta
    return out


def pool(x: np.ndarray, row: Pool) -> np.ndarray:
    """The largest, or the mean, of each window; windows that hang over the edge are clipped."""
    span = x.shape[1] - row.kernel_size
    size = 1 + (-(-span // row.stride) if row.ceil else span // row.stride)
    out = np.empty((len(x), size, size))
    for y in range(size):
        for z in range(size):
            top, left = y * row.stride, z * row.stride
            window = x[:, top : top + row.kernel_size, left : left + row.kernel_size]
            out[:, y, z] = window.max(axis=(1, 2)) if row.kind == "max" else window.mean(axis=(1, 2))
    return out


def average_to(x: np.ndarray, size: int) -> np.ndarray:
    """Means of parts that overlap where the side is no multiple of `size`."""
    side, out = x.shape[1], np.empty((len(x), size, size))
    for y in range(size):
        for z in range(size):
            rows = slice(y * side // size, -(-(y + 1) * side // size))
            columns = slice(z * side // size, -(-(z + 1) * side // size))
            out[:, y, z] = x[:, rows, columns].mean(axis=(1, 2))
    return out
