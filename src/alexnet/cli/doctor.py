"""`alexnet doctor`: what this machine offers, and what is missing."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alexnet.cli.options import Json
from alexnet.cli.output import show, table
from alexnet.cli.settings import command

PACKAGES = ("alexnet", "torch", "numpy", "pillow", "safetensors", "torchmetrics", "jinja2", "typer", "rich")

# Extra -> the modules it brings.
EXTRAS = {
    "explain": ("captum", "matplotlib"),
    "fast": ("simplejpeg",),
    "hub": ("huggingface_hub",),
    "onnx": ("onnx", "onnxruntime"),
    "parquet": ("pyarrow",),
    "serve": ("fastapi", "python_multipart", "uvicorn"),
    "tb": ("tensorboard",),
    "verify": ("cv2",),
}


def doctor(json: Json = False) -> None:
    """Print versions, devices, disk, caches, and the extras that are missing with the line that installs each."""
    folders = cache_folders()
    facts = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": {name: installed(name) for name in PACKAGES},
        "cpu": cpu(),
        "devices": devices(),
        "disk": [disk(Path.cwd()), disk(Path(folders[0]["folder"]))],
        "caches": folders,
        "extras": [extra(name, modules) for name, modules in EXTRAS.items()],
    }
    show(json, facts, report(facts))


app = command(doctor)


def installed(package: str) -> str | None:
    """The version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu() -> dict[str, Any]:
    """Cores, those this process may use, and the instruction set that torch's kernels chose."""
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "model": cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": usable,
        "torch_threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "operators": operators(),
    }


def operators() -> str:
    """Whether predictions on the CPU have the compiled operators, and why not; compiles those that nobody has."""
    from alexnet.fast.cpu.operators import compile_all

    missing = compile_all()
    return f"torch's, not compiled: {missing}" if missing else "compiled"


def cpu_model() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def devices() -> list[dict[str, Any]]:
    """What `--device` can name here, the automatic choice first."""
    import torch

    found: list[dict[str, Any]] = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        name = f"{properties.name}, compute capability {properties.major}.{properties.minor}"
        found.append({"device": f"cuda:{index}", "name": name, "memory_bytes": properties.total_memory})
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": "Apple GPU", "memory_bytes": None})
    return [*found, {"device": "cpu", "name": cpu_model(), "memory_bytes": memory_bytes()}]


def memory_bytes() -> int | None:
    """Main memory, where the system tells it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def disk(folder: Path) -> dict[str, Any]:
    """Free and total bytes where a folder lies or would lie."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(there)
    return {"folder": str(folder), "free_bytes": usage.free, "total_bytes": usage.total}


def cache_folders() -> list[dict[str, Any]]:
    """The folders that are looked into for weights before anything is fetched."""
    from alexnet.weights.caches import caches

    return [
        {
            "variable": cache.variable,
            "is_set": cache.variable in os.environ,
            "folder": str(cache.folder),
            "exists": cache.folder.is_dir(),
        }
        for cache in caches()
    ]


def extra(name: str, modules: tuple[str, ...]) -> dict[str, Any]:
    """Whether an extra is here, and the line that installs it."""
    missing = [module for module in modules if find_spec(module) is None]
    return {"extra": name, "installed": not missing, "missing": missing, "install": f"pip install 'alexnet[{name}]'"}


def report(facts: dict[str, Any]) -> list[Any]:
    """The facts as tables."""
    processor = facts["cpu"]
    versions = [("python", facts["python"])] + [(k, v or "not installed") for k, v in facts["versions"].items()]
    return [
        facts["system"],
        f"{processor['model']}: {processor['usable_cores']} of {processor['cores']} cores usable,"
        f" torch uses {processor['torch_threads']} threads and {processor['instructions']}",
        f"operators of predictions on it: {processor['operators']}",
        "",
        table(("package", "version"), versions),
        "",
        table(("--device", "memory", "name"), [device_row(device) for device in facts["devices"]], right=("memory",)),
        "",
        table(("free", "of", "disk at"), [disk_row(each) for each in facts["disk"]], right=("free", "of")),
        "",
        table(("cache", "there", "folder"), [cache_row(each) for each in facts["caches"]]),
        "",
        table(("extra", "state", "install with"), [extra_row(each) for each in facts["extras"]]),
    ]


def device_row(device: dict[str, Any]) -> tuple[str, str, str]:
    return device["device"], gigabytes(device["memory_bytes"]), device["name"]


def disk_row(disk: dict[str, Any]) -> tuple[str, str, str]:
    return gigabytes(disk["free_bytes"]), gigabytes(disk["total_bytes"]), disk["folder"]


def cache_row(cache: dict[str, Any]) -> tuple[str, str, str]:
    return (
        cache["variable"],
        "yes" if cache["exists"] else "no",
        cache["folder"] + ("" if cache["is_set"] else " (default)"),
    )


def extra_row(extra: dict[str, Any]) -> tuple[str, str, str]:
    if extra["installed"]:
        return extra["extra"], "installed", ""
    return extra["extra"], f"no {', '.join(extra['missing'])}", extra["install"]


def gigabytes(size: int | None) -> str:
    """Bytes as GB of a thousand million, as disks are sold."""
    return "?" if size is None else f"{size / 1e9:,.1f} GB"
