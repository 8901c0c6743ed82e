"""ImageNet Classification with Deep Convolutional Neural Networks (2012), the whole of it on one page.

    python examples/paper_in_one_file.py FOLDER     # FOLDER/train/<class>/*.jpg and FOLDER/val/<class>/*.jpg
    python examples/paper_in_one_file.py            # stripes that it draws and a small network: under a minute

Sections are those of Krizhevsky, Sutskever and Hinton. Nothing here comes from the package, and the package is tested
against it. Written to be read: for speed, shards and resuming there is `alexnet train --recipe paper`.
Shapes: N pictures, S side of a stored square, C channels, K classes. Pixels are RGB on 0-255.
"""

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

Picture = tuple[Path, int]  # a file and its class
PATIENCE, DROPS = 5, 3  # sec. 5 drops the rate by hand, three times; epochs without progress are our reading of it


class Size(NamedTuple):
    """The paper's, or a network for two CPU cores. Kernels count both towers together."""

    side: int = 256
    view: int = 227  # printed as 224, but kernels of 11 at stride 4 give the printed 55 positions only from 227
    kernels: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)
    units: int = 4096
    std: float = 0.01
    rate: float = 0.01
    batch: int = 128
    epochs: int = 90


PAPER = Size()
SMALL = Size(112, 99, (24, 64, 96, 96, 64), 256, std=0.04, rate=0.002, batch=16, epochs=9)


