import json

from alexnet.train.cursor import Best, Cursor
from alexnet.train.schedule import Plateau
from alexnet.train.watch import Watch


def test_a_cursor_comes_back_from_json() -> None:
    cursor = Cursor(
        stage=1, epoch=2, position=3, step=40, window_loss=0.1 + 0.2, plateau=Plateau(0.5, 2, 1), watch=Watch(7, True),
        best=Best(1, 20, 0.25, 0.7), skipped={"a.jpg": "torn"},
    )  # fmt: skip
    for one in (cursor, Cursor()):
        assert Cursor.from_json(json.loads(json.dumps(one.to_json(), allow_nan=False))) == one


def test_the_lower_error_is_better_and_of_equal_ones_the_lower_loss() -> None:
    best = Best(1, 10, top1_error=0.3, loss=1.0)
    assert best.beats(None)
    assert Best(2, 20, 0.29, 2.0).beats(best)
    assert Best(2, 20, 0.3 + 1e-8, 0.9).beats(best)  # as many mistakes, divided in another way
    assert not Best(2, 20, 0.3, 1.0).beats(best)
    assert not Best(2, 20, 0.31, 0.5).beats(best)


def test_a_new_stage_starts_its_own_schedule() -> None:
    cursor = Cursor(epoch=3, epochs=3, step=30, stage_step=30, plateau=Plateau(0.5, 1, 2))
    cursor.next_stage()
    assert (cursor.stage, cursor.epoch, cursor.stage_step, cursor.plateau) == (1, 0, 0, Plateau())
    assert (cursor.epochs, cursor.step) == (3, 30)
