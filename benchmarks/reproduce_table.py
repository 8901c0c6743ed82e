"""The table of docs/reproduce.md, from what `alexnet reproduce` wrote; nothing in it is typed by hand.

    alexnet reproduce --all --cifar CIFAR --tiny TINY -o reproduced
    python benchmarks/reproduce_table.py reproduced [docs/reproduce.md]

Without results a claim's row says "not run". The plots are copied beside the page.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from alexnet.reproduce import CLAIMS

HEAD = """# The paper, claim by claim

    alexnet reproduce --list
    alexnet reproduce relu --cifar cifar-10               # result.json, plot.svg, curves.svg in reproduced/relu
    alexnet reproduce --all --cifar cifar-10 --tiny tiny-raw      # on every GPU there is; goes on where it stopped
    alexnet reproduce --all --budget smoke --cifar cifar-10 --tiny tiny-imagenet-200      # minutes on two cores

The last shows that it runs, and nothing else. A claim is a set of trainings that differ in one switch, from several
seeds; all switches are flags of `alexnet train`. *Holds*: beyond two standard errors of no difference, and at least
half as large as in the paper, where that gives a figure. *In direction*: on the right side of nothing. A claim is as
weak as its weakest number. This page is written by `benchmarks/reproduce_table.py` from the result.json files.

| claim | section | what | paper | ours (spread over seeds) | unit | verdict | trainings | GPU seconds |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def rows(name: str, folder: Path) -> list[str]:
    """A line for each number of a claim; "not run" without a full result."""
    file, claim = folder / name / "result.json", CLAIMS[name]
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if not found or found["verdict"] == "smoke run":
        return [f"| `{name}` | {claim.section} | {claim.says} | | not run | | | | |"]
    return [
        f"| `{name}` | {claim.section} | {each['what']} | {'' if each['paper'] is None else each['paper']} | "
        f"{each['mean']:.4g} ({each['spread']:.2g}; {each['seeds']}) | {each['unit']} | {each['verdict']} | "
        f"{found['trainings']} | {found['seconds']:,.0f} |"
        for each in found["comparisons"]
    ]


def reasons(name: str, folder: Path, page: Path) -> str:
    """What has to be known to read a claim's numbers, and its plots."""
    home = folder / name
    file = home / "result.json"
    if not file.exists():
        return ""
    found = json.loads(file.read_text(encoding="utf-8"))
    if found["verdict"] == "smoke run":
        return ""
    shown = []
    for plot in ("plot.svg", "curves.svg"):
        if (home / plot).exists():
            kept = page.parent / "reproduce" / f"{name}-{plot}"
            kept.parent.mkdir(exist_ok=True)
            shutil.copyfile(home / plot, kept)
            shown.append(f"![{found['says']}](reproduce/{kept.name})")
    parts = ("gpu", "processor", "torch")
    machine = ", ".join(f"{key} {found['machine'][key]}" for key in parts if key in found["machine"])
    says = found["says"][0].upper() + found["says"][1:]
    text = f"## {name}: {found['verdict']}\n\n{says} (sec. {found['section']}). {found['reason']}"
    return f"\n{text}\n\n`{found['command']}`; {machine}.\n\n" + "\n".join(shown) + "\n"


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    page = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("docs/reproduce.md")
    table = "\n".join(line for name in CLAIMS for line in rows(name, folder))
    page.write_text(HEAD + table + "\n" + "".join(reasons(name, folder, page) for name in CLAIMS), encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
