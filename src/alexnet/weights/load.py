"""From what a user names (a network that is packaged or known, a file, a folder, a run) to `Weights`."""

import json
from difflib import get_close_matches
from pathlib import Path

from alexnet.errors import UnreadableWeights, UsageError
from alexnet.weights.caches import find_here
from alexnet.weights.checkpoint import Notice, latest, log_notice
from alexnet.weights.foreign import read_foreign
from alexnet.weights.formats import theano
from alexnet.weights.formats.foreign_safetensors import is_ours
from alexnet.weights.formats.safetensors import read_safetensors
from alexnet.weights.hub import HUB, find_on_hub
from alexnet.weights.means import MeanSource
from alexnet.weights.recognize import recognize
from alexnet.weights.registry import FILES, Checksum, KnownFile, digest_of, not_here
from alexnet.weights.save import CONFIG, MODEL
from alexnet.weights.weights import Weights

DEFAULT_WEIGHTS = "tiny200"  # name of the packaged network that is loaded when none is named
ASSETS = Path(__file__).resolve().parents[1] / "assets"


def load(
    source: str | Path | None = None,
    lineage: str | None = None,
    *,
    mean: MeanSource | None = None,
    notice: Notice = log_notice,
) -> Weights:
    """Return the weights that `source` names, checked against their lineage.

    Args:
        source: the name of a packaged network or of a published one that is on this machine (see `registry`), a file
            of weights in any format that `recognize` knows, a folder that holds `model.safetensors`, a run folder (its
            `best/`, else its latest checkpoint), or `hf://owner/name`; None: the packaged default.
        lineage: what the user believes the weights to be: needed where a foreign file cannot tell; a file that knows
            must agree.
        mean: what is subtracted from pictures, see `read_mean`; only for a file that is not of ours.
        notice: is told what was loaded in place of what was asked for.

    Raises:
        UsageError: nothing is called so, the file is of another lineage, or has a mean of its own.
        WeightsError: the file is no file of weights, is damaged, or does not fit its lineage.
    """
    file = locate(source, notice)
    if recognize(file) != "safetensors" or not is_ours(file):
        return read_foreign(file, lineage, mean=mean, known_as=registered_lineage(source)).weights
    if mean is not None:
        raise UsageError(f"{file} says itself what is subtracted: leave the mean out.")
    weights = read_safetensors(file)
    if lineage is not None and lineage != weights.lineage.name:
        raise UsageError(
            f"{file} holds a network of lineage {weights.lineage.name}, not {lineage}. "
            "It says so itself: leave the lineage out."
        )
    return weights


def registered_lineage(source: str | Path | None) -> str | None:
    """The lineage of a published file that is named by its registered name."""
    return FILES[source].lineage or None if isinstance(source, str) and source in FILES else None


def locate(source: str | Path | None = None, notice: Notice = log_notice) -> Path:
    """Return the file that holds the weights of `source`.

    A name wins over a file or folder that is called the same; "./NAME", or a `Path`, means that one.

    Raises:
        UsageError: nothing is called so, or a known file that is not on this machine.
        UnreadableWeights: a folder without weights, or a file that is not the one it is known as.
    """
    name = DEFAULT_WEIGHTS if source is None else source
    if isinstance(name, str) and is_name(name):
        return _called(name, notice)
    path = Path(name).expanduser()
    if path.is_dir():
        return _in_folder(path, notice)
    if not path.exists():
        close = get_close_matches(str(name), [*packaged(), *FILES], n=1)
        raise UsageError(
            f"there are no weights {str(name)!r}: no such file or folder, "
            f"and the packaged networks are {', '.join(packaged())}."
            + (f" Did you mean {close[0]}?" if close else "")
            + " Name a model.safetensors, the folder it is in, a run folder, or a name of `alexnet weights list`."
        )
    return path


def is_name(source: str) -> bool:
    """Whether a source is the name of a network, and no path."""
    return source in packaged() or source in FILES or source.startswith(HUB)


def _called(name: str, notice: Notice) -> Path:
    """The file of a network that goes by a name."""
    if name.startswith(HUB):
        return find_on_hub(name, notice)
    if name in packaged():
        return ASSETS / name / MODEL
    file = FILES[name]
    if file.kind != "weights":
        what = "a mean image" if file.kind == "mean" else "an archive with class names and a mean image"
        raise UsageError(f"{name} is {what} and no network: it goes with one, as in --weights bvlc --mean {name}")
    if Path(name).exists():
        notice(f"{name} is the published {file.file}; what is called {name} here is not looked at: write ./{name}")
    path = find_here(file)
    if path is None:
        raise not_here(file)
    return path


def packaged() -> list[str]:
    """Names of the networks that come with the package."""
    return sorted(model.parent.name for model in ASSETS.glob(f"*/{MODEL}"))


def packaged_file(name: str) -> KnownFile:
    """A packaged network as `weights list` shows it, from the description beside it."""
    model = ASSETS / name / MODEL
    about = json.loads((model.parent / CONFIG).read_text(encoding="utf-8"))
    errors = [about["provenance"].get(f"ten_view_{kind}_error") for kind in ("top1", "top5")]
    return KnownFile(
        name=name,
        file=MODEL,
        format="safetensors",
        lineage=about["lineage"],
        url="",
        page="",
        checksum=Checksum("sha256", digest_of(model, "sha256")),
        size_bytes=model.stat().st_size,
        licence="MIT, as the package",
        input="{order} 0..{range}, {size} of {resize}".format(**about["preprocessing"]),
        classes=about["num_classes"],
        trained_on=str(about["provenance"].get("data", "unknown")).partition(":")[0],
        note="comes with the package"
        + (", and is the default" if name == DEFAULT_WEIGHTS else "")
        + ("; error with ten views {:.1%} / {:.1%}".format(*errors) if all(errors) else ""),
        kind="packaged",
    )


def _in_folder(folder: Path, notice: Notice) -> Path:
    for file in (folder / MODEL, folder / "best" / MODEL):
        if file.is_file():
            return file
    tensors = theano.first_file(folder)
    if tensors is not None:
        return tensors
    checkpoint = latest(folder, notice)
    if checkpoint is None:
        raise UnreadableWeights(
            f"{folder} holds no weights: neither {MODEL}, nor best/{MODEL}, nor a checkpoint. "
            "Name a folder that `alexnet train` or `alexnet finetune` wrote."
        )
    notice(f"{folder} has no best/ yet; its latest checkpoint is loaded: {checkpoint.name}")
    return checkpoint / MODEL
