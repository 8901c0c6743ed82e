"""What the cost model (src/alexnet/parallel/predict.py) says about many GPUs: the tables of docs/scale.md.

    python benchmarks/scale.py

Nothing is measured here. Costs come from costs.toml, which says what was measured and what was not.
"""

from alexnet.lineages import Lineage, find
from alexnet.parallel.predict import Machine, Prediction, Work, machine, predictions

IMAGES, EPOCHS = 1_281_167, 90
SIZES = (1, 2, 8, 64, 512)
RAW_BYTES = 256 * 256 * 3


def rows(lineage: Lineage, costs: Machine, per_gpu: int) -> list[Prediction]:
    """The fastest scheme of each number of GPUs."""
    return [predictions(lineage, per_gpu * size, size, costs, is_fused=True)[0] for size in SIZES]


def printed(found: Prediction, alone: Prediction) -> str:
    minutes = IMAGES * EPOCHS / found.images_per_s / 60
    efficiency = found.images_per_s / (found.size * alone.images_per_s)
    feed = found.images_per_s / found.size * RAW_BYTES / 1e9
    return (
        f"| {found.size} | {found.batch_size:,} | {found.scheme} | {1e3 * found.step_s:.2f} | "
        f"{1e3 * found.exposed_s:.2f} | {found.sent_bytes / 1e6:.0f} | {found.images_per_s:,.0f} | {efficiency:.0%} | "
        f"{minutes:,.1f} | {feed:.1f} |"
    )


def main() -> None:
    lineage, costs = find("bvlc"), machine("cuda")
    for per_gpu in (128, 1024):
        print(f"\n{lineage.name}, {per_gpu} pictures per GPU, {costs.machine}\n")
        print(
            "| GPUs | batch | scheme | step ms | exposed ms | sent MB | images/s | efficiency | 90 epochs min | "
            "raw GB/s a GPU |"
        )
        print("|---" * 10 + "|")
        alone = Work(lineage, costs).ddp(per_gpu, 1, is_fused=True)
        for found in rows(lineage, costs, per_gpu):
            print(printed(found, alone))
    print(
        "\nSame global batch, every scheme\n\n| GPUs | batch | scheme | step ms | exposed ms | sent MB |\n"
        + "|---" * 6
        + "|"
    )
    for batch_size, size in ((128, 2), (128, 8), (1024, 2), (1024, 8)):
        for each in predictions(lineage, batch_size, size, costs, is_fused=True):
            print(
                f"| {size} | {batch_size:,} | {each.scheme} | {1e3 * each.step_s:.2f} | {1e3 * each.exposed_s:.2f} | "
                f"{each.sent_bytes / 1e6:.0f} |"
            )
    print(f"\nNot run: {', '.join(costs.not_run)}; every figure for more than one GPU.")


if __name__ == "__main__":
    main()
