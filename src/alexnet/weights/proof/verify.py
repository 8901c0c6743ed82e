"""Whether a file computes here what it computes elsewhere, and if not, what is likely wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet.errors import UsageError
from alexnet.weights.opened import FILE, Opened
from alexnet.weights.proof.engines import ask
from alexnet.weights.proof.feed import PICTURE, fed, feed_of, square_picture
from alexnet.weights.proof.mistakes import Effect, Mistake, controls, likely_causes
from alexnet.weights.proof.record import has_record, recorded
from alexnet.weights.proof.stages import TOLERANCE, Witness, our_stages
from alexnet.weights.registry import KnownFile, told_by_checksum

RECORD = "record"


@dataclass(frozen=True)
class Comparison:
    """Ours beside what another program computed.

    Attributes:
        against: which program, in words.
        errors: the largest relative error of each stage, in the order of work.
        is_record: whether it was computed when the file was made.
    """

    against: str
    errors: dict[str, float]
    is_record: bool = False

    @property
    def worst(self) -> str:
        """The stage with the largest error."""
        return max(self.errors, key=lambda name: self.errors[name])

    @property
    def first_wrong(self) -> str:
        """The first stage whose error is too large; "" where none is."""
        return next((name for name, error in self.errors.items() if error > TOLERANCE), "")


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        other: the file that was compared with; None: the file itself.
        fed_by: whose way of feeding pictures the other program was given.
        controls: by the name of a mistake, the error that it would have made; {} after a failure.
        causes: the mistakes that explain a failure.
        is_explained: whether everything agrees once they are undone.
        published: the published file that this one is a copy of.
    """

    opened: Opened
    other: Opened | None
    picture: Path
    fed_by: str
    comparisons: tuple[Comparison, ...]
    controls: dict[str, Effect]
    causes: tuple[Mistake, ...]
    is_explained: bool
    published: KnownFile | None

    @property
    def is_described(self) -> bool:
        """Whether the file itself says how it is fed."""
        return self.opened.facts["order"].source == FILE

    @property
    def failed(self) -> Comparison | None:
        """The first comparison in which a stage is too far off."""
        return next((comparison for comparison in self.comparisons if comparison.first_wrong), None)


def verify(
    opened: Opened, against: str | None = None, other: Opened | None = None, picture: Path | None = None
) -> Verification:
    """Compare what a network computes here with what another program makes of the same picture, stage by stage.

    Ours goes through `load`, `Preprocessing` and the network of the lineage. The other side reads the file by itself,
    or another file, and is fed as the publisher of that file feeds it.

    Args:
        against: an engine of `ENGINES`, or `record`, which the file itself holds; None: the usual engine, and the
            record where there is one.
        other: another file of the same network, such as the one that this was made from; an engine reads that one.
        picture: in colour; None: a packaged one.

    Raises:
        UsageError: no such engine or record.
        WeightsError: the engine cannot read the file.
    """
    square = square_picture(opened.weights.preprocessing.resize, picture or PICTURE)
    ours = our_stages(opened.weights, square)
    witnesses = tuple(_witnesses(opened, against, other, picture, square))
    comparisons = tuple(Comparison(witness.program, witness.errors(ours), witness.is_sample) for witness in witnesses)
    failed = next((place for place, comparison in enumerate(comparisons) if comparison.first_wrong), None)
    effects: dict[str, Effect] = {}
    causes: list[Mistake] = []
    is_explained = failed is None
    if failed is None:
        effects = controls(opened.weights, witnesses[0], square)
    else:
        causes, is_explained = likely_causes(opened.weights, witnesses[failed], square)
    return Verification(
        opened, other, picture or PICTURE, feed_of(other or opened).source, comparisons, effects, tuple(causes),
        is_explained, told_by_checksum(opened.path, opened.kind),
    )  # fmt: skip


def _witnesses(
    opened: Opened, against: str | None, other: Opened | None, picture: Path | None, square: np.ndarray
) -> Iterator[Witness]:
    asked = other or opened
    if against != RECORD:
        yield ask(asked, fed(asked, square), against)
    elif picture is not None:
        raise UsageError(f"a record is of {PICTURE.name} alone. Leave --picture out.")
    if against == RECORD:
        yield recorded(opened.weights, square)
    elif against is None and other is None and picture is None and has_record(opened.weights):
        try:
            yield recorded(opened.weights, square)
        except UsageError:  # of other pixels: it was not asked for, and the engine has spoken
            return
