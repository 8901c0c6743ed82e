"""Berkeley's replication in Caffe: the AlexNet whose weights most people know."""

from alexnet.lineages.spec import Conv, Dropout, Input, Lineage, Linear, Norm, Pool, Solver

BVLC = Lineage(
    name="bvlc",
    title="BVLC AlexNet (Caffe)",
    source="github.com/BVLC/caffe, models/bvlc_alexnet",
    input=Input(size=227, order="BGR", mean="image", mean_alignment="picture", fit="warp"),
    layers=(
        Conv("conv1", 96, kernel_size=11, stride=4),
        Norm("norm1", k=1),
        Pool("pool1"),
        Conv("conv2", 256, kernel_size=5, padding=2, groups=2, bias=0.1),  # 1 gave them a flat loss
        Norm("norm2", k=1),
        Pool("pool2"),
        Conv("conv3", 384, kernel_size=3, padding=1),
        Conv("conv4", 384, kernel_size=3, padding=1, groups=2, bias=0.1),
        Conv("conv5", 256, kernel_size=3, padding=1, groups=2, bias=0.1),
        Pool("pool5"),
        Linear("fc6", 4096, std=0.005, bias=0.1),
        Dropout("drop6"),
        Linear("fc7", 4096, std=0.005, bias=0.1),
        Dropout("drop7"),
        Linear("fc8", 1000, active=False),
    ),
    solver=Solver(batch_size=256, bias_lr=2.0, bias_decay=False, color="off"),
    notes=(
        "Pictures are warped to 256x256, no colour noise.",
        "Released at iteration 360,000: 57.1 % top-1, 80.2 % top-5 accuracy on the centre crop.",
    ),
)
