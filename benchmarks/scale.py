"""What the cost model (src/alexnet/parallel/predict.py) says about many GPUs: the tables of docs/scale.md.

    python benchmarks/scale.py

Nothing is measured here. Costs come from costs.toml, which says what was measured and what was not.
"""

from alexnet.lineages import Lineage, find
from alexnet.parallel.predict import Machine, Prediction, Work, machine, predictions

IMAGES, EPOCHS = 1_281_167, 90
SIZES = (1, 2, 8, 64, 512)
RAW_BYTES = 256 * 256 * 3


def scaling(lineage: Lineage, costs: Machine, per_gpu: int) -> None:
    """The fastest scheme of each number of GPUs, the work of each GPU staying the same."""
    head("GPUs", "hosts", "batch", "scheme", "step ms", "exposed ms", "sent MB", "images/s", "efficiency",
         "90 epochs, min", "GB/s of raw pictures a host")  # fmt: skip
    alone = Work(lineage, costs).ddp(per_gpu, 1, is_fused=True)
    for size in SIZES:
        found = predictions(lineage, per_gpu * size, size, costs, is_fused=True)[0]
        hosts = -(-size // costs.host_size)
        line(
            f"{size}{' (measured)' if size == 1 else ''}", hosts, f"{found.batch_size:,}", *common(found),
            f"{found.images_per_s:,.0f}", f"{found.images_per_s / (size * alone.images_per_s):.0%}",
            f"{IMAGES * EPOCHS / found.images_per_s / 60:.2g}", f"{found.images_per_s / hosts * RAW_BYTES / 1e9:.0f}",
        )  # fmt: skip


def schemes(lineage: Lineage, costs: Machine) -> None:
    """Every scheme on the same batches."""
    head("GPUs", "batch", "scheme", "step ms", "exposed ms", "sent MB")
    for batch_size, size in ((128, 2), (128, 8), (1024, 2), (1024, 8)):
        for each in predictions(lineage, batch_size, size, costs, is_fused=True):
            line(size, f"{batch_size:,}", *common(each))


def common(found: Prediction) -> tuple[str, str, str, str]:
    return found.scheme, f"{1e3 * found.step_s:.2f}", f"{1e3 * found.exposed_s:.2f}", f"{found.sent_bytes / 1e6:.0f}"


def head(*names: str) -> None:
    line(*names)
    line(*("---" for _ in names))


def line(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |")


def main() -> None:
    lineage, costs = find("bvlc"), machine("cuda")
    for per_gpu in (128, 1024):
        print(f"\n### {per_gpu} pictures a GPU\n")
        scaling(lineage, costs, per_gpu)
    print("\n### The same batch, every scheme\n")
    schemes(lineage, costs)


if __name__ == "__main__":
    main()
