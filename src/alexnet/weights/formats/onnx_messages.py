"""ONNX's messages as tables of field numbers; only what weights need. Source: onnx/onnx, onnx/onnx.proto."""

from alexnet.weights.formats.wire import Field, Schema

TENSOR: Schema = {
    1: Field("dims", "ints"),
    2: Field("data_type", "int"),
    4: Field("float_data", "floats"),
    7: Field("int64_data", "ints"),
    8: Field("name", "text"),
    9: Field("raw_data", "span"),
    10: Field("double_data", "doubles"),
    13: Field("external_data", {1: Field("key", "text"), 2: Field("value", "text")}),
    14: Field("data_location", "int"),
}
ATTRIBUTE: Schema = {
    1: Field("name", "text"),
    2: Field("f", "float"),
    3: Field("i", "int"),
    4: Field("s", "text"),
    5: Field("t", TENSOR),
    8: Field("ints", "ints"),
}
NODE: Schema = {
    1: Field("input", "texts"),
    2: Field("output", "texts"),
    3: Field("name", "text"),
    4: Field("op_type", "text"),
    5: Field("attribute", ATTRIBUTE),
    7: Field("domain", "text"),
}
SHAPE: Schema = {1: Field("dim", {1: Field("dim_value", "int")})}
VALUE: Schema = {1: Field("name", "text"), 2: Field("type", {1: Field("tensor_type", {2: Field("shape", SHAPE)})})}
GRAPH: Schema = {
    1: Field("node", NODE),
    2: Field("name", "text"),
    5: Field("initializer", TENSOR),
    11: Field("input", VALUE),
    12: Field("output", VALUE),
}
MODEL: Schema = {
    1: Field("ir_version", "int"),
    2: Field("producer_name", "text"),
    7: Field("graph", GRAPH),
    14: Field("metadata_props", {1: Field("key", "text"), 2: Field("value", "text")}),
}

# Types of numbers that weights come in; int8 nets are other nets.
DTYPES = {1: "<f4", 7: "<i8", 10: "<f2", 11: "<f8"}
EXTERNAL = 1
