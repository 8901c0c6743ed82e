"""`alexnet serve` under load, beside the server that most tutorials write, in one run.

    python benchmarks/serve.py [--phases ratio overload memory slow upload] [--networks tiny200 bvlc] [--rounds 5]
        [--seconds 8] [--minutes 5] [--pictures FOLDER] [--json FILE]

ratio     predictions per second of both at 16 clients, in turns; the answers are compared first
overload  64 clients: latency of what is answered, and how soon the rest hears 503
memory    resident size over minutes of that load
slow      200 sockets that say nothing, half a head or half a body: when are they closed, does /healthz answer
upload    400 MB, announced or in chunks: is it refused, and what does it cost

`bvlc` is the 1000-class network with random weights. Clients live in a process of their own on the same cores. On a
busy machine the ratio of the same run counts. Sizes are read from /proc, so Linux only.
"""

import argparse
import contextlib
import json
import os
import platform
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import alexnet

HERE = Path(__file__).parent
PHOTOS = Path(alexnet.__file__).parent / "assets" / "photos"
CLIENTS, MANY_CLIENTS = 16, 64
UPLOAD_BYTES = 400_000_000
SLOW_SOCKETS = 200
START_S = 180.0
MB = 2**20
Row = dict[str, Any]


# ------------------------------------------------------------------------------------------------ servers


@dataclass
class Record:
    """What the clients of `load_client.py` found; see there."""

    latencies: dict[int, list[float]]
    answers: Row
    broken: int
    late: list[float]


