"""Parameters, units and multiply-adds of the networks, against the paper's figures and those that are passed on."""

from alexnet.lineages import find as lineage
from alexnet.lineages import trace, vary
from alexnet.lineages.trace import Totals, totals
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found
from alexnet.reproduce.trial import Results, Trial


def plan(budget: Budget) -> list[Trial]:
    return []


def counted(name: str) -> Totals:
    return totals(trace(lineage(name)))


def find(budget: Budget, results: Results) -> Found:
    paper, folk = counted("paper"), counted("ungrouped")
    half = totals(trace(vary(lineage("chm"), groups=False, width=0.5)))
    first = next(row for row in trace(lineage("paper")) if row.weights)
    units = first.out_shape[0] * first.out_shape[1] * first.out_shape[2]
    return Found(
        (
            Comparison("parameters, abstract: 60 million", (paper.params / 1e6,), 60.0, "millions", tolerance=0.02),
            Comparison("neurons, abstract: 650,000", (paper.units / 1e3,), 650.0, "thousands", tolerance=0.02),
        ),
        f"The network of two towers has {paper.params:,} parameters and {paper.macs:,} multiply-adds, "
        f"{paper.conv_params_share:.1%} and {paper.conv_macs_share:.1%} of them in convolutions. 62.3 million, "
        "1.1 billion, 6 % and 95 %, which many texts give, are the network without towers: "
        f"{folk.params:,}, {folk.macs:,}, {folk.conv_params_share:.1%}, {folk.conv_macs_share:.1%}. "
        f"Figure 2 says 253,440 units in the first layer, which is 55 x 48 x 96; 55 x 55 x 96 is {units:,}.",
        details={
            "paper": {"params": paper.params, "macs": paper.macs, "units": paper.units},
            "ungrouped": {"params": folk.params, "macs": folk.macs, "units": folk.units},
            "half_tower": {"params": half.params, "macs": half.macs},
        },
    )


CLAIM = Claim("arithmetic", "abstract, 3.5, fig. 2", "60 million parameters, 650,000 neurons", (), plan, find)
