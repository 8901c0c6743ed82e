"""The network as the 2012 paper prints it."""

from alexnet.lineages.spec import Conv, Dropout, Input, Lineage, Linear, Norm, Pool, Solver

# 5e-4 is the printed 1e-4 times the window of 5: the printed formula sums, torch's argument is divided.
ALPHA = 5e-4

PAPER = Lineage(
    name="paper",
    title="AlexNet as printed in 2012",
    source="Krizhevsky, Sutskever and Hinton 2012, sec. 3.5, fig. 2 and sec. 5",
    input=Input(size=227, order="RGB", mean="image"),  # printed as 224; the strides need 227
    layers=(
        Conv("conv1", 96, kernel_size=11, stride=4),
        Norm("norm1", alpha=ALPHA),  # over all 96 kernels, as printed; chm: inside a tower
        Pool("pool1"),
        Conv("conv2", 256, kernel_size=5, padding=2, groups=2, bias=1),
        Norm("norm2", alpha=ALPHA),
        Pool("pool2"),
        Conv("conv3", 384, kernel_size=3, padding=1),  # the one convolution that sees both towers
        Conv("conv4", 384, kernel_size=3, padding=1, groups=2, bias=1),
        Conv("conv5", 256, kernel_size=3, padding=1, groups=2, bias=1),
        Pool("pool5"),
        Linear("fc6", 4096, bias=1),
        Dropout("drop6"),
        Linear("fc7", 4096, bias=1),
        Dropout("drop7"),
        Linear("fc8", 1000, active=False),
    ),
    solver=Solver(color="eigenvalue"),
    notes=(
        "The text says 224x224; eleven wide at stride four gives 55 only from 227.",
        "LRN multiplies the plain sum by 1e-4; cuda-convnet, Caffe and torch divide alpha by the window.",
        "Fig. 2 prints 253,440 units for layer 1, which is 55*48*96; 55*55*96 is 290,400.",
    ),
)
