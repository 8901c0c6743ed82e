"""Programs that read the original file themselves and are asked what they make of a picture."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from alexnet.errors import MissingExtra, UsageError, WeightsError
from alexnet.lineages.spec import Norm
from alexnet.weights.opened import Opened
from alexnet.weights.proof.caffe_deploy import deploy_text
from alexnet.weights.proof.feed import feed_of
from alexnet.weights.proof.formulas import walk
from alexnet.weights.proof.published import rows_of
from alexnet.weights.proof.stages import INPUT, NORM, POOL, WEIGHTED, Witness, in_rgb, named
from alexnet.weights.raw import RawLayer
from alexnet.weights.structure import expected_layers

Found = Iterator[tuple[str, np.ndarray]]


class Engine(NamedTuple):
    """A program: the modules that it needs, the kinds of files that it reads, how it is asked, how it is installed."""

    modules: tuple[str, ...]
    kinds: tuple[str, ...]
    found: Callable[[Opened, np.ndarray], tuple[str, Found]]
    extra: str = ""


def ask(opened: Opened, images: np.ndarray, engine: str | None = None) -> Witness:
    """Ask an engine what it makes of a picture.

    Args:
        images: (3, S, S) float64, as the publisher of the file feeds it.
        engine: one of `ENGINES`; None: the first that is installed and reads such a file, which numpy always does.

    Raises:
        UsageError: there is no such engine, it is no witness for such a file, or it is not installed.
        WeightsError: it cannot read this one.
    """
    chosen = usual_engine(opened) if engine is None else engine
    if chosen not in ENGINES:
        raise UsageError(f"there is no engine {chosen!r}. Choose one of {', '.join(ENGINES)}, or name another file.")
    entry = ENGINES[chosen]
    if reason := obstacle(chosen, opened):
        raise UsageError(
            f"{chosen} cannot be compared with {opened.path}: {reason}. Leave --against out to compare with "
            f"{usual_engine(opened)}."
        )
    if not _are_here(entry.modules):
        raise MissingExtra(chosen, entry.extra)
    program, found = entry.found(opened, images)
    try:
        with np.errstate(all="ignore"):  # what becomes infinite is found to differ
            return Witness(
                program, named([(INPUT, in_rgb(images, feed_of(opened).order)), *found], opened.weights.lineage)
            )
    except Exception as error:  # a stranger's engine raises its own kinds
        if isinstance(error, AssertionError | MemoryError):
            raise
        raise WeightsError(
            f"{program} cannot compute {opened.path}: {str(error).strip().splitlines()[0][:200]}. "
            "Compare with the formulas instead: --against numpy."
        ) from error


def usual_engine(opened: Opened) -> str:
    """The first engine that is installed and reads such a file."""
    return next(name for name, engine in ENGINES.items() if not obstacle(name, opened) and _are_here(engine.modules))


def obstacle(name: str, opened: Opened) -> str:
    """Why an engine is no witness for a file, in words; "" where it is one."""
    kinds, lineage = ENGINES[name].kinds, opened.weights.lineage
    if kinds and opened.kind not in kinds:
        return f"it reads {', '.join(kinds)}, and this is {opened.facts['format'].value}"
    if name == "opencv":
        assert opened.raw is not None
        if opened.raw.detail.startswith("V0"):
            return "it finds no weights in files of 2013"
        if any(isinstance(row, Norm) and row.k != 1 for row in (*opened.raw.rows, *lineage.layers)):
            return "it takes the k of every LRN for 1, and this network's is another"
    if name == "torchvision" and (lineage.name != "torchvision" or set(dict(lineage.changes)) > {"num_classes"}):
        return f"its alexnet is another network than {lineage.name}"
    return ""


def _are_here(modules: tuple[str, ...]) -> bool:
    return all(find_spec(module) is not None for module in modules)


def _opencv(opened: Opened, images: np.ndarray) -> tuple[str, Found]:
    """OpenCV's importer of Caffe's files, with the deploy file beside it, else with what the file itself says."""
    import cv2

    beside = opened.path.with_suffix(".prototxt")
    is_beside = beside.is_file()
    text = beside.read_bytes() if is_beside else deploy_text(opened.path, images.shape[-1]).encode()
    net_of = beside.name if is_beside else "the file's own layers"

    def found() -> Found:
        net = cv2.dnn.readNetFromCaffe(np.frombuffer(text, np.uint8), np.fromfile(opened.path, np.uint8))
        net.enableFusion(False)
        net.enableWinograd(False)
        net.setInput(images[None].astype(np.float32))
        kinds = {"Convolution": WEIGHTED, "InnerProduct": WEIGHTED, "LRN": NORM, "Pooling": POOL}
        layers = [(name, net.getLayer(name).type) for name in net.getLayerNames()]
        wanted = []
        for place, (name, type) in enumerate(layers):
            if type in kinds:
                is_active = type == "Pooling" and layers[place + 1 : place + 2] and layers[place + 1][1] == "ReLU"
                wanted.append((kinds[type], layers[place + 1][0] if is_active else name))
        for (kind, _), output in zip(wanted, net.forward([name for _, name in wanted]), strict=True):
            yield kind, output[0]

    return f"OpenCV {cv2.__version__} with {net_of}", found()


def _onnxruntime(opened: Opened, images: np.ndarray) -> tuple[str, Found]:
    """onnxruntime, every node's output asked for."""
    import onnx
    import onnxruntime

    def found() -> Found:
        model = onnx.load(opened.path, load_external_data=False)
        if opened.external is not None:
            onnx.load_external_data_for_model(model, str(opened.external))
        nodes = list(model.graph.node)
        kinds = {"Conv": WEIGHTED, "Gemm": WEIGHTED, "MatMul": WEIGHTED, "LRN": NORM}
        kinds |= {"MaxPool": POOL, "AveragePool": POOL}
        wanted = []
        for place, node in enumerate(nodes):
            if node.op_type not in kinds or _does_nothing(node):
                continue
            after = nodes[place + 1] if place + 1 < len(nodes) else None
            belongs = {"MatMul": "Add", "MaxPool": "Relu", "AveragePool": "Relu"}.get(node.op_type)
            last = after if after is not None and after.op_type == belongs else node
            wanted.append((kinds[node.op_type], last.output[0]))
        there = {output.name for output in model.graph.output}
        outputs = [name for _, name in wanted]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name not in there)
        weights = {tensor.name for tensor in model.graph.initializer}
        source = next(value.name for value in model.graph.input if value.name not in weights)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        content = model.SerializeToString()
        del model, nodes  # a quarter of a gigabyte
        session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )  # falling back would be announced on stdout
        arrays = session.run(outputs, {source: images[None].astype(np.float32)})
        for (kind, _), array in zip(wanted, arrays, strict=True):
            yield kind, array[0]

    return f"onnxruntime {onnxruntime.__version__}", found()


