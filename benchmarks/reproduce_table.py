"""The page docs/reproduce.md, from what `alexnet reproduce` wrote; nothing in it is typed by hand.

    alexnet reproduce --all --cifar CIFAR --tiny TINY -o reproduced
    python benchmarks/reproduce_table.py reproduced [docs/reproduce.md]
    python benchmarks/reproduce_table.py --unpack reproduced      # the trainings behind the page, to go on from

A claim without full results is "not run". Plots are copied to claims/ beside the page, and what each training gave lies
there as a line of trainings.jsonl; the drawing of neighbours does not, for it shows pictures of the set.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from alexnet.reproduce import CLAIMS, FULL
from alexnet.reproduce.claims import TRIALS
from alexnet.reproduce.report import CURVES, PLOT, RESULT
from alexnet.reproduce.trial import trial_of

PICTURES, TRAININGS = "claims", "trainings.jsonl"
HEAD = """# The paper, claim by claim

    alexnet reproduce --list
    alexnet reproduce relu --cifar cifar-10               # result.json, plot.svg, curves.svg in reproduced/relu
    alexnet reproduce --all --cifar cifar-10 --tiny tiny-raw      # on every GPU there is; goes on where it stopped
    alexnet reproduce --all --budget smoke --cifar cifar-10 --tiny tiny-imagenet-200      # a minute or two on two cores

The last shows that it runs, and nothing else. A claim is a set of trainings that differ in one switch, from several
seeds; all switches are flags of `alexnet train`. *Holds*: beyond two standard errors of no difference, and at least
half as large as in the paper, where that gives a figure. *In direction*: on the right side of nothing. A claim is as
weak as its weakest number. Where the paper says ImageNet, these are trainings on Tiny-ImageNet-200, of a few epochs.
On a GPU those work in bfloat16 with weights in float32, the ones on CIFAR-10 in float32, with TF32 in convolutions.
`benchmarks/reproduce_table.py` writes this page from the results; what each training gave is a line of
[trainings.jsonl](claims/trainings.jsonl).

| claim | what | paper | ours | unit | verdict |
| --- | --- | --- | --- | --- | --- |
"""


def result(folder: Path) -> dict[str, Any] | None:
    """What is known of a claim; None without a full run."""
    file = folder / RESULT
    found: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return found if found and found["verdict"] != "smoke run" else None


def rows(name: str, found: dict[str, Any] | None) -> list[str]:
    """A line for each number of a claim."""
    if found is None:
        return [f"| `{name}` | {CLAIMS[name].says} | | not run | | |"]
    return [
        f"| [`{name}`](#{name}) | {each['what']} | {figure(each['paper'])} | {ours(each)} | {each['unit']} | "
        f"{each['verdict']} |"
        for each in found["comparisons"]
    ]


def ours(each: dict[str, Any]) -> str:
    """The mean, and the standard deviation where there are several seeds."""
    spread = f" ± {figure(each['spread'], '.2g')} ({each['seeds']} seeds)" if each["seeds"] > 1 else ""
    return "no figure" if each["mean"] is None else figure(each["mean"]) + spread


def figure(number: float | None, digits: str = ".4g") -> str:
    return "" if number is None else f"{number:{digits}}"


def section(name: str, found: dict[str, Any], shown: list[Path]) -> str:
    """What has to be known to read a claim's numbers, what they cost, and its plots."""
    says = found["says"][0].upper() + found["says"][1:]
    plots = "\n".join(f"![{found['says']}]({PICTURES}/{picture.name})" for picture in shown)
    return (
        f"\n## {name}\n\n{says} (sec. {found['section']}): **{found['verdict']}**.\n\n"
        f"{found['reason']}{lost(found)}\n\n"
        f"`{found['command']}`: {cost(found)}.\n\n{plots}\n"
    )


def lost(found: dict[str, Any]) -> str:
    """Which trainings gave no network: they count as wrong on all pictures."""
    names = [said.split(":")[0] for said in found["lost"]]
    return f" Lost, and counted as wrong on all pictures: {'; '.join(names)}." if names else ""


def cost(found: dict[str, Any]) -> str:
    """How many trainings, how long together, and on what."""
    machine, count = found["machine"], found["trainings"]
    is_on_gpu = "gpu" in machine and not any("processes" in settings for settings in found["variants"].values())
    place = f"{machine['gpu'] if is_on_gpu else machine['processor']}, torch {machine['torch']}"
    seconds = f"{found['seconds']:,.0f} {'GPU' if is_on_gpu else 'processor'} seconds"
    return f"{count} training{'s' if count > 1 else ''}, {seconds} in all, {place}" if count else "no training"


def copied(name: str, folder: Path, pictures: Path) -> list[Path]:
    """The plots of a claim, beside the page."""
    pictures.mkdir(exist_ok=True)
    return [
        Path(shutil.copyfile(folder / kind, pictures / f"{name}-{kind}"))
        for kind in (PLOT, CURVES)
        if (folder / kind).exists()
    ]


def total(trainings: list[dict[str, Any]]) -> str:
    """What all claims cost together; a training that several of them want is made once."""
    minutes = sum(each["seconds"] for each in trainings) / 60
    count = len(trainings)
    return (
        f"\n{count} trainings, some for several claims: {minutes:.0f} minutes of one device in all.\n" if count else ""
    )


def pack(trainings: list[dict[str, Any]], file: Path) -> None:
    """Write what all trainings gave, but for pictures."""
    lines = [{name: value for name, value in each.items() if name != "neighbours"} for each in trainings]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def unpack(file: Path, folder: Path) -> None:
    """Put the trainings where `alexnet reproduce -o FOLDER` finds them."""
    home = folder / TRIALS / FULL.name
    home.mkdir(parents=True, exist_ok=True)
    for line in file.read_text(encoding="utf-8").splitlines():
        (home / f"{trial_of(json.loads(line)['trial']).key}.json").write_text(line, encoding="utf-8")


def kept(folder: Path) -> list[dict[str, Any]]:
    """What each training gave."""
    files = sorted((folder / TRIALS / FULL.name).glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--unpack":
        unpack(Path(__file__).parents[1] / "docs" / PICTURES / TRAININGS, Path(sys.argv[2]))
        return
    folder = Path(sys.argv[1])
    page = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("docs/reproduce.md")
    results = {name: result(folder / name) for name in CLAIMS}
    table = "\n".join(line for name, found in results.items() for line in rows(name, found))
    sections = [
        section(name, found, copied(name, folder / name, page.parent / PICTURES))
        for name, found in results.items()
        if found is not None
    ]
    trainings = kept(folder)
    pack(trainings, page.parent / PICTURES / TRAININGS)
    page.write_text(HEAD + table + "\n" + total(trainings) + "".join(sections), encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
