"""Guelph's replication in Theano: CaffeNet's order with the paper's constants in LRN."""

from dataclasses import replace

from alexnet.lineages.bvlc import BVLC
from alexnet.lineages.paper import ALPHA
from alexnet.lineages.spec import Conv, Dropout, Lineage, Linear, Norm, Pool

THEANO = Lineage(
    name="theano",
    title="theano_alexnet (University of Guelph)",
    source="github.com/uoguelph-mlrg/theano_alexnet; Ding et al. 2014, arXiv 1412.2302",
    input=replace(BVLC.input, order="RGB"),
    layers=(
        Conv("conv1", 96, kernel_size=11, stride=4),
        Pool("pool1"),
        Norm("norm1", alpha=ALPHA),  # the sum is not divided, as in the paper
        Conv("conv2", 256, kernel_size=5, padding=2, groups=2, bias=0.1),
        Pool("pool2"),
        Norm("norm2", alpha=ALPHA),
        Conv("conv3", 384, kernel_size=3, padding=1),
        Conv("conv4", 384, kernel_size=3, padding=1, groups=2, bias=0.1),
        Conv("conv5", 256, kernel_size=3, padding=1, groups=2),
        Pool("pool5"),
        Linear("fc6", 4096, std=0.005, bias=0.1),
        Dropout("drop6"),
        Linear("fc7", 4096, std=0.005, bias=0.1),
        Dropout("drop7"),
        Linear("fc8", 1000, active=False),
    ),
    solver=replace(BVLC.solver, epochs=65, lr_drops=2),
    notes=(
        "Called a replication of BVLC's net, but it pools before it normalises and takes k=2 and an undivided 1e-4.",
        "Its released weights (epoch 65): 42.66 % top-1, 19.88 % top-5 error on the centre crop.",
    ),
)
