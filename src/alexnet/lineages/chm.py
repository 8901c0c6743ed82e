"""What Krizhevsky actually ran: configuration 145 of the source released by the Computer History Museum."""

from alexnet.lineages.spec import Activation, Conv, Dropout, Input, Lineage, Linear, Norm, Pool, Solver, SpatialNorm

CHM = Lineage(
    name="chm",
    title="The network behind the paper's numbers (configuration 145)",
    source="github.com/computerhistory/AlexNet-Source-Code, layers-145.cfg and layer.py",
    input=Input(size=224, order="RGB", mean="image"),
    layers=(
        # ceil: 55 positions, the last ones hang 3 pixels over the edge and read zeros.
        Conv("conv1", 96, kernel_size=11, stride=4, ceil=True, active=False),
        Norm("norm1", groups=2),  # the window never crosses the towers
        Pool("pool1"),
        Activation("relu1"),  # after the pool: norm1 sees negative values too
        Conv("conv2", 256, kernel_size=5, padding=2, groups=2, bias=1),
        Norm("norm2", groups=2),
        SpatialNorm("cnorm2"),  # the paper never mentions it
        Pool("pool2"),
        Conv("conv3", 384, kernel_size=3, padding=1, std=0.03),
        Conv("conv4", 384, kernel_size=3, padding=1, groups=2, std=0.03, bias=1),
        Conv("conv5", 256, kernel_size=3, padding=1, groups=2, std=0.03, bias=1),
        Pool("pool5"),
        Linear("fc6", 4096, bias=1),
        Dropout("drop6"),
        Linear("fc7", 4096, bias=1),
        Dropout("drop7"),
        Linear("fc8", 1000, active=False),
    ),
    solver=Solver(bias_lr=2.0, bias_decay=False),
    notes=(
        "Differs from the paper's text: LRN inside each tower and before the first ReLU, a second (spatial) norm, "
        "initial std 0.03 in conv3 to conv5.",
        "Max pooling and ReLU commute, so conv5 -> pool -> ReLU is written conv5 -> ReLU -> pool.",
        "Dropout there keeps the mask unscaled and halves at test time; here it is inverted, the same function.",
    ),
)

CHM_HALF = Lineage(
    name="chm-half",
    title="The one-GPU net of the two-GPU comparison (configuration 145-half)",
    source="github.com/computerhistory/AlexNet-Source-Code, layers-145-half",
    input=CHM.input,
    layers=(
        Conv("conv1", 48, kernel_size=11, stride=4, ceil=True, active=False),
        Norm("norm1"),
        Pool("pool1"),
        Activation("relu1"),
        Conv("conv2", 128, kernel_size=5, padding=2, bias=1),
        Norm("norm2"),
        SpatialNorm("cnorm2"),
        Pool("pool2"),
        Conv("conv3", 192, kernel_size=3, padding=1, std=0.03),
        Conv("conv4", 192, kernel_size=3, padding=1, std=0.03, bias=1),
        Conv("conv5", 256, kernel_size=3, padding=1, std=0.03, bias=1),  # at full width, so that fc6 is as large
        Pool("pool5"),
        Linear("fc6", 4096, bias=1),
        Dropout("drop6"),
        Linear("fc7", 4096, bias=1),
        Dropout("drop7"),
        Linear("fc8", 1000, active=False),
    ),
    solver=CHM.solver,
    notes=("Half the kernels of each convolution but conv5; the paper's 1.7 / 1.2 points are measured against it.",),
)
