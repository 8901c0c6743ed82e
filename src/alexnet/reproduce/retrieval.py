"""Sec. 6.1, fig. 4: pictures that are near by fc7 are alike, which pictures near by their pixels are not."""

import base64

from alexnet.reproduce.alike import LAYERS, PIXELS
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences
from alexnet.reproduce.imagenet import base
from alexnet.reproduce.report import NEIGHBOURS
from alexnet.reproduce.trial import Results


def find(budget: Budget, results: Results) -> Found:
    shares = {name: [float(results[trial.key]["alike"][name]) for trial in base(budget)] for name in (*LAYERS, PIXELS)}
    said = ", ".join(f"{name} {100 * sum(found) / len(found):.1f} %" for name, found in shares.items())
    return Found(
        (Comparison("precision at 5, fc7 less pixels", differences(shares["fc7"], shares[PIXELS])),),
        f"Of each validation picture's five nearest others by Euclidean distance, the share of its own class: {said}. "
        "The paper shows pictures and gives no figure. neighbours.jpg has the first pictures of five classes that lie "
        "evenly among all, with the first seed's network.",
        details={"precision_at_5": shares},
        pictures=tuple(
            (NEIGHBOURS, base64.b64decode(found["neighbours"]))
            for found in (results[trial.key] for trial in base(budget))
            if "neighbours" in found
        ),
    )


CLAIM = Claim(
    "retrieval", "6.1, fig. 4", "neighbours by fc7 are alike, neighbours by pixels are not", ("tiny",), base, find
)
