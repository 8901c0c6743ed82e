"""Sec. 3.2 and 3.5: two towers against one with half the kernels, and the colours that each tower takes (fig. 3)."""

from statistics import mean

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences, gain
from alexnet.reproduce.imagenet import base, variant
from alexnet.reproduce.trial import Results, Trial, curves


def half(budget: Budget) -> list[Trial]:
    """One tower: half of the kernels but in the last convolution, which the paper keeps."""
    return variant(budget, "one tower", groups=False, width=0.5)


def joined(budget: Budget) -> list[Trial]:
    """As many kernels, each seeing all channels: what the towers lose by talking at conv3 only."""
    return variant(budget, "no towers", groups=False)


def silent(budget: Budget) -> list[Trial]:
    """Towers that meet at fc6 and nowhere before."""
    return variant(budget, "silent towers", apart=("conv3",), tower_norms=True)


def plan(budget: Budget) -> list[Trial]:
    return [*base(budget), *half(budget), *joined(budget), *silent(budget)]


def find(budget: Budget, results: Results) -> Found:
    split = gain(results, base(budget), joined(budget), "error")
    silence = gain(results, silent(budget), base(budget), "error")
    shares = [sorted(map(float, results[trial.key]["colour"])) for trial in base(budget)]
    return Found(
        (
            Comparison("top-1 error, one half tower less two", gain(results, half(budget), base(budget), "error"), 1.7),
            Comparison(
                "top-5 error, one half tower less two", gain(results, half(budget), base(budget), "top5_error"), 1.2
            ),
            Comparison(
                "share of colour in conv1, one tower less the other",
                differences([each[-1] for each in shares], [each[0] for each in shares]),
                unit="points of energy",
            ),
        ),
        f"Top-1 error against the two towers: {-mean(split):+.1f} points for the same kernels without a split, "
        f"{mean(silence):+.1f} for towers that never talk before fc6 (conv3 and norms kept inside). A difference of "
        "colour between the towers is positive by its making, so look at its size: in the paper's figure 3 one tower "
        "is nearly gray.",
        (
            Line("two towers", curves(results, base(budget), "error")),
            Line("half tower", curves(results, half(budget), "error")),
            Line("not split", curves(results, joined(budget), "error")),
            Line("silent", curves(results, silent(budget), "error")),
        ),
        details={
            "colour_shares": shares,
            "cost_of_the_split_points": split,
            "cost_of_silence_points": silence,
        },
    )


CLAIM = Claim(
    "towers",
    "3.2, 3.5",
    "two towers beat one of half the kernels, and each takes its own colours",
    ("tiny",),
    plan,
    find,
)
