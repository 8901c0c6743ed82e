"""A dict of named tensors, as torch keeps a network: what `.pth` files and foreign safetensors hold."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from alexnet.weights.dialects import position, spoken, unwrapped
from alexnet.weights.raw import Fact, NotAlexNet, Raw, RawLayer


def raw_of(tensors: Mapping[str, Tensor], path: Path, format: str, detail: str) -> Raw:
    """The layers of a state dict in their order, without what `DataParallel` puts before their names.

    Raises:
        NotAlexNet: a name that is no weight and no bias.
    """
    pairs: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in tensors.items():
        layer, _, kind = unwrapped(name).rpartition(".")
        if kind not in ("weight", "bias") or not layer or kind in pairs.get(layer, {}):
            raise NotAlexNet(f"a tensor called {name[:80]!r}, which is neither the weight nor the bias of a layer")
        pairs.setdefault(layer, {})[kind] = _array(tensor)
    dialect = spoken(pairs)
    names = sorted(pairs, key=lambda name: position(dialect.ours(name) or ""))
    layers = tuple(_layer(name, pairs[name]) for name in names)
    facts = {"flatten": Fact("CHW", "torch's convention")}
    return Raw(path, format, layers, f"{detail}, names of {dialect.name}", dialect.lineages, facts=facts, is_owned=True)


def _layer(name: str, pair: Mapping[str, np.ndarray]) -> RawLayer:
    weight = pair.get("weight")
    if weight is None or weight.ndim not in (2, 3, 4):
        shape = "missing" if weight is None else f"of shape {weight.shape}"
        raise NotAlexNet(f"{name[:80]}.weight is {shape}")
    return RawLayer(name, weight, "OIHW" if weight.ndim == 4 else "POI" if weight.ndim == 3 else "OI", pair.get("bias"))


def _array(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach()
    is_float = tensor.is_floating_point()
    return (tensor if not is_float or tensor.element_size() != 2 else tensor.float()).numpy()
