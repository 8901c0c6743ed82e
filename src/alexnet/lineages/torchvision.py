"""The AlexNet of torchvision: the 2014 network with padding and without normalisation."""

from alexnet.lineages.spec import AdaptivePool, Conv, Dropout, Input, Lineage, Linear, Pool, Solver

TORCHVISION = Lineage(
    name="torchvision",
    title="torchvision's alexnet",
    source="github.com/pytorch/vision, torchvision/models/alexnet.py, weights IMAGENET1K_V1",
    input=Input(size=224, order="RGB", range=1, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    layers=(
        Conv("conv1", 64, kernel_size=11, stride=4, padding=2, std=None),
        Pool("pool1", ceil=False),
        Conv("conv2", 192, kernel_size=5, padding=2, std=None),
        Pool("pool2", ceil=False),
        Conv("conv3", 384, kernel_size=3, padding=1, std=None),
        Conv("conv4", 256, kernel_size=3, padding=1, std=None),
        Conv("conv5", 256, kernel_size=3, padding=1, std=None),
        Pool("pool5", ceil=False),
        AdaptivePool("avgpool", 6),  # the identity at 224
        Dropout("drop5"),  # before fc6 and fc7, not after: equal at test, not in training
        Linear("fc6", 4096, std=None),
        Dropout("drop6"),
        Linear("fc7", 4096, std=None),
        Linear("fc8", 1000, std=None, active=False),
    ),
    solver=Solver(batch_size=256, weight_decay=1e-4, color="off", lr_drops=2),
    notes=("56.522 % top-1, 79.066 % top-5 accuracy on the centre crop.",),
)
