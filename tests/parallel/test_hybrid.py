from alexnet.parallel.hybrid import Turns, turns_of


def test_every_row_has_its_turn_once() -> None:
    kinds: tuple[Turns, ...] = ("a", "b", "c")
    for kind in kinds:
        seen: list[list[int]] = [[], [], []]
        for turn in turns_of(kind, [3, 0, 4]):
            for rank, rows in enumerate(turn):
                seen[rank] += range(rows.start, rows.stop)
        assert seen == [[0, 1, 2], [], [0, 1, 2, 3]]
