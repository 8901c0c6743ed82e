"""Small things that a team is made of."""

import pytest
import torch

from alexnet.data.loader import share, share_of_batch
from alexnet.data.ordered import core_count
from alexnet.errors import UsageError
from alexnet.parallel.place import Place, here
from alexnet.parallel.pulse import Pulse
from alexnet.parallel.shares import Stretches
from alexnet.parallel.team import ALONE, Team
from parallel.processes import together


def test_torchruns_variables_say_who_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    assert here() == Place(0, 1, 0, 1, 0)
    every_core = core_count()
    monkeypatch.setenv("RANK", "9")
    monkeypatch.setenv("WORLD_SIZE", "16")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "2")
    assert here() == Place(9, 16, 1, 8, 2)
    assert core_count() == max(1, every_core // 8)


def test_every_rank_has_a_gpu_of_its_own() -> None:
    third = Team(rank=11, size=16, local_rank=3)
    assert third.device("cuda") == "cuda:3"
    assert third.device("cpu") == "cpu"
    assert ALONE.device("cuda:1") == "cuda:1"
    with pytest.raises(UsageError, match="cuda:1 is one GPU, and there are 16 processes"):
        third.device("cuda:1")


@pytest.mark.parametrize(("count", "size"), [(10, 3), (7, 8), (0, 2), (1024, 8)])
def test_shares_are_all_and_nearly_equal(count: int, size: int) -> None:
    parts = [share(count, rank, size) for rank in range(size)]
    assert [i for part in parts for i in range(count)[part]] == list(range(count))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(("count", "size"), [(10, 4), (9, 2), (3, 4), (1, 2), (1024, 8)])
def test_partners_of_a_batch_stay_together(count: int, size: int) -> None:
    parts = [range(count)[share_of_batch(count, rank, size)] for rank in range(size)]
    assert [slot for part in parts for slot in part] == list(range(count))
    assert all(part.start % 2 == 0 for part in parts if part)


def test_stretches_are_the_rows_of_a_rank() -> None:
    weight = torch.arange(15.0).view(5, 3)
    stretches = Stretches.by_rows({"fc.weight": (5, 3)}, 2)
    assert torch.equal(stretches.cut("fc.weight", weight, 0), weight[:2].flatten())
    assert torch.equal(stretches.cut("fc.weight", weight, 1), weight[2:].flatten())
    assert torch.equal(stretches.cut("fc.bias", weight, 1), weight.flatten())


def talk(team: Team) -> tuple[object, ...]:
    pulse = Pulse(team)
    first = pulse.ask(int(team.rank == 2), 0)
    later = [pulse.ask(0, team.rank) for _ in range(300)]
    joined = Stretches.by_rows({"weight": (5, 2)}, team.size)
    mine = torch.full((5, 2), float(team.rank))
    joined.join({"weight": mine}, team)
    return team.collect({"rank": team.rank}), team.total(1, team.rank), first, max(later), mine[:, 0].tolist()


def test_three_processes_hear_the_same() -> None:
    heard = together(3, talk)
    assert heard[0] == heard[1] == heard[2]
    things, total, first, later, rows = heard[0]
    assert things == [{"rank": 0}, {"rank": 1}, {"rank": 2}]
    assert (total, first, later) == ((3.0, 3.0), (1, 0), (0, 2))
    assert rows == [0.0, 1.0, 1.0, 2.0, 2.0]


def test_a_process_alone_is_heard_at_once() -> None:
    pulse = Pulse(ALONE)
    assert [pulse.ask(wish) for wish in (0, 15, 2)] == [(0,), (15,), (2,)]
