"""`alexnet bench train|infer|load`: how fast it is here, beside plain PyTorch."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli.options import Device, Json, Workers, flag
from alexnet.cli.output import show, table
from alexnet.cli.settings import command
from alexnet.errors import UsageError

if TYPE_CHECKING:
    from alexnet.bench import Benchmark, Figure

Lineage = Annotated[str, flag(help="A name of `alexnet lineages`.", metavar="NAME")]
Batch = Annotated[int, flag("--batch-size", help="Pictures per step or pass.", metavar="N", min=1)]
Seconds = Annotated[float, flag(help="How long each contender is timed.", metavar="X", min=0.0)]
Peers = Annotated[str, flag(help="Whom to measure beside ours: eager, compiled, both or none.", metavar="NAMES")]


def train(
    lineage: Lineage = "bvlc",
    batch_size: Batch = 128,
    data: Annotated[
        Path | None,
        flag(help="Feed the steps from these pictures, and compare with synthetic ones.", metavar="DATA"),
    ] = None,
    peers: Peers = "eager,compiled",
    seconds: Seconds = 2.0,
    workers: Workers = 0,
    device: Device = "auto",
    parallel: Annotated[
        bool, flag(help="Under torchrun: every scheme on --batch-size pictures of all processes.")
    ] = False,
    json: Json = False,
) -> None:
    """Time whole training steps: images per second, the peers in the same run, and the share of the floor."""
    from alexnet.bench import bench_feed, bench_train
    from alexnet.inference.device import resolve_device
    from alexnet.parallel.place import here

    if parallel or here().size > 1:
        train_together(lineage, batch_size, "compiled" in peer_names(peers), seconds, device, json)
        return
    place, names = resolve_device(device), peer_names(peers)
    if data is None:
        found = bench_train(lineage, batch_size, device=place, peers=names, seconds=seconds)
    else:
        found = bench_feed(data, lineage, batch_size, device=place, workers=workers, seconds=seconds)
    show(json, found.to_json(), parts(found))


def train_together(lineage: str, batch_size: int, with_compiled: bool, seconds: float, device: str, json: bool) -> None:
    """Time steps that several processes share."""
    from alexnet.bench.sharing import bench_shared
    from alexnet.inference.device import resolve_device
    from alexnet.parallel.launch import gathered

    with gathered() as team:
        if team.is_alone:
            raise UsageError(
                "one process has nobody to share with. Start it by `torchrun --nproc-per-node 2 -m alexnet bench train "
                "--parallel`."
            )
        place = resolve_device(team.device(device))
        found = bench_shared(lineage, batch_size, team, place, with_compiled=with_compiled, seconds=seconds)
    show(json, found, shared_parts(found))


def infer(
    lineage: Lineage = "bvlc",
    batch_size: Batch = 1,
    peers: Peers = "eager,compiled",
    seconds: Seconds = 2.0,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Time predictions of pictures that lie on the device: latency of one, images per second of many."""
    from alexnet.bench import bench_infer
    from alexnet.inference.device import resolve_device

    place, names = resolve_device(device), peer_names(peers)
    found = bench_infer(lineage, batch_size, device=place, peers=names, seconds=seconds)
    show(json, found.to_json(), parts(found))


def load(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder per class, CSV, JSONL, tar or prepared set.")],
    lineage: Lineage = "bvlc",
    batch_size: Batch = 128,
    seconds: Seconds = 2.0,
    workers: Workers = 0,
    json: Json = False,
) -> None:
    """Time the loader alone, beside a DataLoader of processes."""
    from alexnet.bench import bench_load

    found = bench_load(data, lineage, batch_size, workers=workers or None, seconds=seconds)
    show(json, found.to_json(), parts(found))


app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False)
for each in (train, infer, load):
    app.add_typer(command(each))


@app.callback()
def bench() -> None:
    """Measure speed here: training steps, predictions, reading pictures."""


def peer_names(text: str) -> tuple[str, ...]:
    """The peers that were asked for; "none" for none."""
    from alexnet.bench.peers import PEERS

    names = tuple(name for name in text.replace(",", " ").split() if name != "none")
    for name in names:
        if name not in PEERS:
            raise UsageError(f"there is no peer {name!r}. Expected some of {', '.join(PEERS)}, or none.")
    return names


def parts(found: "Benchmark") -> Iterable[Any]:
    """A line per contender, and what they have in common."""
    from alexnet.inference.machine import machine

    header = ("", "images/s", "median ms", "best ms", "spread", "ours/this", "of the floor")
    yield f"{found.task} {found.lineage}, batch {found.batch_size}, {found.precision}"
    yield table(header, [row(figure) for figure in found.figures], right=header[1:])
    yield from (f"{each.who}: {each.error}" for each in found.figures if each.error)
    yield from found.notes
    yield ", ".join(f"{key} {value}" for key, value in machine().items() if value is not None)


def shared_parts(found: dict[str, Any]) -> Iterable[Any]:
    """A line per scheme, and what they have in common."""
    header = ("", "images/s", "median ms", "efficiency", "speedup", "exposed ms", "sent MB")
    yield f"{found['task']} {found['lineage']}, {found['processes']} processes, batch {found['global_batch']} together"
    yield table(header, [shared_row(each) for each in found["figures"]], right=header[1:])
    yield from (f"{each['who']}: {each['error']}" for each in found["figures"] if each["error"])
    yield ", ".join(f"{key} {value}" for key, value in found["machine"].items() if value is not None)


def shared_row(figure: dict[str, Any]) -> tuple[str, ...]:
    """The cells of one scheme."""
    if figure["error"]:
        return (figure["who"], "failed", *[""] * 5)
    numbers = (figure["efficiency"], figure["speedup"], figure["exposed_ms"], figure["sent_mb"])
    patterns = ("{:.0%}", "{:.2f}", "{:,.3f}", "{:,.1f}")
    cells = ("" if each is None else text.format(each) for text, each in zip(patterns, numbers, strict=True))
    return (figure["who"], f"{figure['images_per_s']:,.1f}", f"{figure['median_ms']:,.3f}", *cells)


def row(figure: "Figure") -> tuple[str, ...]:
    """The cells of one contender."""
    if figure.error is not None:
        return (figure.who, "failed", "", "", "", "", "")
    return (
        figure.who,
        f"{figure.images_per_s:,.1f}",
        f"{figure.median_ms:,.3f}",
        f"{figure.best_ms:,.3f}",
        f"{figure.spread:.1%}",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        "" if figure.floor_share is None else f"{figure.floor_share:.1%}",
    )
