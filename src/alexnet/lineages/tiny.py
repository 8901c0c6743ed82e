"""An AlexNet in every part, small enough for a test to train in milliseconds."""

from alexnet.lineages.spec import Conv, Dropout, Input, Lineage, Linear, Norm, Pool, Solver

TINY = Lineage(
    name="tiny",
    title="A small grouped AlexNet for tests and demonstrations",
    source="ours: the stages of bvlc with narrow layers and a 67-pixel view",
    input=Input(size=67, mean="channel", resize=80),
    layers=(
        Conv("conv1", 16, kernel_size=11, stride=4, std=0.05),
        Norm("norm1"),
        Pool("pool1"),
        Conv("conv2", 32, kernel_size=5, padding=2, groups=2, std=0.05, bias=0.1),
        Norm("norm2"),
        Pool("pool2"),
        Conv("conv3", 48, kernel_size=3, padding=1, std=0.05),
        Conv("conv4", 48, kernel_size=3, padding=1, groups=2, std=0.05, bias=0.1),
        Conv("conv5", 32, kernel_size=3, padding=1, groups=2, std=0.05, bias=0.1),
        Pool("pool5"),
        Linear("fc6", 64, std=0.05, bias=0.1),
        Dropout("drop6"),
        Linear("fc7", 64, std=0.05, bias=0.1),
        Dropout("drop7"),
        Linear("fc8", 10, std=0.05, active=False),
    ),
    solver=Solver(batch_size=16, epochs=10, bias_lr=2.0, bias_decay=False),
)
