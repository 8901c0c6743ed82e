"""Who may wait, by arithmetic."""

import asyncio
from contextlib import ExitStack

import pytest

pytest.importorskip("fastapi")

from starlette.exceptions import HTTPException

from alexnet.serve.admission import KEPT_S, Admission
from alexnet.serve.limits import Limits

LIMITS = Limits(waiting=100, waiting_bytes=1000, wait_s=0.5, few_views=4)


def admitted(admission: Admission, stack: ExitStack, views: int = 1) -> int:
    """How many pictures get in, one after the other."""
    count = 0
    while True:
        try:
            stack.enter_context(admission.waiting(1, views))
        except HTTPException:
            return count
        count += 1


@pytest.mark.parametrize(("view_s", "expected"), [(0.01, 50), (0.02, 25), (0.1, 5), (1.0, 4), (0.001, 100)])
def test_as_many_wait_as_are_answered_in_time_but_always_a_few(view_s: float, expected: int) -> None:
    admission = Admission(LIMITS)
    admission.learn(8, 8 * view_s)
    with ExitStack() as stack:
        assert admitted(admission, stack) == expected
    assert (admission.pictures, admission.views) == (0, 0)


def test_a_place_is_kept_for_who_arrives_but_not_long() -> None:
    async def arrive() -> None:
        admission = Admission(LIMITS)
        admission.learn(8, 8 * 0.1)
        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(admission.expecting(1))
            with pytest.raises(HTTPException):
                admission.require_room()
            await asyncio.sleep(2 * KEPT_S)
            assert admission.wait_s == 0
            assert admitted(admission, stack) == 5
        assert admission.wait_s == 0

    asyncio.run(arrive())


def test_ten_views_are_ten_times_the_work() -> None:
    admission = Admission(LIMITS)
    admission.learn(8, 8 * 0.01)
    with ExitStack() as stack:
        assert admitted(admission, stack, views=10) == 5


def test_it_follows_a_change_of_speed() -> None:
    admission = Admission(LIMITS)
    for _ in range(50):
        admission.learn(8, 8 * 0.01)
    for _ in range(20):
        admission.learn(8, 8 * 0.05)
    assert 0.045 < admission.view_s <= 0.05


def test_a_request_with_more_pictures_than_may_wait_gets_in_alone() -> None:
    admission = Admission(LIMITS)
    with admission.waiting(150, 1), pytest.raises(HTTPException), admission.waiting(1, 1):
        pass
    with admission.waiting(1, 1), pytest.raises(HTTPException), admission.waiting(100, 1):
        pass


def test_those_who_are_refused_come_again_in_turns() -> None:
    admission = Admission(LIMITS)
    said = []
    for _ in range(6):
        with pytest.raises(HTTPException) as refused, admission.body(2000):
            pass
        assert refused.value.headers is not None
        said.append(refused.value.headers["Retry-After"])
    assert said == ["1", "2", "3"] * 2


def test_bytes_are_given_back_whatever_happens() -> None:
    admission = Admission(LIMITS)
    with admission.body(0) as first, admission.body(0) as second:
        first.grow(600)
        second.grow(300)
        with pytest.raises(HTTPException):
            second.grow(200)
        assert admission.body_bytes == 900
    assert admission.body_bytes == 0
