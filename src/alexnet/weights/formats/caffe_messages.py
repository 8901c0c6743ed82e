"""Caffe's messages as tables of field numbers: what trained nets of 2013 (V0), 2014 (V1) and since are written in.

Only what weights need. Source: BVLC/caffe, src/caffe/proto/caffe.proto, as the specification lists it.
"""

from alexnet.weights.formats.wire import Field, Schema

BLOB: Schema = {
    1: Field("num", "int"),
    2: Field("channels", "int"),
    3: Field("height", "int"),
    4: Field("width", "int"),
    5: Field("data", "floats"),
    7: Field("shape", {1: Field("dim", "ints")}),
    8: Field("double_data", "doubles"),
}
CONVOLUTION: Schema = {
    1: Field("num_output", "int"),
    2: Field("bias_term", "int"),
    3: Field("pad", "ints"),
    4: Field("kernel_size", "ints"),
    5: Field("group", "int"),
    6: Field("stride", "ints"),
    9: Field("pad_h", "int"),
    10: Field("pad_w", "int"),
    11: Field("kernel_h", "int"),
    12: Field("kernel_w", "int"),
    13: Field("stride_h", "int"),
    14: Field("stride_w", "int"),
    18: Field("dilation", "ints"),
}
INNER_PRODUCT: Schema = {1: Field("num_output", "int"), 2: Field("bias_term", "int"), 6: Field("transpose", "int")}
LRN: Schema = {
    1: Field("local_size", "int"),
    2: Field("alpha", "float"),
    3: Field("beta", "float"),
    4: Field("norm_region", "int"),
    5: Field("k", "float"),
}
POOLING: Schema = {
    1: Field("pool", "int"),
    2: Field("kernel_size", "int"),
    3: Field("stride", "int"),
    4: Field("pad", "int"),
    13: Field("round_mode", "int"),
}
RELU: Schema = {1: Field("negative_slope", "float")}

LAYER: Schema = {
    1: Field("name", "text"),
    2: Field("type", "text"),
    7: Field("blobs", BLOB),
    106: Field("convolution_param", CONVOLUTION),
    117: Field("inner_product_param", INNER_PRODUCT),
    118: Field("lrn_param", LRN),
    121: Field("pooling_param", POOLING),
    123: Field("relu_param", RELU),
}
V0_LAYER: Schema = {
    1: Field("name", "text"),
    2: Field("type", "text"),
    3: Field("num_output", "int"),
    4: Field("bias_term", "int"),
    7: Field("pad", "int"),
    8: Field("kernel_size", "int"),
    9: Field("group", "int"),
    10: Field("stride", "int"),
    11: Field("pool", "int"),
    13: Field("local_size", "int"),
    14: Field("alpha", "float"),
    15: Field("beta", "float"),
    22: Field("k", "float"),
    50: Field("blobs", BLOB),
}
V1_LAYER: Schema = {
    1: Field("layer", V0_LAYER),
    4: Field("name", "text"),
    5: Field("type", "int"),
    6: Field("blobs", BLOB),
    10: Field("convolution_param", CONVOLUTION),
    17: Field("inner_product_param", INNER_PRODUCT),
    18: Field("lrn_param", LRN),
    19: Field("pooling_param", POOLING),
    30: Field("relu_param", RELU),
}
NET: Schema = {
    1: Field("name", "text"),
    2: Field("layers", V1_LAYER),
    4: Field("input_dim", "ints"),
    8: Field("input_shape", {1: Field("dim", "ints")}),
    100: Field("layer", LAYER),
}

# One word for a kind of layer, whatever the generation calls it.
V1_TYPES = {
    4: "Convolution", 6: "Dropout", 14: "InnerProduct", 15: "LRN", 17: "Pooling", 18: "ReLU", 19: "Sigmoid", 23: "TanH",
}  # fmt: skip
V0_TYPES = {
    "conv": "Convolution", "dropout": "Dropout", "innerproduct": "InnerProduct", "lrn": "LRN", "pool": "Pooling",
    "relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "TanH", "padding": "Padding",
}  # fmt: skip
