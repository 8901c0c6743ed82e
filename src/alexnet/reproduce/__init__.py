"""The paper, claim by claim: trainings that differ in one thing, and what they say about it."""

from alexnet.reproduce.budget import BUDGETS, FULL, SMOKE, Budget
from alexnet.reproduce.claims import CLAIMS, reproduce

__all__ = ["BUDGETS", "CLAIMS", "FULL", "SMOKE", "Budget", "reproduce"]
