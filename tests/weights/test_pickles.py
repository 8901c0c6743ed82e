import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet.errors import UnreadableWeights
from alexnet.weights.opcodes import MAX_TUPLES, lift
from alexnet.weights.pickles import ALLOWED, PickledArray, read_pickle, unwrap
from oracles import python2_pickle
from oracles.audit import listening

HERE = Path("strange.npy")


def read(content: bytes) -> Any:
    return read_pickle(memoryview(bytearray(content)), HERE)


def plain(tree: Any) -> Any:
    """The tree with its arrays unwrapped."""
    match unwrap(tree):
        case dict() as found:
            return {key: plain(value) for key, value in found.items()}
        case list() | tuple() as found:
            return [plain(value) for value in found]
        case memoryview() as found:
            return bytes(found)
        case found:
            return found


TREES: list[Any] = [
    {"a": [1, 2.5, None, True], "b": ("x", b"y" * 300)},
    {"layers": [{"name": "conv1", "stride": [4]}, {}]},
    OrderedDict(a=1),
    np.float32(3.5),
    {1: "é", "long": "z" * 5000, "bytes": bytes(range(256)) * 30, "large": 1 << 80, "negative": -5},
]


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("tree", TREES)
def test_plain_data_is_what_pickle_makes_of_it(tree: Any, protocol: int) -> None:
    content = pickle.dumps(tree, protocol)
    assert plain(read(content)) == plain(pickle.loads(content))


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i8", "|u1", "|b1"])
@pytest.mark.parametrize("order", "CF")
def test_arrays_are_the_arrays(dtype: str, order: str, protocol: int) -> None:
    array = np.asarray(np.random.default_rng(0).uniform(0, 100, (40, 30)), order=order).astype(dtype)  # type: ignore[call-overload]
    found = unwrap(read(pickle.dumps(array, protocol)))
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_an_array_is_a_view_of_the_file_and_no_copy() -> None:
    array = np.arange(10_000, dtype=np.float32)
    file = bytearray(python2_pickle.dumps({"w": array}))
    found = read_pickle(memoryview(file), HERE)["w"].value
    at = file.index(array.tobytes())
    file[at : at + 4] = struct.pack("<f", 123.0)
    assert found[0] == 123


def test_large_runs_are_lifted_out_of_the_pickle() -> None:
    content = python2_pickle.dumps([np.zeros(100_000, np.float32), np.zeros(8, np.float32)])
    slim, runs = lift(memoryview(content))
    assert len(slim) < 1000
    assert [len(run) for run in runs] == [400_000]


def test_text_of_python_2_is_latin1() -> None:
    assert read(python2_pickle.dumps({"h\xe9".encode("latin1"): b"\xff"})) == {"hé": "\xff"}


def test_objects_of_cuda_convnets_command_line_are_ignored() -> None:
    inner = python2_pickle.instance(b"options", b"OptionsParser", {"options": {}})
    content = b"\x80\x02}(U\x02op" + inner + b"U\x01xK\x05u."
    assert read(content)["x"] == 5


