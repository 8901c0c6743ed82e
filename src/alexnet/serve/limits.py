"""How much a client may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one server; beyond them a request is refused, never cut."""

    body_bytes: int = 32 * 2**20
    pixels: int = 50_000_000
    pictures: int = 16  # of one request
    waiting: int = 64  # pictures accepted and not yet answered
    jobs: int = 8  # explanations and searches accepted and not yet answered
    receive_s: float = 20.0  # for the head of a request, and again for its body
    gather_s: float = 0.004
