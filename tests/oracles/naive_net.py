"""Every lineage once more, in float64 numpy, from the specification's words and not from our tables.

One image at a time: x is (C, H, W), w maps "conv1" to (weight, bias). Slow and plain on purpose.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Params = Mapping[str, tuple[Array, Array]]


def conv(x: Array, params: tuple[Array, Array], stride: int = 1, pad: int = 0, groups: int = 1) -> Array:
    weight, bias = params
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    kernel = weight.shape[2]
    size = (x.shape[1] - kernel) // stride + 1
    outs = []
    for part, kernels in zip(np.split(x, groups), np.split(weight, groups), strict=True):
        out = np.zeros((len(kernels), size, size))
        for dy in range(kernel):
            for dx in range(kernel):
                seen = part[:, dy : dy + stride * size : stride, dx : dx + stride * size : stride]
                out += np.tensordot(kernels[:, :, dy, dx], seen, axes=1)
        outs.append(out)
    return np.concatenate(outs) + bias[:, None, None]


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def lrn(x: Array, k: float, factor: float, beta: float = 0.75, reach: int = 2) -> Array:
    """b_i = a_i / (k + factor * sum over j within reach of a_j squared) ** beta; the sum is a plain one."""
    out = np.empty_like(x)
    for i in range(len(x)):
        near = x[max(0, i - reach) : i + reach + 1]
        out[i] = x[i] / (k + factor * (near**2).sum(axis=0)) ** beta
    return out


def spatial_norm(x: Array, factor: float, beta: float = 0.75, reach: int = 2) -> Array:
    out = np.empty_like(x)
    for row in range(x.shape[1]):
        for col in range(x.shape[2]):
            near = x[:, max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]
            out[:, row, col] = x[:, row, col] / (1 + factor * (near**2).sum(axis=(1, 2))) ** beta
    return out


def pool(x: Array, kind: Callable[..., Array] = np.max, size: int = 3, stride: int = 2, up: bool = True) -> Array:
    """Windows that hang over the edge are clipped when sizes are rounded up."""
    span = x.shape[1] - size
    side = 1 + (-(-span // stride) if up else span // stride)
    out = np.empty((len(x), side, side))
    for row in range(side):
        for col in range(side):
            window = x[:, row * stride : row * stride + size, col * stride : col * stride + size]
            out[:, row, col] = kind(window, axis=(1, 2))
    return out


def local(x: Array, params: tuple[Array, Array], kernel: int, pad: int) -> Array:
    weight, bias = params  # (positions, out, in * kernel * kernel), (positions, out)
    side = x.shape[1] + 2 * pad - kernel + 1
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    out = np.empty((weight.shape[1], side, side))
    for row in range(side):
        for col in range(side):
            patch = x[:, row : row + kernel, col : col + kernel].ravel()
            position = row * side + col
            out[:, row, col] = weight[position] @ patch + bias[position]
    return out


def dense(x: Array, params: tuple[Array, Array]) -> Array:
    weight, bias = params
    return weight @ x.ravel() + bias


def classify(x: Array, w: Params, names: tuple[str, str, str] = ("fc6", "fc7", "fc8")) -> Array:
    first, second, last = names
    return dense(relu(dense(relu(dense(x, w[first])), w[second])), w[last])


def deep(x: Array, w: Params, towers: bool) -> Array:
    """conv3 to pool5, the same in all but the numbers."""
    groups = 2 if towers else 1
    x = relu(conv(x, w["conv3"], pad=1))
    x = relu(conv(x, w["conv4"], pad=1, groups=groups))
    return pool(relu(conv(x, w["conv5"], pad=1, groups=groups)))


def paper(x: Array, w: Params, towers: bool = True) -> Array:
    x = pool(lrn(relu(conv(x, w["conv1"], stride=4)), k=2, factor=1e-4))
    x = pool(lrn(relu(conv(x, w["conv2"], pad=2, groups=2 if towers else 1)), k=2, factor=1e-4))
    return classify(deep(x, w, towers), w)


def bvlc(x: Array, w: Params, k: float = 1, factor: float = 2e-5) -> Array:
    x = pool(lrn(relu(conv(x, w["conv1"], stride=4)), k, factor))
    x = pool(lrn(relu(conv(x, w["conv2"], pad=2, groups=2)), k, factor))
    return classify(deep(x, w, towers=True), w)


def caffenet(x: Array, w: Params) -> Array:
    x = lrn(pool(relu(conv(x, w["conv1"], stride=4))), k=1, factor=2e-5)
    x = lrn(pool(relu(conv(x, w["conv2"], pad=2, groups=2))), k=1, factor=2e-5)
    return classify(deep(x, w, towers=True), w)


def theano(x: Array, w: Params) -> Array:
    x = lrn(pool(relu(conv(x, w["conv1"], stride=4))), k=2, factor=1e-4)
    x = lrn(pool(relu(conv(x, w["conv2"], pad=2, groups=2))), k=2, factor=1e-4)
    return classify(deep(x, w, towers=True), w)


def ungrouped(x: Array, w: Params) -> Array:
    return paper(x, w, towers=False)


def hang_over(x: Array) -> Array:
    """cuda-convnet's 224: three rows and columns of zeros, right and bottom only."""
    return np.pad(x, ((0, 0), (0, 3), (0, 3)))