class Evil:
    """Pickles as a call of whatever it is given."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def global_call(module: str, name: str, argument: bytes = b"U\x04true") -> bytes:
    return b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n" + argument + b"\x85R."


EVILS = {
    "system": pickle.dumps(Evil(os.system, "echo owned > /tmp/owned")),
    "eval": pickle.dumps(Evil(eval, "__import__('os').system('true')")),
    "import": pickle.dumps(Evil(__import__, "antigravity")),
    "python 2": global_call("__builtin__", "eval"),
    "posix": global_call("posix", "system"),
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0cdtype.__init_\x93.",
    "dotted numpy": b"\x80\x04\x8c\x05numpy\x8c\x10core.multiarray.\x93.",
    "numpy.load": global_call("numpy", "load"),
    "numpy f2py": global_call("numpy.testing._private.utils", "runstring"),
    "a prefix of an allowed module": global_call("numpy.core.multiarray.evil", "_reconstruct"),
    "an allowed name elsewhere": global_call("os", "_reconstruct"),
    "getattr": global_call("builtins", "getattr"),
    "codecs": global_call("_codecs", "decode"),
    "encode to another codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
    "persistent id": b"\x80\x02K\x00Q.",
    "instance": b"(S'true'\nios\nsystem\n.",
    "extension": b"\x80\x02\x82\x01.",
    "new object": b"\x80\x02cnumpy\ndtype\n)\x81.",
    "write to a function": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}U\x0c__defaults__Nsb.",
    "write to a class": b"\x80\x02cnumpy\nndarray\n(N}U\x08__init__Nstb.",
}


@pytest.mark.parametrize("name", EVILS)
def test_trap_12_nothing_that_a_pickle_names_is_run(name: str) -> None:
    with pytest.raises(UnreadableWeights) as caught, listening() as events:
        read(EVILS[name])
    assert events == []
    assert str(HERE) in str(caught.value)


def test_the_hook_hears_what_pickle_itself_would_do() -> None:
    with listening() as events:
        pickle.loads(EVILS["python 2"].replace(b"U\x04true", b"U\x041+11"))
    assert any("exec" in event or "compile" in event for event in events)


def test_a_name_that_is_refused_is_named() -> None:
    with pytest.raises(
        UnreadableWeights, match=r"asks for posix\.system, which is no part of weights.*nothing of it was run"
    ):
        read(EVILS["posix"])


def test_the_allow_list_is_of_exact_pairs() -> None:
    assert all("." not in name for _, name in ALLOWED)
    assert {module.partition(".")[0] for module, _ in ALLOWED} == {
        "numpy", "_codecs", "collections", "options", "python_util",
    }  # fmt: skip


def test_what_a_pickle_writes_to_a_name_does_not_outlive_it() -> None:
    before = {key: (made.__class__, getattr(made, "__defaults__", None)) for key, made in ALLOWED.items()}
    for content in EVILS.values():
        with pytest.raises(UnreadableWeights):
            read(content)
    assert {key: (made.__class__, getattr(made, "__defaults__", None)) for key, made in ALLOWED.items()} == before


def test_a_memo_slot_out_of_order_takes_no_memory() -> None:
    """The unpickler makes room for every slot up to the one that is named: 2**32 of them are 64 GB."""
    with pytest.raises(UnreadableWeights, match="a memo slot out of order"):
        read(b"\x80\x02]r\xff\xff\xff\x7f.")
    with pytest.raises(UnreadableWeights, match="a memo slot out of order"):
        read(b"(lp999999999\n.")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02T\xff\xff\xff\x7fabc.",
        b"\x80\x02T\xff\xff\xff\xffa.",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    ],
)
def test_a_length_beyond_the_file_takes_no_memory(content: bytes) -> None:
    with pytest.raises(UnreadableWeights, match=r"bytes are missing|negative length"):
        read(content)


def test_nested_tuples_do_not_end_the_process() -> None:
    """Hashing them recurses in C: 200,000 levels overflow its stack."""
    content = b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns."
    with pytest.raises(UnreadableWeights, match=f"more than {MAX_TUPLES} tuples"):
        read(content)
    allowed = b"\x80\x02})" + b"\x85" * (MAX_TUPLES - 1) + b"Ns."
    assert len(read(allowed)) == 1


@pytest.mark.parametrize(
    ("shape", "raw", "says"),
    [
        ((1 << 40,), b"\0" * 16, "cannot reshape"),
        ((4,), b"\0" * 15, "buffer size"),
        ((-1,), b"", "a shape that is none"),
        ((1,) * 40, b"\0" * 4, "a shape that is none"),
    ],
)
def test_a_shape_that_its_bytes_do_not_fill_is_refused(shape: Any, raw: bytes, says: str) -> None:
    content = python2_pickle._array_of(shape, b"f4", b"<", python2_pickle._any(raw))
    with pytest.raises(UnreadableWeights, match=says):
        read(b"\x80\x02" + content + b".")


@pytest.mark.parametrize("code", [b"V8", b"S4", b"U4", b"M8", b"c8", b"f16", b"O8,f4", b"i4,i4"])
def test_arrays_of_other_things_than_numbers_are_refused(code: bytes) -> None:
    content = python2_pickle._array_of((1,), code, b"|", python2_pickle._any(b"\0" * 8))
    with pytest.raises(UnreadableWeights):
        read(b"\x80\x02" + content + b".")


def test_arrays_of_objects_are_refused_but_for_the_one_around_a_dict() -> None:
    one = python2_pickle._array_of((), b"O8", b"|", python2_pickle._any([{"a": 1}]))
    assert unwrap(read(b"\x80\x02" + one + b".")) == {"a": 1}
    two = python2_pickle._array_of((2,), b"O8", b"|", python2_pickle._any([1, 2]))
    with pytest.raises(UnreadableWeights, match="an array of Python objects"):
        read(b"\x80\x02" + two + b".")


def test_a_pickle_cut_anywhere_is_refused() -> None:
    content = python2_pickle.dumps({"conv1": [np.arange(600, dtype=np.float32), np.zeros(3, np.float32)]})
    for length in range(len(content)):
        with pytest.raises(UnreadableWeights):
            read(content[:length])


def test_pickles_of_protocol_0_are_text_and_are_read() -> None:
    """What Python 2 wrote unless told: names in memo slots, numbers and arrays as text, bytes with escapes."""
    array = b"cnumpy.core.multiarray\n_reconstruct\np1\n(cnumpy\nndarray\np2\n(I0\ntp3\nS'b'\np4\ntp5\nRp6\n"
    dtype = b"cnumpy\ndtype\np8\n(S'f4'\np9\nI0\nI1\ntp10\nRp11\n(I3\nS'<'\np12\nNNNI-1\nI-1\nI0\ntp13\nb"
    state = b"(I1\n(I2\ntp7\n" + dtype + b"I00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00@'\np14\ntp15\nb"
    found = read(b"(dp0\nS'weights'\np1\n" + array + state + b"sS'stride'\np1\nI4\nsS'pow'\np1\nF0.75\ns.")
    assert found["weights"].value.tolist() == [1.0, 2.0]
    assert (found["stride"], found["pow"]) == (4, 0.75)


def test_an_array_never_built_is_no_array() -> None:
    found = read(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R.")
    assert isinstance(found, PickledArray)
    assert unwrap(found) is None
