import torch
import torch.nn.functional as F

from alexnet.model import AlexNet, set_dropout_generator, set_dropout_slots
from alexnet.parallel.choose import Options, make_scheme
from alexnet.parallel.hybrid import Turns, turns_of
from alexnet.parallel.team import Team
from alexnet.train.step import train_step
from parallel.lessons import distance
from parallel.processes import together


def test_every_row_has_its_turn_once() -> None:
    kinds: tuple[Turns, ...] = ("a", "b", "c")
    for kind in kinds:
        seen: list[list[int]] = [[], [], []]
        for turn in turns_of(kind, [3, 0, 4]):
            for rank, rows in enumerate(turn):
                seen[rank] += range(rows.start, rows.stop)
        assert seen == [[0, 1, 2], [], [0, 1, 2, 3]]


def network() -> AlexNet:
    return AlexNet("tiny", num_classes=5, generator=torch.Generator().manual_seed(0)).double()


def batch(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.Generator().manual_seed(number)
    return torch.randn(8, 3, 67, 67, generator=noise).double(), torch.randint(0, 5, (8,), generator=noise)


def learn(team: Team) -> dict[str, torch.Tensor]:
    """Three steps in which the fully connected layers move twice."""
    net = network()
    scheme, _ = make_scheme(net, team, Options("hybrid", turns="c", moves_each_turn=True), 8)
    scheme.module.train()
    optimizer = torch.optim.SGD(scheme.parameters.values(), 0.02, 0.9)
    for number in range(3):
        images, labels = batch(number)
        mine = slice(4 * team.rank, 4 * team.rank + 4)
        scheme.begin(torch.arange(8)[mine], 8, number)
        train_step(scheme, optimizer, images[mine], labels[mine], batch_size=8, label_smoothing=0.0, clip=0.3)
    scheme.assemble()
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


def expected() -> dict[str, torch.Tensor]:
    """The same by hand, in one process."""
    net, generator = network().train(), torch.Generator()
    set_dropout_generator(net, generator)
    trunk, head = net.part(upto="pool5"), net.part(after="pool5")
    movers = [torch.optim.SGD(part.parameters(), 0.02, 0.9) for part in (trunk, head)]
    for number in range(3):
        images, labels = batch(number)
        maps = trunk(images)
        grad = torch.zeros_like(maps)
        for rows in (torch.tensor([0, 1, 4, 5]), torch.tensor([2, 3, 6, 7])):  # half of each process's four
            generator.manual_seed(number)
            set_dropout_slots(net, rows, 8)
            part = maps[rows].detach().requires_grad_()
            movers[1].zero_grad()
            F.cross_entropy(head(part), labels[rows]).backward()  # type: ignore[no-untyped-call]
            assert part.grad is not None
            grad[rows] = part.grad / 2
            torch.nn.utils.clip_grad_norm_(head.parameters(), 0.3)
            movers[1].step()
        movers[0].zero_grad()
        maps.backward(grad)
        torch.nn.utils.clip_grad_norm_(trunk.parameters(), 0.3)
        movers[0].step()
    return {name: tensor.detach() for name, tensor in net.state_dict().items()}


def test_units_can_move_after_each_turn() -> None:
    wanted = expected()
    for found in together(2, learn):
        assert distance(found, wanted) < 1e-9
