"""Bytes turned into other bytes, seeded: what a bad disk, a bad connection or a bad person makes of a file."""

import random
from collections.abc import Iterator

INTERESTING = (0, 1, 2, 4, 8, 9, 16, 127, 128, 129, 240, 254, 255)
NUMBERS = (0, 1, -1, 7, 255, 256, 65_535, 1 << 20, (1 << 31) - 1, -(1 << 31), (1 << 32) - 1, 1 << 40, (1 << 63) - 1)


def mutants(seeds: list[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` files, each one of `seeds` with one to four wounds; half of the wounds near the first or last bytes."""
    chance = random.Random(seed)
    for _ in range(count):
        content = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            _wound(content, chance)
        yield bytes(content)


def _wound(content: bytearray, chance: random.Random) -> None:
    at, length = _place(len(content), chance), chance.choice((1, 2, 4, 8, 16, 64))
    match chance.randrange(9):
        case 0:
            content[at : at + 1] = bytes([content[at] ^ (1 << chance.randrange(8))]) if at < len(content) else b""
        case 1:
            content[at : at + 1] = bytes([chance.choice(INTERESTING)])
        case 2:
            content[at : at + 1] = chance.randbytes(1)
        case 3:
            size = chance.choice((1, 2, 4, 8))
            number = chance.choice(NUMBERS) % (1 << 8 * size)
            content[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))
        case 4:
            del content[at : at + length]
        case 5:
            content[at:at] = chance.randbytes(length)
        case 6:
            source = _place(len(content), chance)
            content[at : at + length] = content[source : source + length]
        case 7:
            content[at:at] = content[at : at + length] * chance.choice((1, 2, 30))
        case _:
            del content[chance.choice((at, len(content) - length, len(content) // 2)) :]


def _place(length: int, chance: random.Random) -> int:
    if not length:
        return 0
    reach = min(length, chance.choice((64, 256, length, length)))
    return chance.choice((0, length - reach)) + chance.randrange(reach)