def _does_nothing(node: Any) -> bool:
    """Whether a node is torch's adaptive pool at the size where it has nothing to do."""
    sides = [attribute.ints for attribute in node.attribute if attribute.name == "kernel_shape"]
    return node.op_type == "AveragePool" and bool(sides) and set(sides[0]) == {1}


def _torchvision(opened: Opened, images: np.ndarray) -> tuple[str, Found]:
    """Torchvision's own class, which takes the file as it is."""
    import torch
    import torchvision

    def found() -> Found:
        model = torchvision.models.alexnet(num_classes=opened.weights.lineage.num_classes).eval()
        state = torch.load(opened.path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        model.load_state_dict({name.replace("module.", ""): tensor for name, tensor in state.items()})
        x = torch.from_numpy(images[None].astype(np.float32))
        kinds = {torch.nn.Conv2d: WEIGHTED, torch.nn.Linear: WEIGHTED, torch.nn.MaxPool2d: POOL}
        with torch.inference_mode():
            for module in (*model.features, model.avgpool, torch.nn.Flatten(), *model.classifier):
                x = module(x)
                if type(module) in kinds:
                    yield kinds[type(module)], x[0].numpy().copy()

    return f"torchvision {torchvision.__version__}", found()


def _numpy(opened: Opened, images: np.ndarray) -> tuple[str, Found]:
    """The formulas in float64, on the arrays as they lie in the file."""
    lineage, raw = opened.weights.lineage, opened.raw
    if raw is None or not raw.rows:
        rows, net_of = rows_of(opened.facts), f"the network of {opened.facts['lineage'].value}"
    else:
        rows, net_of = raw.rows, "the file's own layers"
    layers = tuple(_own_layers(opened)) if raw is None else raw.layers
    is_upside_down = raw is not None and raw.upside_down
    x = images[:, ::-1] if is_upside_down else images
    activation = lineage.activation if raw is None or not raw.rows else raw.activation

    def found() -> Found:
        walked = walk(layers, rows, x, activation=activation, hwc=opened.kind == "npy")
        next(walked)  # the input
        for kind, array in walked:
            yield kind, array[:, ::-1] if is_upside_down and array.ndim == 3 else array

    return f"the formulas in float64 with {net_of}", found()


def _own_layers(opened: Opened) -> Iterator[RawLayer]:
    """The layers of a file of ours, in whose order of axes they are loaded, too."""
    tensors = opened.weights.tensors
    for expected in expected_layers(opened.weights.lineage):
        axes = {4: "OIHW", 3: "POI", 2: "OI"}[len(expected.weight)]
        weight, bias = (tensors[f"{expected.name}.{kind}"].numpy() for kind in ("weight", "bias"))
        yield RawLayer(expected.name, weight, axes, bias)  # type: ignore[arg-type]


# In the order of preference; the last reads everything.
ENGINES: dict[str, Engine] = {
    "opencv": Engine(("cv2",), ("caffemodel",), _opencv, "verify"),
    "onnxruntime": Engine(("onnxruntime", "onnx"), ("onnx",), _onnxruntime, "onnx"),
    "torchvision": Engine(("torchvision",), ("pth",), _torchvision),
    "numpy": Engine(("numpy",), (), _numpy),
}
