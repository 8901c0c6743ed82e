"""Berkeley's reference CaffeNet: AlexNet with pooling and normalisation swapped, by accident and for good."""

from alexnet.lineages.bvlc import BVLC
from alexnet.lineages.spec import Conv, Dropout, Lineage, Linear, Norm, Pool

CAFFENET = Lineage(
    name="caffenet",
    title="BVLC reference CaffeNet",
    source="github.com/BVLC/caffe, models/bvlc_reference_caffenet",
    input=BVLC.input,
    layers=(
        Conv("conv1", 96, kernel_size=11, stride=4),
        Pool("pool1"),
        Norm("norm1", k=1),
        Conv("conv2", 256, kernel_size=5, padding=2, groups=2, bias=1),
        Pool("pool2"),
        Norm("norm2", k=1),
        Conv("conv3", 384, kernel_size=3, padding=1),
        Conv("conv4", 384, kernel_size=3, padding=1, groups=2, bias=1),
        Conv("conv5", 256, kernel_size=3, padding=1, groups=2, bias=1),
        Pool("pool5"),
        Linear("fc6", 4096, std=0.005, bias=1),
        Dropout("drop6"),
        Linear("fc7", 4096, std=0.005, bias=1),
        Dropout("drop7"),
        Linear("fc8", 1000, active=False),
    ),
    solver=BVLC.solver,
    notes=(
        "Pools before it normalises; the weights of Places205, Places365 and hybridCNN are of this order too.",
        "Released at iteration 310,000: 57.4 % top-1, 80.4 % top-5 accuracy on the centre crop.",
    ),
)