def in_towers(x: Array, function: Callable[[Array], Array], towers: int) -> Array:
    return np.concatenate([function(part) for part in np.split(x, towers)])


def chm(x: Array, w: Params, towers: int = 2) -> Array:
    def norm(part: Array) -> Array:
        return lrn(part, k=2, factor=2e-5)

    x = in_towers(conv(hang_over(x), w["conv1"], stride=4), norm, towers)
    x = relu(pool(x))
    x = in_towers(relu(conv(x, w["conv2"], pad=2, groups=towers)), norm, towers)
    x = pool(spatial_norm(x, factor=4e-5))
    return classify(deep(x, w, towers == 2), w)


def chm_half(x: Array, w: Params) -> Array:
    return chm(x, w, towers=1)


def owt(x: Array, w: Params) -> Array:
    x = relu(pool(lrn(conv(hang_over(x), w["conv1"], stride=4), k=2, factor=2e-5)))
    x = pool(lrn(relu(conv(x, w["conv2"], pad=2)), k=2, factor=2e-5))
    return classify(deep(x, w, towers=False), w)


def torchvision(x: Array, w: Params) -> Array:
    x = pool(relu(conv(x, w["conv1"], stride=4, pad=2)), up=False)
    x = pool(relu(conv(x, w["conv2"], pad=2)), up=False)
    x = relu(conv(x, w["conv3"], pad=1))
    x = relu(conv(x, w["conv4"], pad=1))
    x = pool(relu(conv(x, w["conv5"], pad=1)), up=False)
    return classify(x, w)


def cifar_local(x: Array, w: Params) -> Array:
    x = pool(lrn(relu(conv(x, w["conv1"], pad=2)), k=1, factor=1e-3 / 5))
    x = pool(lrn(relu(conv(x, w["conv2"], pad=2)), k=1, factor=1e-3 / 5))
    x = relu(local(x, w["local3"], kernel=3, pad=1))
    x = relu(local(x, w["local4"], kernel=3, pad=1))
    return dense(x, w["fc5"])


def cifar_quick(x: Array, w: Params) -> Array:
    x = relu(pool(conv(x, w["conv1"], pad=2)))
    x = pool(relu(conv(x, w["conv2"], pad=2)), np.mean)
    x = pool(relu(conv(x, w["conv3"], pad=2)), np.mean)
    return dense(x, w["fc4"])


def tiny(x: Array, w: Params) -> Array:
    x = pool(lrn(relu(conv(x, w["conv1"], stride=4)), k=2, factor=2e-5))
    x = pool(lrn(relu(conv(x, w["conv2"], pad=2, groups=2)), k=2, factor=2e-5))
    return classify(deep(x, w, towers=True), w)


NETS: dict[str, Callable[[Array, Params], Array]] = {
    "paper": paper, "chm": chm, "chm-half": chm_half, "bvlc": bvlc, "caffenet": caffenet, "theano": theano, "owt": owt,
    "torchvision": torchvision, "ungrouped": ungrouped, "cifar-local": cifar_local, "cifar-quick": cifar_quick,
    "tiny": tiny,
}  # fmt: skip
