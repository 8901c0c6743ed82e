from alexnet.lineages import find, trace
from alexnet.parallel.buckets import bucket_names


def shapes(lineage: str) -> dict[str, tuple[int, ...]]:
    from alexnet.model import build

    return {name: tuple(parameter.shape) for name, parameter in build(find(lineage)).named_parameters()}


def test_the_fully_connected_layers_travel_first() -> None:
    buckets = bucket_names(shapes("bvlc"))
    layers = [list(dict.fromkeys(name.split(".")[0] for name in names)) for names in buckets]
    assert layers == [["fc8", "fc7"], ["fc6"], ["conv5", "conv4", "conv3", "conv2", "conv1"]]


def test_every_parameter_travels_once() -> None:
    names = [name for bucket in bucket_names(shapes("tiny"), least=2000) for name in bucket]
    assert sorted(names) == sorted(shapes("tiny"))
    assert len(bucket_names(shapes("tiny"), least=2000)) > 3
    assert sum(row.weights > 0 for row in trace(find("tiny"))) == 8
