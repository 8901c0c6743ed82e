"""From what a user names (a packaged network, a file, a folder, a run) to `Weights`."""

from pathlib import Path

from alexnet.errors import UnreadableWeights, UsageError
from alexnet.weights.checkpoint import Notice, latest, log_notice
from alexnet.weights.foreign import read_foreign
from alexnet.weights.formats.foreign_safetensors import is_ours
from alexnet.weights.formats.safetensors import read_safetensors
from alexnet.weights.recognize import recognize
from alexnet.weights.save import MODEL
from alexnet.weights.weights import Weights

DEFAULT_WEIGHTS: str | None = None  # name of the packaged network that is loaded when none is named
ASSETS = Path(__file__).resolve().parents[1] / "assets"


def load(source: str | Path | None = None, lineage: str | None = None, *, notice: Notice = log_notice) -> Weights:
    """Return the weights that `source` names, checked against their lineage.

    Args:
        source: a packaged network's name, a file of weights in any format that `recognize` knows, a folder that holds
            `model.safetensors`, or a run folder (its `best/`, else its latest checkpoint); None: the packaged default.
        lineage: what the user believes the weights to be: needed where a foreign file cannot tell; a file that knows
            must agree.
        notice: is told what was loaded in place of what was asked for.

    Raises:
        UsageError: nothing is called so, or the file is of another lineage.
        WeightsError: the file is no file of weights, is damaged, or does not fit its lineage.
    """
    file = locate(source, notice)
    if recognize(file) != "safetensors" or not is_ours(file):
        return read_foreign(file, lineage).weights
    weights = read_safetensors(file)
    if lineage is not None and lineage != weights.lineage.name:
        raise UsageError(
            f"{file} holds a network of lineage {weights.lineage.name}, not {lineage}. "
            "It says so itself: leave the lineage out."
        )
    return weights


def locate(source: str | Path | None = None, notice: Notice = log_notice) -> Path:
    """Return the file that holds the weights of `source`. A packaged name wins over a folder called the same.

    Raises:
        UsageError: nothing is called so.
        UnreadableWeights: a folder without weights.
    """
    name = DEFAULT_WEIGHTS if source is None else source
    if name is None:
        raise UsageError("no weights were named, and no network is packaged. Name a file or a run: --weights RUN")
    if name in packaged():
        return ASSETS / name / MODEL
    path = Path(name).expanduser()
    if path.is_dir():
        return _in_folder(path, notice)
    if not path.exists():
        raise UsageError(
            f"there are no weights {str(name)!r}: no such file or folder"
            + (f", and the packaged networks are {', '.join(packaged())}." if packaged() else ".")
            + " Name a model.safetensors, the folder it is in, or a run folder."
        )
    return path


def packaged() -> list[str]:
    """Names of the networks that come with the package."""
    return sorted(model.parent.name for model in ASSETS.glob(f"*/{MODEL}"))


def _in_folder(folder: Path, notice: Notice) -> Path:
    for file in (folder / MODEL, folder / "best" / MODEL):
        if file.is_file():
            return file
    checkpoint = latest(folder, notice)
    if checkpoint is None:
        raise UnreadableWeights(
            f"{folder} holds no weights: neither {MODEL}, nor best/{MODEL}, nor a checkpoint. "
            "Name a folder that `alexnet train` or `alexnet finetune` wrote."
        )
    notice(f"{folder} has no best/ yet; its latest checkpoint is loaded: {checkpoint.name}")
    return checkpoint / MODEL
