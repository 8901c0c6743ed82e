"""The folk AlexNet: one tower, every kernel sees every channel."""

from alexnet.lineages.paper import ALPHA, PAPER
from alexnet.lineages.spec import Conv, Dropout, Lineage, Linear, Norm, Pool

UNGROUPED = Lineage(
    name="ungrouped",
    title="The folk AlexNet, without towers",
    source="computed: the network behind the popular figures 62.3 M, 1.1 billion, 6 % and 95 %",
    input=PAPER.input,
    layers=(
        Conv("conv1", 96, kernel_size=11, stride=4),
        Norm("norm1", alpha=ALPHA),
        Pool("pool1"),
        Conv("conv2", 256, kernel_size=5, padding=2, bias=1),
        Norm("norm2", alpha=ALPHA),
        Pool("pool2"),
        Conv("conv3", 384, kernel_size=3, padding=1),
        Conv("conv4", 384, kernel_size=3, padding=1, bias=1),
        Conv("conv5", 256, kernel_size=3, padding=1, bias=1),
        Pool("pool5"),
        Linear("fc6", 4096, bias=1),
        Dropout("drop6"),
        Linear("fc7", 4096, bias=1),
        Dropout("drop7"),
        Linear("fc8", 1000, active=False),
    ),
    solver=PAPER.solver,
    notes=("No network of 2012 was built so; the popular parameter and operation counts belong to it.",),
)
