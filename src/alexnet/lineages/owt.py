"""Krizhevsky's single-tower network of 2014 ("one weird trick")."""

from alexnet.lineages.spec import Activation, Conv, Dropout, Input, Lineage, Linear, Norm, Pool, Solver

OWT = Lineage(
    name="owt",
    title="One-tower AlexNet of 2014",
    source="Krizhevsky 2014, arXiv 1404.5997, and cuda-convnet2 layers-223-1gpu",
    input=Input(size=224, order="RGB", mean="image"),
    layers=(
        Conv("conv1", 64, kernel_size=11, stride=4, ceil=True, active=False),
        Norm("norm1"),
        Pool("pool1"),
        Activation("relu1"),
        Conv("conv2", 192, kernel_size=5, padding=2, bias=1),
        Norm("norm2"),
        Pool("pool2"),
        Conv("conv3", 384, kernel_size=3, padding=1, std=0.03),
        Conv("conv4", 256, kernel_size=3, padding=1, std=0.03, bias=1),  # the released value; the footnote prints 384
        Conv("conv5", 256, kernel_size=3, padding=1, std=0.03, bias=1),
        Pool("pool5"),
        Linear("fc6", 4096, bias=1),
        Dropout("drop6"),
        Linear("fc7", 4096, bias=1),
        Dropout("drop7"),
        Linear("fc8", 1000, active=False),
    ),
    solver=Solver(bias_lr=2.0, bias_decay=False),
    notes=(
        "fc8 starts at bias -7 in the released file, which trains one logistic unit per class; for softmax it is 0.",
        "torchvision's `alexnet` descends from this one.",
    ),
)
