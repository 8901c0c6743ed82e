"""The outcome of a verification in words: for JSON, for people, and as the error that a failure is."""

from collections.abc import Iterator
from typing import Any

from alexnet.weights.identity import ASKED
from alexnet.weights.proof.evidence import Evidence
from alexnet.weights.proof.mistakes import MISTAKES
from alexnet.weights.proof.stages import INPUT, TOLERANCE
from alexnet.weights.proof.verify import Comparison, Verification

WHERE = {
    INPUT: "what is fed differs: order of colours, range, mean or view",
    "conv1": "the first kernels differ: their planes of colour, their axes or their values",
    "norm": "normalisation differs: its place, k, alpha or beta",
    "pool": "pooling differs: its place, its window or how sizes are rounded",
    "fc": "the weights of a full matrix differ: the order of its inputs, its axes or its values",
}


def document(found: Verification, evidence: Evidence | None = None) -> dict[str, Any]:
    """All of it as `weights verify --json` prints it."""
    return {
        "file": str(found.opened.path),
        "format": found.opened.facts["format"].value,
        "lineage": found.opened.weights.lineage.name,
        "lineage_known_from": found.opened.facts["lineage"].source,
        "against_file": None if found.other is None else str(found.other.path),
        "picture": str(found.picture),
        "fed_by": found.fed_by,
        "tolerance": TOLERANCE,
        "comparisons": [
            {
                "against": comparison.against,
                "errors": {name: _finite(error) for name, error in comparison.errors.items()},
                "worst": comparison.worst,
                "agrees": not comparison.first_wrong,
            }
            for comparison in found.comparisons
        ],
        "agrees": found.failed is None,
        "first_wrong": found.failed.first_wrong if found.failed else None,
        "causes": [{"name": cause.name, "what": cause.what, "remedy": cause.remedy} for cause in found.causes],
        "explained": found.is_explained,
        "controls": {
            name: {"worst": _finite(effect.worst), "last": _finite(effect.last), "seen": effect.worst > TOLERANCE}
            for name, effect in found.controls.items()
        },
        "published_as": found.published.name if found.published else None,
        "not_proved": list(not_proved(found)),
        "evidence": None if evidence is None else _evidence(evidence),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    doubts = {name: doubt._asdict() | {"verdict": doubt.verdict} for name, doubt in evidence.doubts.items()}
    return {"pictures": evidence.pictures, "doubts": doubts}


def _finite(error: float) -> float | None:
    """An error as JSON can hold it: None where stages cannot be compared."""
    return error if error != float("inf") else None


def verdict(comparison: Comparison) -> str:
    """One line on a comparison."""
    error = comparison.errors[comparison.worst]
    if not comparison.first_wrong:
        return f"Agrees: the largest relative error is {error:.1e}, in {comparison.worst}; {TOLERANCE:.0e} is allowed."
    return f"Differs from {comparison.first_wrong} on: {spoken(comparison.errors[comparison.first_wrong])}."


def spoken(error: float) -> str:
    """An error for people."""
    return "not comparable" if error == float("inf") else f"{error:.1e}"


def control_rows(found: Verification) -> Iterator[tuple[str, str, str, str]]:
    """What the comparison would have seen: each mistake, the error it makes at worst and in the end, if seen."""
    for name, effect in found.controls.items():
        yield (
            _title(name),
            spoken(effect.worst),
            spoken(effect.last),
            "seen" if effect.worst > TOLERANCE else "NOT SEEN",
        )


def doubt_rows(evidence: Evidence) -> Iterator[tuple[str, str, str, str, str]]:
    """Each mistake, the mean entropy of guesses without and with it, and what that says."""
    for name, doubt in evidence.doubts.items():
        numbers = (f"{doubt.as_fed:.3f}", f"{doubt.mistaken:.3f}", f"{doubt.deviations:+.1f}")
        yield (_title(name), *numbers, doubt.verdict)


def _title(name: str) -> str:
    return next(mistake.what for mistake in MISTAKES if mistake.name == name).split(":")[0]


def not_proved(found: Verification) -> Iterator[str]:
    """What an agreement leaves open."""
    if found.failed is not None or found.published is not None:
        return
    files = [opened for opened in (found.opened, found.other) if opened is not None]
    if all(opened.facts["lineage"].source == ASKED for opened in files):
        whose = "the file cannot tell, and was read as asked" if found.other is None else "both were read as asked"
        yield (
            f"that it is {found.opened.weights.lineage.name}: {whose}. A file that carries its network can tell: "
            "--against ORIGINAL"
        )
    is_recorded = any(comparison.is_record for comparison in found.comparisons)
    if found.other is None and not is_recorded and found.is_described:
        yield "that what the file says of itself is true. A file that it was made from can tell: --against ORIGINAL"
    elif found.other is None and not is_recorded:
        yield (
            f"that whoever wrote it meant it to be fed {found.fed_by}: with planes of colour turned, or fc6 wired "
            "otherwise, a file computes the same wrong numbers everywhere. A file that it was made from can tell: "
            "--against ORIGINAL"
        )
    yield "how pictures are made square and resized: both sides were given the same square"


def failure(found: Verification) -> str:
    """The error for a file that computes something else: what, where first, the likely cause, what to do."""
    assert found.failed is not None
    failed, place = found.failed, found.failed.first_wrong
    whose = f"{failed.against} from {found.other.path}" if found.other else f"{failed.against} from the same file"
    error = spoken(failed.errors[place])
    said = f"{found.opened.path} does not compute what {whose} does. First different: {place}, {error}."
    if not found.causes:
        return f"{said} No usual mistake explains it; {_hint(place)}."
    causes = "; and ".join(cause.what for cause in found.causes)
    rest = "With that undone everything agrees" if found.is_explained else "With that undone more agrees, not all"
    remedies = ". ".join(f"{cause.remedy[0].upper()}{cause.remedy[1:]}" for cause in found.causes)
    return f"{said} Likely cause: {causes}. {rest}. {remedies}."


def _hint(place: str) -> str:
    return next((hint for start, hint in WHERE.items() if place.startswith(start)), f"the weights of {place} differ")