class Server:
    """A server process that answers on `port`."""

    def __init__(self, who: str, weights: str, port: int) -> None:
        self.who, self.port = who, port
        command = {
            "ours": ["-m", "alexnet", "serve", "--device", "cpu", "--weights", weights, "--port", str(port)],
            "naive": [str(HERE / "naive_server.py"), weights, str(port)],
        }[who]
        self.process = subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        while self.health() is None:
            if time.monotonic() > end or self.process.poll() is not None:
                raise SystemExit(f"{who} did not start: {' '.join(command)}")
            time.sleep(0.1)

    def health(self) -> float | None:
        """Seconds that /healthz takes; None where nobody answers."""
        started = time.perf_counter()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b'{"status":"ok"}'
        except OSError:
            return None
        finally:
            connection.close()
        return time.perf_counter() - started

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def processor_s(self) -> float:
        """Processor time of all its threads so far; it moves less than the clock when others use the cores."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, clients: int, seconds: float, pictures: list[Path], patience_s: float | None = None) -> Record:
        plan = {
            "port": self.port, "clients": clients, "seconds": seconds, "pictures": [str(each) for each in pictures],
            "patience_s": patience_s,
        }  # fmt: skip
        command = [sys.executable, str(HERE / "load_client.py")]
        done = subprocess.run(command, input=json.dumps(plan), stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        times = {int(status): latencies for status, latencies in found["latencies"].items()}
        return Record(times, found["answers"], found["broken"], found["late"])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@contextlib.contextmanager
def serving(weights: str, *names: str) -> Iterator[list[Server]]:
    servers: list[Server] = []
    try:
        for name in names:
            servers.append(Server(name, weights, free_port()))
        yield servers
    finally:
        for each in servers:
            each.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
        return port


def weights_of(network: str, folder: Path) -> str:
    """What --weights takes: the packaged network's name, or a folder with a lineage's random weights."""
    if network == "tiny200":
        return network
    import torch

    from alexnet.data.preprocess import Preprocessing
    from alexnet.lineages import find
    from alexnet.model import AlexNet
    from alexnet.weights import Weights
    from alexnet.weights.save import save

    table = find(network)
    net = AlexNet(table, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    tensors = {name: tensor.detach() for name, tensor in net.state_dict().items()}
    for name, tensor in tensors.items():
        if name.endswith("weight"):  # He's, so that no layer's output fades away
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
    view = table.input
    preprocessing = Preprocessing(view.size, view.order, 255, (120.0,) * 3, (1.0,) * 3, view.resize, view.fit)
    return str(save(Weights(tensors, table, (), preprocessing, {}), folder / network))


# ------------------------------------------------------------------------------------------------ phases


def ratio(weights: str, pictures: list[Path], rounds: int, seconds: float) -> Row:
    with serving(weights, "ours", "naive") as servers:
        found = [
            {each.who: one_turn(each, pictures, seconds) for each in servers[:: 1 if turn % 2 == 0 else -1]}
            for turn in range(rounds)
        ]
    for turn in found:
        check_answers(turn["ours"].pop("answers"), turn["naive"].pop("answers"))
    row: Row = {"clients": CLIENTS, "rounds": rounds, "seconds": seconds}
    row |= spread("ratio", [turn["ours"]["requests_per_s"] / turn["naive"]["requests_per_s"] for turn in found], 2)
    for name in ("requests_per_s", "p50_ms", "p99_ms", "processor_ms_per_request"):
        for who in ("ours", "naive"):
            row |= spread(f"{who}_{name}", [turn[who][name] for turn in found], 1)
    return row


def one_turn(server: Server, pictures: list[Path], seconds: float) -> Row:
    server.load(CLIENTS, 1.0, pictures)
    before = server.processor_s()
    found = server.load(CLIENTS, seconds, pictures)
    times = found.latencies[200]
    return {
        "answers": found.answers,
        "requests_per_s": len(times) / seconds,
        "p50_ms": 1e3 * percentile(times, 50),
        "p99_ms": 1e3 * percentile(times, 99),
        "processor_ms_per_request": 1e3 * (server.processor_s() - before) / len(times),
    }


def spread(name: str, values: list[float], digits: int) -> Row:
    """The median, and the lowest and highest."""
    return {
        name: round(statistics.median(values), digits),
        f"{name}_spread": [round(min(values), digits), round(max(values), digits)],
    }


def check_answers(ours: Row, naive: Row) -> None:
    """The servers say the same of every picture, or the comparison means nothing."""
    for name in ours.keys() & naive.keys():
        for mine, theirs in zip(ours[name][0]["top"], naive[name][0]["top"], strict=True):
            assert abs(mine["prob"] - theirs["prob"]) < 1e-3, (name, mine, theirs)


def overload(weights: str, pictures: list[Path], seconds: float, patience_s: float | None) -> Row:
    with serving(weights, "ours") as (server,):
        server.load(CLIENTS, 3.0, pictures)
        found = server.load(MANY_CLIENTS, seconds, pictures, patience_s)
    answered, refused = found.latencies.get(200, []), found.latencies.get(503, [])
    return {
        "clients": MANY_CLIENTS,
        "patience_s": patience_s,
        "requests_per_s": round(len(answered) / seconds, 1),
        "p50_ms": round(1e3 * percentile(answered, 50)),
        "p99_ms": round(1e3 * percentile(answered, 99)),
        "longest_ms": round(1e3 * percentile(answered, 100)),
        "refused_per_s": round(len(refused) / seconds, 1),
        "refused_p99_ms": round(1e3 * percentile(refused, 99), 1),
        "refused_longest_ms": round(1e3 * percentile(refused, 100), 1),
        "other": {status: len(times) for status, times in found.latencies.items() if status not in (200, 503)},
        "broken": found.broken,
        "client_late_p99_ms": round(1e3 * percentile(found.late, 99), 1),
    }


def memory(weights: str, pictures: list[Path], seconds: float) -> Row:
    with serving(weights, "ours") as (server,):
        server.load(CLIENTS, 5.0, pictures)
        with watched(server) as sizes:
            server.load(MANY_CLIENTS, seconds, pictures)
    return {
        "clients": MANY_CLIENTS,
        "seconds": seconds,
        "resident_mb": round(sizes[0], 1),
        "resident_each_fifth_mb": [round(sizes[len(sizes) * fifth // 5 - 1], 1) for fifth in range(1, 6)],
        "growth_mb": round(sizes[-1] - sizes[0], 1),
        "peak_growth_mb": round(max(sizes) - sizes[0], 1),
    }


def slow(weights: str) -> Row:
    beginnings = (b"", b"POST /v1/pre", b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab")
    with serving(weights, "ours") as (server,), selectors.DefaultSelector() as waiting:
        started, closed, health = time.perf_counter(), list[float](), list[float]()
        for number in range(SLOW_SOCKETS):
            client = socket.create_connection(("127.0.0.1", server.port), 10)
            client.sendall(beginnings[number % len(beginnings)])
            waiting.register(client, selectors.EVENT_READ)
        while waiting.get_map() and time.perf_counter() < started + 60:
            for key, _ in waiting.select(0.5):
                with contextlib.suppress(ConnectionError):
                    if key.fileobj.recv(65536):  # type: ignore[union-attr]
                        continue
                waiting.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
                closed.append(time.perf_counter() - started)
            health.append(server.health() or 10.0)
    return {
        "sockets": SLOW_SOCKETS,
        "closed": len(closed),
        "last_closed_s": round(max(closed), 1),
        "healthz_longest_ms": round(1e3 * max(health), 1),
    }


def uploads(weights: str, pictures: list[Path]) -> Row:
    row: Row = {"bytes": UPLOAD_BYTES}
    with serving(weights, "ours") as (server,):
        server.load(CLIENTS, 3.0, pictures)
        for name, send in {"announced": send_announced, "chunked": send_chunked}.items():
            with watched(server, 0.005) as sizes:
                status, seconds = send(server.port)
            row |= {
                f"{name}_status": status,
                f"{name}_s": round(seconds, 2),
                f"{name}_growth_mb": round(max(sizes) - sizes[0], 1),
            }
    return row


def send_announced(port: int) -> tuple[int, float]:
    return send(port, f"Content-Length: {UPLOAD_BYTES}", lambda block: block, b"")


def send_chunked(port: int) -> tuple[int, float]:
    return send(port, "Transfer-Encoding: chunked", lambda block: b"%x\r\n%b\r\n" % (len(block), block), b"0\r\n\r\n")


def send(port: int, header: str, wrap: Callable[[bytes], bytes], last: bytes) -> tuple[int, float]:
    """Send all of it without a look at the answer, as simple clients do, and read the status then."""
    started, block = time.perf_counter(), wrap(bytes(MB))
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode())
            for _ in range(UPLOAD_BYTES // MB):
                client.sendall(block)
            client.sendall(last)
        with contextlib.suppress(ConnectionError):
            said = client.recv(4096)
            return int(said.split()[1]) if said else 0, time.perf_counter() - started
    return 0, time.perf_counter() - started


# ------------------------------------------------------------------------------------------------ the run


@contextlib.contextmanager
def watched(server: Server, every_s: float = 0.1) -> Iterator[list[float]]:
    """A list that grows by the server's resident size in MB."""
    sizes, done = [server.resident_mb()], threading.Event()

    def watch() -> None:
        while not done.wait(every_s):
            sizes.append(server.resident_mb())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        done.set()
        thread.join()
        sizes.append(server.resident_mb())