def square(path: Path, side: int) -> NDArray[np.uint8]:
    """Sec. 2: scale the short side to 256, cut the central 256x256; (S, S, 3)."""
    try:
        with Image.open(path) as file:
            picture = file.convert("RGB")
    except OSError as error:
        raise OSError(f"{path}: {error}. Replace this picture or take it out.") from error
    short = min(picture.size)
    width, height = (side * length // short for length in picture.size)
    left, top = (width - side) // 2, (height - side) // 2
    scaled = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(scaled.crop((left, top, left + side, top + side)))


class Statistics(NamedTuple):
    """Of the training set: the mean image (S, S, 3), and the axes of its colours, in columns (3, 3)."""

    mean: NDArray[np.float64]
    variances: NDArray[np.float64]  # the eigenvalues, of pixels on 0-1
    axes: NDArray[np.float64]


def measure(squares: Iterable[NDArray[np.uint8]]) -> Statistics:
    """Sec. 2: the mean activity of each pixel; sec. 4.1: principal components of all RGB values of the training set."""
    count, total, products = 0, np.zeros(()), np.zeros((3, 3))
    for values in squares:
        rows = values.reshape(-1, 3).astype(np.float64)
        count, total, products = count + 1, total + values, products + rows.T @ rows
    mean = total / count
    color = mean.mean(axis=(0, 1))
    covariance = products / (count * mean[..., 0].size) - np.outer(color, color)
    variances, axes = np.linalg.eigh(covariance / 255**2)
    return Statistics(mean, variances, axes)


def less_mean(patches: NDArray[np.uint8], statistics: Statistics) -> NDArray[np.float64]:
    """Sec. 2. Wherever a patch was cut, it loses the centre of the mean image, as in Krizhevsky's code."""
    view, start = patches.shape[-2], (len(statistics.mean) - patches.shape[-2]) // 2
    return patches - statistics.mean[start : start + view, start : start + view]


def as_input(views: NDArray[np.float64]) -> Tensor:
    """(N, H, W, 3) to what the network takes, (N, 3, H, W)."""
    return torch.from_numpy(views.transpose(0, 3, 1, 2).astype(np.float32))


def color_noise(normal: NDArray[np.float64], statistics: Statistics) -> NDArray[np.float64]:
    """Sec. 4.1: [p1 p2 p3][a1 l1, a2 l2, a3 l3], one colour for all pixels of a view; `normal` / 10 are the a."""
    # On pixels of 0-1, then back: straight on 0-255 the eigenvalues would shift colours by a thousand grey levels.
    return 255 * statistics.axes @ (0.1 * normal * statistics.variances)


def training_view(
    picture: NDArray[np.uint8], view: int, statistics: Statistics, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Sec. 4.1: a random patch, mirrored or not, less the mean, in a slightly other light."""
    top, left = rng.integers(0, len(picture) - view, size=2, endpoint=True)
    patch = picture[top : top + view, left : left + view]
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
    return less_mean(patch, statistics) + color_noise(rng.standard_normal(3), statistics)


def ten_patches(picture: NDArray[np.uint8], view: int, statistics: Statistics) -> NDArray[np.float64]:
    """Sec. 4.1: four corners and the centre, then their mirrors; (10, view, view, 3)."""
    end, middle = len(picture) - view, (len(picture) - view) // 2
    corners = [(0, 0), (0, end), (end, 0), (end, end), (middle, middle)]
    five = np.stack([picture[top : top + view, left : left + view] for top, left in corners])
    return less_mean(np.concatenate([five, five[:, :, ::-1]]), statistics)


def response_norm(a: Tensor, k: float = 2, n: int = 5, alpha: float = 1e-4, beta: float = 0.75) -> Tensor:
    """Sec. 3.3: divide each activity by those of its n neighbours among the kernels, at the same position."""
    sums = [a[:, max(0, i - n // 2) : i + n // 2 + 1].square().sum(dim=1) for i in range(a.shape[1])]
    # As printed. cuda-convnet, Caffe and torch.nn.LocalResponseNorm divide alpha by n: there this is alpha=5e-4.
    return a / (k + alpha * torch.stack(sums, dim=1)) ** beta


def overlapping_pool(x: Tensor) -> Tensor:
    """Sec. 3.4: windows of 3 at a stride of 2."""
    return nn.functional.max_pool2d(x, kernel_size=3, stride=2)


def dropout(x: Tensor, is_training: bool) -> Tensor:
    """Sec. 4.2: half the units are silent in training; all of them at half strength in the test."""
    # Today's "inverted" dropout doubles in training instead: its weights of fc7 and fc8 are half of these.
    return x * (torch.rand(x.shape) >= 0.5) if is_training else x * 0.5


class AlexNet(nn.Module):
    """Sec. 3.5 and fig. 2: five convolutions, three fully connected layers; groups=2 are the two towers."""

    def __init__(self, classes: int, size: Size = PAPER) -> None:
        super().__init__()
        k1, k2, k3, k4, k5 = size.kernels
        self.conv1 = nn.Conv2d(3, k1, kernel_size=11, stride=4)
        self.conv2 = nn.Conv2d(k1, k2, kernel_size=5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(k2, k3, kernel_size=3, padding=1)  # the one that sees both towers
        self.conv4 = nn.Conv2d(k3, k4, kernel_size=3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(k4, k5, kernel_size=3, padding=1, groups=2)
        positions = (size.view - 11) // 4 + 1  # 55, then 27, 13 and 6 after the three pools
        for _ in range(3):
            positions = (positions - 3) // 2 + 1
        self.fc6 = nn.Linear(k5 * positions**2, size.units)
        self.fc7 = nn.Linear(size.units, size.units)
        self.fc8 = nn.Linear(size.units, classes)
        for name, values in self.named_parameters():  # sec. 5: N(0, 0.01), and biases 1 where ReLUs need a start
            if name.endswith("weight"):
                nn.init.normal_(values, 0, size.std)
            else:
                nn.init.constant_(values, float(name.split(".")[0] in ("conv2", "conv4", "conv5", "fc6", "fc7")))

    def forward(self, views: Tensor) -> Tensor:
        """Logits (N, K) of views (N, 3, 227, 227)."""
        x = overlapping_pool(response_norm(torch.relu(self.conv1(views))))  # (N, 96, 27, 27)
        x = overlapping_pool(response_norm(torch.relu(self.conv2(x))))  # (N, 256, 13, 13)
        x = torch.relu(self.conv3(x))  # sec. 3.1: max(0, x); (N, 384, 13, 13)
        x = torch.relu(self.conv4(x))  # (N, 384, 13, 13)
        x = overlapping_pool(torch.relu(self.conv5(x)))  # (N, 256, 6, 6)
        x = dropout(torch.relu(self.fc6(x.flatten(1))), self.training)  # (N, 4096)
        x = dropout(torch.relu(self.fc7(x)), self.training)
        logits: Tensor = self.fc8(x)
        return logits


@torch.no_grad()
def update(weights: Iterable[Tensor], velocities: Iterable[Tensor], rate: float) -> None:
    """Sec. 5: v <- 0.9 v - 0.0005 rate w - rate dL/dw; w <- w + v."""
    for w, v in zip(weights, velocities, strict=True):
        assert w.grad is not None
        v.copy_(0.9 * v - 0.0005 * rate * w - rate * w.grad)
        w.add_(v)


def has_stopped(errors: list[float]) -> bool:
    """Sec. 5: whether the validation error, epoch by epoch from the last drop on, has stopped improving."""
    return len(errors) > PATIENCE and min(errors[-PATIENCE:]) >= min(errors[:-PATIENCE])


def train_epoch(
    net: AlexNet, velocities: list[Tensor], pictures: list[Picture], size: Size,
    statistics: Statistics, rate: float, rng: np.random.Generator,
) -> float:  # fmt: skip
    """One pass over the training pictures in random order; the mean loss, sec. 3.5's log-probability of the label."""
    net.train()
    total, order = 0.0, rng.permutation(len(pictures))
    for start in range(0, len(order), size.batch):
        chosen = [pictures[i] for i in order[start : start + size.batch]]
        views = [training_view(square(path, size.side), size.view, statistics, rng) for path, _ in chosen]
        labels = torch.tensor([label for _, label in chosen])
        loss = nn.functional.cross_entropy(net(as_input(np.stack(views))), labels)
        net.zero_grad()
        torch.autograd.backward(loss)
        update(net.parameters(), velocities, rate)
        total += loss.item() * len(chosen)
    return total / len(pictures)


@torch.no_grad()
def predict(net: AlexNet, patches: Tensor) -> Tensor:
    """Sec. 4.1: the softmax outputs (K,) of one picture's patches, averaged."""
    net.eval()
    probs: Tensor = net(patches).softmax(dim=1)
    return probs.mean(dim=0)


def errors(net: AlexNet, pictures: list[Picture], size: Size, statistics: Statistics, ten: bool) -> tuple[float, float]:
    """Sec. 1: how often the label is not the likeliest class, or not among five; ten patches or the centre alone."""
    wrong = np.zeros(2)
    for path, label in pictures:
        patches = ten_patches(square(path, size.side), size.view, statistics)
        ranked = predict(net, as_input(patches if ten else patches[4:5])).argsort(descending=True)
        wrong += [label not in ranked[:1], label not in ranked[:5]]
    top1, top5 = wrong / len(pictures)
    return float(top1), float(top5)


def list_pictures(folder: Path, classes: list[str]) -> list[Picture]:
    """Every JPEG and PNG of a folder per class, with its class."""
    pictures: list[Picture] = []
    for label, name in enumerate(classes or ["<class>"]):
        paths = sorted(path for path in folder.glob(f"{name}/*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if not paths:
            raise FileNotFoundError(f"{folder / name}: no .jpg or .png. Expected train/<class>/ and val/<class>/.")
        pictures += [(path, label) for path in paths]
    return pictures


def draw_stripes(folder: Path, rng: np.random.Generator) -> None:
    """A set of our own: stripes that lie, stand or cross, and noise, in random widths and colours."""
    y, x = np.mgrid[:112, :140]
    for split, count in (("train", 48), ("val", 12)):
        for number in range(count):
            pace, shift = rng.uniform(0.25, 0.6), rng.uniform(0, 6)
            lying, standing, noise = np.sin(pace * y + shift), np.sin(pace * x + shift), rng.standard_normal(x.shape)
            waves = {"crossing": lying * standing, "lying": lying, "noise": noise, "standing": standing}
            for name, wave in waves.items():
                colors = rng.uniform(30, 100, 3) * wave[..., None] + rng.uniform(90, 160, 3)
                (folder / split / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(colors.clip(0, 255).astype(np.uint8)).save(folder / split / name / f"{number}.png")


def run(folder: Path, classes: list[str], size: Size, epochs: int) -> None:
    """Train on folder/train, test on folder/val; print the loss and the errors of each epoch."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    classes = classes or sorted(path.name for path in folder.glob("train/*") if path.is_dir())
    training, validation = (list_pictures(folder / split, classes) for split in ("train", "val"))
    statistics = measure(square(path, size.side) for path, _ in training)
    net = AlexNet(len(classes), size)
    velocities = [torch.zeros_like(w) for w in net.parameters()]
    rate, drops, since_drop = size.rate, 0, list[float]()
    for epoch in range(1, epochs + 1):
        loss = train_epoch(net, velocities, training, size, statistics, rate, rng)
        top1, top5 = errors(net, validation, size, statistics, ten=False)
        print(
            f"epoch {epoch:2}  rate {rate:.0e}  loss {loss:.4f}  top-1 error {top1:.1%}  top-5 {top5:.1%}", flush=True
        )
        since_drop.append(top1)
        if drops < DROPS and has_stopped(since_drop):
            rate, drops, since_drop = rate / 10, drops + 1, []
    top1, top5 = errors(net, validation, size, statistics, ten=True)
    print(f"ten patches: top-1 error {top1:.1%}  top-5 {top5:.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description="The AlexNet paper of 2012 on one page.")
    parser.add_argument("folder", nargs="?", type=Path, help="holds train/<class>/ and val/<class>/; drawn if left out")
    parser.add_argument("--classes", nargs="+", default=[], help="folders to use; default: all of train/")
    parser.add_argument("--size", choices=("paper", "small"), help="default: paper with a folder, small without")
    parser.add_argument("--epochs", type=int, help="default: 90 (sec. 5), 9 if small")
    args = parser.parse_args()
    size = {"paper": PAPER, "small": SMALL}[args.size or ("paper" if args.folder else "small")]
    with tempfile.TemporaryDirectory() as drawn:
        if not args.folder:
            draw_stripes(Path(drawn), np.random.default_rng(0))
        try:
            run(args.folder or Path(drawn), args.classes, size, size.epochs if args.epochs is None else args.epochs)
        except OSError as error:  # a folder without pictures, or a damaged one: it says which
            parser.error(str(error))


if __name__ == "__main__":
    main()
