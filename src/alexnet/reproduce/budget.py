"""How much a claim may cost: seeds, epochs and pictures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """What a run of the claims may cost.

    Attributes:
        seeds: of what trains on CIFAR-10.
        tiny_seeds: of what trains on Tiny-ImageNet-200.
        lineage: the grouped AlexNet of the ImageNet claims.
        epochs: of each of its trainings.
        batch_size: of the same.
        race_epochs: after how many a network that has not reached its goal gives up.
        norm_epochs: of the CIFAR-10 networks with and without response norms.
        early_epochs: that count as the early stages of an ImageNet training.
        per_class: pictures taken of each class; 0: all.
        classes: taken of the ImageNet set; 0: all.
        is_smoke: shows that everything runs, and nothing else.
    """

    name: str
    seeds: int
    tiny_seeds: int
    lineage: str
    epochs: int
    batch_size: int
    race_epochs: int
    norm_epochs: int
    early_epochs: int
    per_class: int = 0
    classes: int = 0
    is_smoke: bool = False


FULL = Budget("full", 5, 3, "bvlc", 14, 256, 50, 16, 4)
SMOKE = Budget("smoke", 1, 1, "tiny", 2, 16, 2, 2, 2, per_class=40, classes=5, is_smoke=True)
BUDGETS = {budget.name: budget for budget in (FULL, SMOKE)}
