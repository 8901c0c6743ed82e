"""Krizhevsky's CIFAR-10 networks of 2010-2011, which the paper's claims on ReLU and LRN are about."""

from alexnet.lineages.spec import Activation, Conv, Input, Lineage, Linear, Local, Norm, Pool, Solver

CIFAR_LOCAL = Lineage(
    name="cifar-local",
    title="The CIFAR-10 net of 11 % (13 % without its norms)",
    source="cuda-convnet, example-layers/layers-conv-local-11pct.cfg; Krizhevsky et al. 2012, sec. 3.3",
    input=Input(size=24, mean="image", resize=32),  # --crop-border=4
    layers=(
        Conv("conv1", 64, kernel_size=5, padding=2, std=0.0001),
        Norm("norm1", k=1, alpha=1e-3),
        Pool("pool1"),
        Conv("conv2", 64, kernel_size=5, padding=2),
        Norm("norm2", k=1, alpha=1e-3),
        Pool("pool2"),
        Local("local3", 32, kernel_size=3, padding=1, std=0.04),
        Local("local4", 32, kernel_size=3, padding=1, std=0.04),
        Linear("fc5", 10, active=False),
    ),
    solver=Solver(lr=0.001, weight_decay=0.004, epochs=470, bias_lr=2.0, bias_decay=False, color="off", lr_drops=2),
    notes=("The released file decays only local3, local4 and fc5.", "Tested on ten views."),
)

CIFAR_QUICK = Lineage(
    name="cifar-quick",
    title="The four-layer CIFAR-10 net of the ReLU claim",
    source="cuda-convnet, example-layers/layers-18pct.cfg without its norms; Krizhevsky et al. 2012, sec. 3.1, fig. 1",
    input=Input(size=32, mean="image", resize=32),
    layers=(
        Conv("conv1", 32, kernel_size=5, padding=2, std=0.0001, active=False),
        Pool("pool1"),
        Activation("relu1"),
        Conv("conv2", 32, kernel_size=5, padding=2),
        Pool("pool2", kind="avg"),
        Conv("conv3", 64, kernel_size=5, padding=2),
        Pool("pool3", kind="avg"),
        Linear("fc4", 10, active=False),
    ),
    solver=Solver(lr=0.001, weight_decay=0.004, epochs=120, bias_lr=2.0, bias_decay=False, color="off", lr_drops=2),
    notes=("The paper does not print the four layers of fig. 1; this is the four-layer net its author had published.",),
)