def percentile(times: list[float], share: float) -> float:
    """Nearest rank; 0 of nothing."""
    return sorted(times)[max(0, -(-len(times) * int(share) // 100) - 1)] if times else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phases", nargs="+", default=["ratio", "overload", "memory", "slow", "upload"])
    parser.add_argument("--networks", nargs="+", default=["tiny200", "bvlc"], help="of the ratio; the rest: the first")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--minutes", type=float, default=5.0, help="of the phase memory")
    parser.add_argument("--patience", type=float, help="seconds that clients wait after a 503; what it says by default")
    parser.add_argument("--pictures", type=Path, default=PHOTOS, help="folder of JPEGs")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    given = parser.parse_args()
    pictures = sorted(given.pictures.glob("*.jp*g"))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        found = {network: weights_of(network, Path(folder)) for network in given.networks}
        first = found[given.networks[0]]
        for phase in given.phases:
            for network in given.networks if phase == "ratio" else given.networks[:1]:
                work: dict[str, Callable[[], Row]] = {
                    "ratio": lambda: ratio(found[network], pictures, given.rounds, given.seconds),  # noqa: B023
                    "overload": lambda: overload(first, pictures, 3 * given.seconds, given.patience),
                    "memory": lambda: memory(first, pictures, 60 * given.minutes),
                    "slow": lambda: slow(first),
                    "upload": lambda: uploads(first, pictures),
                }
                rows.append({"phase": phase, "network": network, "load_average": os.getloadavg()[0], **work[phase]()})
                show(rows[-1])
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


def show(row: Row) -> None:
    print(f"\n{row['phase']} {row['network']}")
    for name, value in row.items():
        if name not in ("phase", "network"):
            print(f"  {name:30s}{value}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
