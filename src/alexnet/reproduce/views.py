"""Sec. 4.1 and 6: the mean of ten views against the centre (39.0 to 37.5 % top-1, 18.3 to 17.0 % top-5)."""

from alexnet.reproduce.budget import Budget
from alexnet.reproduce.claim import Claim, Comparison, Found, differences
from alexnet.reproduce.imagenet import base
from alexnet.reproduce.trial import Results, values


def find(budget: Budget, results: Results) -> Found:
    errors = {
        name: values(results, base(budget), name)
        for name in ("error", "ten_view_error", "top5_error", "ten_view_top5_error")
    }
    return Found(
        (
            Comparison("top-1 error, one view less ten", differences(errors["error"], errors["ten_view_error"]), 1.5),
            Comparison(
                "top-5 error, one view less ten", differences(errors["top5_error"], errors["ten_view_top5_error"]), 1.3
            ),
        ),
        "The same networks, looked through twice.",
        details=errors,
    )


CLAIM = Claim("views", "4.1, 6", "ten views have 1.5 points less error than one", ("tiny",), base, find)
