"""How much a client may ask for, and how much the server takes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one server; beyond them a request is refused, never cut.

    Attributes:
        body_bytes: of one request.
        unannounced_bytes: of one that does not say its length: it is held until it proves too long.
        pixels: of one picture, looked up in its header before anything is decoded.
        pictures: of one request.
        waiting: pictures accepted and not yet answered.
        jobs: explanations and searches accepted and not yet answered.
        waiting_bytes: of all requests whose bodies arrive or wait; several times as much memory for a moment.
        wait_s: how long a picture may have to wait by the speed of late; who would wait longer is told to come again.
        few_views: that may wait however slow they go: somebody who asks for ten views keeps nobody away.
        receive_s: for the head of a request, and again for its body.
        linger_s: how long what follows a refusal is swallowed, so that the client gets to read why.
        gather_s: how long a picture waits for others on their way to share its pass.
        connections: open at once.
    """

    body_bytes: int = 32 * 2**20
    unannounced_bytes: int = 8 * 2**20
    pixels: int = 50_000_000
    pictures: int = 16
    waiting: int = 512
    jobs: int = 8
    waiting_bytes: int = 128 * 2**20
    wait_s: float = 0.45
    few_views: int = 12
    receive_s: float = 20.0
    linger_s: float = 5.0
    gather_s: float = 0.004
    connections: int = 1000
