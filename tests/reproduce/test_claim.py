"""The rule that makes a verdict of figures."""

import pytest

from alexnet.reproduce import CLAIMS, FULL, SMOKE, Budget
from alexnet.reproduce.claim import Comparison, Verdict, differences, verdict_of


@pytest.mark.parametrize(
    ("ours", "paper", "verdict"),
    [
        ((1.5, 1.6, 1.4), 1.5, "holds"),
        ((0.8, 0.9, 0.7), 1.5, "holds"),  # half of the paper's and far beyond chance
        ((0.3, 0.31, 0.29), 1.5, "holds in direction"),  # sure, but small
        ((3.0, -2.0, 1.0), 1.5, "holds in direction"),  # large, but within chance
        ((-0.1, 0.05, -0.2), 1.5, "does not hold here"),
        ((float("inf"), 1.0), 1.5, "does not hold here"),
        ((0.2, 0.21, 0.2), None, "holds"),  # the paper gives no figure
    ],
)
def test_a_verdict_asks_for_sign_size_and_certainty(
    ours: tuple[float, ...], paper: float | None, verdict: Verdict
) -> None:
    assert Comparison("error", ours, paper).verdict == verdict


def test_a_ratio_is_measured_from_one() -> None:
    assert Comparison("time", (3.2, 3.4), 6.0, "times", 1.0).verdict == "holds in direction"
    assert Comparison("time", (3.6, 3.7), 6.0, "times", 1.0).verdict == "holds"
    assert Comparison("time", (0.9, 0.8), 6.0, "times", 1.0).verdict == "does not hold here"


def test_a_figure_with_a_tolerance_must_be_the_papers() -> None:
    assert Comparison("count", (60.97,), 60.0, tolerance=0.02).verdict == "holds"
    assert Comparison("count", (62.4,), 60.0, tolerance=0.02).verdict == "does not hold here"


def test_a_claim_is_as_weak_as_its_weakest_number() -> None:
    strong, weak = Comparison("a", (2.0, 2.1), 2.0), Comparison("b", (0.1, 0.11), 2.0)
    assert verdict_of((strong, strong)) == "holds"
    assert verdict_of((strong, weak)) == "holds in direction"


def test_differences_go_seed_by_seed() -> None:
    assert differences((0.5, 0.4), (0.25, 0.5)) == pytest.approx((25.0, -10.0))


@pytest.mark.parametrize("budget", [FULL, SMOKE], ids=["full", "smoke"])
def test_trainings_have_names_of_their_own_and_are_shared(budget: Budget) -> None:
    plans = [trial for claim in CLAIMS.values() for trial in claim.plan(budget)]
    distinct = {trial.key: trial for trial in plans}
    assert len(distinct) == len(set(plans)) < len(plans)
    assert all(
        sum(trial.key == key for trial in claim.plan(budget)) <= 1 for claim in CLAIMS.values() for key in distinct
    )


def test_full_budgets_have_the_seeds_that_are_promised() -> None:
    for claim in CLAIMS.values():
        for trial in claim.plan(FULL):
            seeds = {
                other.seed for other in claim.plan(FULL) if (other.data, other.variant) == (trial.data, trial.variant)
            }
            assert len(seeds) >= (5 if trial.data == "cifar" else 3)
