"""Clients of a prediction server, in a process of their own that costs little processor time.

Each has one connection, sends a prepared request, reads the answer, and sends the next one at once; after a 503 it
waits as long as Retry-After says, or `patience_s`. Run by `benchmarks/serve.py`: a plan comes in on stdin, figures go
out on stdout, both as JSON.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

BOUNDARY = "boundary-of-parts"
NAP_S = 0.005


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        patience_s: wait after a 503; None is what the server says.
    """

    port: int
    clients: int
    seconds: float
    pictures: list[str]
    patience_s: float | None = None


@dataclass
class Record:
    """What came of it.

    Attributes:
        latencies: seconds from the first byte sent to the last byte received, by status.
        answers: the first one for each picture.
        broken: connections that ended without an answer.
        late: seconds by which the clients' own naps of 5 ms were too long; on a busy machine part of each latency.
        processor_s: what the clients cost.
    """

    latencies: dict[int, list[float]] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    broken: int = 0
    late: list[float] = field(default_factory=list)
    processor_s: float = 0.0


def upload(picture: Path) -> bytes:
    """A whole request with one picture as the multipart field `file`."""
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{picture.name}"\r\n'
    body = (
        part.encode() + b"Content-Type: image/jpeg\r\n\r\n" + picture.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    )
    head = (
        "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes], bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    return int(first.split()[1]), headers, await reader.readexactly(int(headers[b"content-length"]))


async def client(plan: Plan, requests: list[tuple[str, bytes]], first: int, record: Record) -> None:
    end, writer = time.perf_counter() + plan.seconds, None
    for turn in count(first):
        if time.perf_counter() >= end:
            break
        name, request = requests[turn % len(requests)]
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", plan.port)
            started = time.perf_counter()
            writer.write(request)
            status, headers, body = await answer(reader)
        except (OSError, EOFError):
            record.broken += 1
            writer = None
            await asyncio.sleep(0.1)
            continue
        record.latencies.setdefault(status, []).append(time.perf_counter() - started)
        if status == 200 and name not in record.answers:
            record.answers[name] = json.loads(body)
        if headers.get(b"connection") == b"close":
            writer.close()
            writer = None
        if status == 503:
            said = float(headers[b"retry-after"]) if plan.patience_s is None else plan.patience_s
            await asyncio.sleep(min(said, max(0.0, end - time.perf_counter())))
    if writer is not None:
        writer.close()


async def naps(plan: Plan, record: Record) -> None:
    end = time.perf_counter() + plan.seconds
    while (started := time.perf_counter()) < end:
        await asyncio.sleep(NAP_S)
        record.late.append(time.perf_counter() - started - NAP_S)


async def load(plan: Plan) -> Record:
    requests, record = [(name, upload(Path(name))) for name in plan.pictures], Record()
    async with asyncio.TaskGroup() as group:
        group.create_task(naps(plan, record))
        for first in range(plan.clients):
            group.create_task(client(plan, requests, first, record))
    record.processor_s = time.process_time()
    return record


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(load(Plan(**json.load(sys.stdin))))), sys.stdout)
