import hashlib
from pathlib import Path

import pytest

from alexnet.data.user_cache import home
from alexnet.errors import UnreadableWeights, UsageError
from alexnet.lineages import LINEAGES
from alexnet.weights.caches import caches, find_here, place_of
from alexnet.weights.foreign import READERS
from alexnet.weights.registry import FILES, Checksum, KnownFile, known_file, told_by_checksum

# The specification's table of published files: name of the file -> checksum, and its accuracies.
PUBLISHED = {
    "bvlc_alexnet.caffemodel": ("9116a64c0fbe4459d18f4bb6b56d647b63920377", (57.1, 80.2)),
    "bvlc_reference_caffenet.caffemodel": ("4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46", (57.4, 80.4)),
    "finetune_flickr_style.caffemodel": ("b61b5cef7d771b53b0c488e78d35ccadc073e9cf", None),
    "alexnet-owt-7be5be79.pth": ("7be5be79", (56.522, 79.066)),
    "alexnet-owt-4df8aa71.pth": ("4df8aa71", None),
    "imagenet-caffe-alex.mat": ("ed49ef44caf18496291ce0c3257b0596", (57.4, 80.4)),
    "imagenet-caffe-ref.mat": ("6d69dfa6e549012c94546658737c5885", (57.4, 80.3)),
    "ilsvrc_2012_mean.npy": ("8284f7ac12f5b0f6d5069c1fac00d8e0ba647b2f", None),
    "bvlcalexnet-12.onnx": ("6b0da951", (54.80, 78.23)),
}


def a_file(content: bytes, **changes: str) -> KnownFile:
    checksum = Checksum("sha1", hashlib.sha1(content).hexdigest())
    about = {"name": "net", "file": "net.npy", "format": "npy", "lineage": "bvlc", "url": "", "page": ""}
    return KnownFile(**(about | changes), checksum=checksum)  # type: ignore[arg-type]


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of this test alone."""
    for variable in ("ALEXNET_HOME", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_table_says_what_the_specification_says() -> None:
    by_file = {file.file: file for file in FILES.values()}
    for name, (digest, accuracies) in PUBLISHED.items():
        checksum = by_file[name].checksum
        assert checksum is not None
        assert checksum.digest.startswith(digest)
        errors = by_file[name].top1_error, by_file[name].top5_error
        assert errors == ((None, None) if accuracies is None else pytest.approx([1 - a / 100 for a in accuracies]))


def test_every_entry_is_whole() -> None:
    assert len({file.file for file in FILES.values()}) == len(FILES)
    for name, file in FILES.items():
        assert file.name == name
        assert file.format in READERS or file.kind == "names and mean"
        assert file.lineage in LINEAGES if file.kind == "weights" and name != "decaf" else not file.lineage
        assert file.page.startswith("http")
        assert not file.url or file.url.rpartition("/")[2] == file.file
        if file.checksum is not None:
            assert set(file.checksum.digest) <= set("0123456789abcdef")
            assert file.checksum.is_whole or len(file.checksum.digest) == 8


def test_what_is_fetched_without_encryption_has_a_whole_checksum_or_is_named() -> None:
    open_and_unchecked = {
        name for name, file in FILES.items()
        if file.url.startswith("http:") and not (file.checksum and file.checksum.is_whole)
    }  # fmt: skip
    assert open_and_unchecked == {"places365", "places365-caffe", "caffe-ilsvrc12"}


def test_parameters_are_counted() -> None:
    counts = {"bvlc": 60_965_224, "torchvision": 61_100_840, "places205": 57_708_109, "places365-caffe": 58_363_629}
    assert {name: FILES[name].params for name in counts} == counts
    assert FILES["imagenet-mean"].params is None


def test_files_are_as_large_as_their_numbers() -> None:
    for file in FILES.values():
        if file.size_bytes and file.params:
            assert 0 <= file.size_bytes - 4 * file.params < 10_000


def test_a_slip_of_the_pen_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"no file of weights is known as 'cafenet'\. Did you mean caffenet"):
        known_file("cafenet")
    with pytest.raises(UsageError, match="Known are bvlc, caffenet"):
        known_file("xyz")


def test_a_copy_is_told_whatever_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FILES, "net", a_file(b"published"))
    assert told_by_checksum(put(tmp_path / "other", b"published"), "npy") == FILES["net"]
    assert told_by_checksum(tmp_path / "other", "pth") is None
    assert told_by_checksum(put(tmp_path / "other", b"damaged"), "npy") is None


def test_the_cache_follows_its_variables(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home() == root / "alexnet"
    assert [cache.folder for cache in caches()] == [root / "alexnet", root / "torch", root / "huggingface"]
    monkeypatch.setenv("ALEXNET_HOME", str(root / "elsewhere"))
    assert place_of(FILES["bvlc"]) == root / "elsewhere" / "weights" / "bvlc_alexnet.caffemodel"


def test_our_cache_comes_first_then_torch_hub_then_the_hub(root: Path) -> None:
    file = a_file(b"published")
    assert find_here(file) is None
    hub = put(root / "huggingface/hub/models--me--net/snapshots/0123abcd/net.npy", b"published")
    assert find_here(file) == hub
    torch_hub = put(root / "torch/hub/checkpoints/net.npy", b"published")
    assert find_here(file) == torch_hub
    ours = put(root / "alexnet/weights/net.npy", b"published")
    assert find_here(file) == ours


def test_the_variables_of_torch_and_the_hub_are_obeyed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file(b"published")
    monkeypatch.setenv("TORCH_HOME", str(root / "t"))
    monkeypatch.setenv("HF_HOME", str(root / "h"))
    found = put(root / "h/hub/models--me--net/snapshots/1/net.npy", b"published")
    assert find_here(file) == found
    monkeypatch.setenv("HF_HUB_CACHE", str(root / "c"))
    assert find_here(file) is None
    assert find_here(file) != put(root / "t/hub/checkpoints/net.npy", b"another")
    assert find_here(file) is None


def test_another_file_of_the_name_is_passed_over_elsewhere_and_refused_at_home(root: Path) -> None:
    file = a_file(b"published")
    put(root / "torch/hub/checkpoints/net.npy", b"another")
    right = put(root / "huggingface/hub/models--me--net/snapshots/1/net.npy", b"published")
    assert find_here(file) == right
    put(root / "alexnet/weights/net.npy", b"another")
    with pytest.raises(UnreadableWeights, match=r"is not the published net\.npy: its sha1 is .* weights get net"):
        find_here(file)


def test_without_a_checksum_our_own_cache_alone_counts(root: Path) -> None:
    file = FILES["bvlc-npy"]
    assert file.checksum is None
    put(root / "torch/hub/checkpoints" / file.file, b"anything")
    assert find_here(file) is None
    assert find_here(file) != put(place_of(file), b"anything")
    assert find_here(file) == place_of(file)
