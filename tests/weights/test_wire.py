"""Our reading of the wire format beside Google's, on messages of every kind of field."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet.weights.formats.caffe_messages import BLOB, LAYER
from alexnet.weights.formats.wire import MAX_FIELDS, Decoder, Field, encode, varint
from alexnet.weights.raw import Damaged
from oracles.caffe_files import MESSAGES


def decode(content: bytes, schema: Any) -> dict[str, Any]:
    return Decoder().decode(memoryview(content), schema)


@given(st.integers(0, (1 << 64) - 1))
def test_a_varint_comes_back(value: int) -> None:
    content = encode(1, value)
    assert varint(memoryview(content), 1) == (value, len(content))


@given(
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=9),
    st.lists(st.floats(width=32, allow_nan=False), max_size=40),
    st.integers(0, 1 << 30),
)
def test_a_blob_is_what_google_wrote(dims: list[int], data: list[float], num: int) -> None:
    blob = MESSAGES["BlobProto"](num=num)
    blob.shape.dim.extend(dims)
    blob.data.extend(data)
    found = decode(blob.SerializeToString(), BLOB)
    assert found["num"] == num
    assert found["shape"] == [{"dim": dims} if dims else {}]
    assert np.concatenate([np.empty(0, np.float32), *found.get("data", [])]).tolist() == data


@given(st.text(max_size=300), st.floats(width=32, allow_nan=False), st.lists(st.integers(0, 9), max_size=3))
def test_a_layer_is_what_google_wrote(name: str, alpha: float, pad: list[int]) -> None:
    layer = MESSAGES["LayerParameter"](name=name)
    layer.lrn_param.alpha = alpha
    layer.convolution_param.pad.extend(pad)
    found = decode(layer.SerializeToString(), LAYER)
    assert found["name"] == name
    assert found["lrn_param"] == [{"alpha": alpha}]
    assert found["convolution_param"] == [{"pad": pad} if pad else {}]


def test_google_reads_what_is_encoded() -> None:
    data = np.arange(5, dtype="<f4")
    content = encode(7, encode(1, 5) + encode(1, 1 << 40)) + encode(5, data.tobytes()) + encode(1, 3)
    blob = MESSAGES["BlobProto"].FromString(content)
    assert list(blob.shape.dim) == [5, 1 << 40]
    assert list(blob.data) == data.tolist()
    assert MESSAGES["LRNParameter"].FromString(encode(2, 0.5)).alpha == 0.5


def test_floats_of_several_pieces_are_one_array() -> None:
    """A writer may send some floats packed and others with a tag each, in turns."""
    unpacked = MESSAGES["UnpackedBlob"]()
    unpacked.data.extend([1.0, 2.0, 3.0])
    packed = MESSAGES["BlobProto"]()
    packed.data.extend([4.0, 5.0])
    content = unpacked.SerializeToString() + packed.SerializeToString() + unpacked.SerializeToString()
    assert list(MESSAGES["BlobProto"].FromString(content).data) == [1, 2, 3, 4, 5, 1, 2, 3]
    chunks = decode(content, BLOB)["data"]
    assert np.concatenate(chunks).tolist() == [1, 2, 3, 4, 5, 1, 2, 3]
    assert len(chunks) == 3


def test_packed_floats_are_a_view() -> None:
    content = bytearray(encode(5, np.zeros(1000, "<f4").tobytes()))
    found = Decoder().decode(memoryview(content), BLOB)["data"][0]
    assert np.shares_memory(found, np.frombuffer(content, np.uint8))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x0a\xff\xff\xff\xff\x0f", "bytes more than there are"),
        (b"\x0a", "ends within a number"),
        (b"\x08" + b"\xff" * 11, "more than ten bytes"),
        (b"\x0b", "wire type 3"),
        (b"\x00\x00", "without a number"),
        (b"\x2a\x03abc", "no whole number of floats"),
        (b"\x28\x01", "wire type 0, not 5"),
        (b"\x0a\x01\x01", "wire type 2, not 0"),
        (b"\x2d\x01", "bytes more than there are"),
    ],
)
def test_what_is_no_message_is_named(content: bytes, says: str) -> None:
    with pytest.raises(Damaged, match=says):
        decode(content, BLOB)


def test_a_message_of_countless_fields_is_refused_at_once() -> None:
    with pytest.raises(Damaged, match=f"more than {MAX_FIELDS}"):
        decode(b"\x08\x01" * (MAX_FIELDS + 1), BLOB)
    with pytest.raises(Damaged, match=f"more than {MAX_FIELDS}"):
        decode(encode(3, b"\x01" * (MAX_FIELDS + 1)), {3: Field("many", "ints")})


def test_many_short_runs_of_floats_take_no_time() -> None:
    """Each run must not look at all that follows it."""
    content = (b"\x2d\0\0\0\0" + b"\x10\x01") * (MAX_FIELDS // 2 - 1)
    assert len(decode(content, BLOB)["data"]) == MAX_FIELDS // 2 - 1


def test_google_and_we_refuse_and_accept_the_same_noise() -> None:
    """Where Google's parser finds no message, neither do we; what it reads we read alike, or refuse."""
    chance = random.Random(0)
    blob = MESSAGES["BlobProto"](num=1, channels=2)
    blob.data.extend([1.0, 2.0])
    both = refused = 0
    for _ in range(3000):
        content = bytearray(blob.SerializeToString())
        for _ in range(chance.choice((1, 2))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            expected = MESSAGES["BlobProto"].FromString(bytes(content))
        except Exception:
            with pytest.raises(Damaged):
                decode(bytes(content), BLOB)
            refused += 1
            continue
        try:
            found = decode(bytes(content), BLOB)
        except Damaged:
            continue  # a wire type that the field cannot have: Google passes over it
        assert (
            np.concatenate([np.empty(0, "<f4"), *found.get("data", [])]).tobytes()
            == np.array(expected.data, "<f4").tobytes()
        )
        both += 1
    assert both > 500
    assert refused > 500
