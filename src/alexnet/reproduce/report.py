"""What a claim leaves behind: result.json and a plot."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alexnet import __version__
from alexnet.inference.charts import line_chart
from alexnet.inference.machine import machine
from alexnet.reproduce.bars import comparison_chart
from alexnet.reproduce.budget import FULL, Budget
from alexnet.reproduce.claim import Claim, Found, Verdict, verdict_of
from alexnet.reproduce.trial import Results, Trial, as_json

RESULT, PLOT, CURVES, NEIGHBOURS = "result.json", "plot.svg", "curves.svg", "neighbours.jpg"


def write_result(
    claim: Claim, budget: Budget, wanted: Sequence[Trial], results: Results, folder: Path
) -> dict[str, Any]:
    """Write result.json, the plot of ours beside the paper's, and the curves if there are any; return the document."""
    found = claim.find(budget, results)
    verdict: Verdict = "smoke run" if budget.is_smoke and wanted else verdict_of(found.comparisons)
    document = {
        "claim": claim.name,
        "section": claim.section,
        "says": claim.says,
        "verdict": verdict,
        "reason": found.reason,
        "comparisons": [
            each.to_json() | ({"verdict": verdict} if verdict == "smoke run" else {}) for each in found.comparisons
        ],
        "details": found.details or {},
        "budget": asdict(budget),
        "trainings": len(wanted),
        "seconds": round(sum(float(results[trial.key]["seconds"]) for trial in wanted), 1),
        "lost": [
            f"{trial.variant}, seed {trial.seed}: {results[trial.key]['failed']}"
            for trial in wanted
            if "failed" in results[trial.key]
        ],
        "variants": settings_of(wanted),
        "command": command(claim, budget),
        # Where the trainings were: their results may have come here from elsewhere.
        "machine": results[wanted[0].key]["machine"] if wanted else machine(),
        "alexnet": __version__,
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = as_json(document, indent=1)
    (folder / RESULT).write_text(text + "\n", encoding="utf-8")
    (folder / PLOT).write_text(comparison_chart(claim.says, found.comparisons), encoding="utf-8")
    if any(line.points for line in found.lines):
        (folder / CURVES).write_text(curves_of(claim, found), encoding="utf-8")
    for name, picture in found.pictures:
        (folder / name).write_bytes(picture)
    read: dict[str, Any] = json.loads(text)
    return read


def command(claim: Claim, budget: Budget) -> str:
    """What makes these figures again."""
    data = "".join(f" --{kind} DATA" for kind in claim.data)
    return f"alexnet reproduce {claim.name}{data}{'' if budget == FULL else f' --budget {budget.name}'}"


def settings_of(wanted: Sequence[Trial]) -> dict[str, dict[str, Any]]:
    """The settings of each variant."""
    return {trial.variant: dict(trial.settings) for trial in wanted}


def curves_of(claim: Claim, found: Found) -> str:
    """Means over the seeds, by epoch, on white: a page may be dark."""
    chart = line_chart(claim.says, found.lines, "epoch", found.y_label, found.is_percent)
    return chart.replace("<svg ", '<svg width="520" style="background:#fff;color:#222" ', 1)
