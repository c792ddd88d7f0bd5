"""Modules are replaced under their names, children before their parents, and stay in their mode."""

from torch import nn

from driftfield.networks.fast.replacement import replace_modules


class Pair(nn.Module):
    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first, self.second = first, second


class Changed(nn.Module):
    def __init__(self, module: nn.Module):
        super().__init__()
        self.inside = list(module.children())


def test_order_names_and_mode_stay():
    network = nn.Sequential(nn.Linear(1, 2), Pair(nn.ReLU(), nn.Linear(2, 3)), nn.Dropout()).eval()
    asked = []

    def other(name: str, module: nn.Module) -> nn.Module | None:
        asked.append(name)
        return nn.Identity() if isinstance(module, nn.Linear) else None

    assert replace_modules(network, other) is network
    assert asked == ["0", "1.first", "1.second", "1", "2", ""]
    assert [name for name, _ in network.named_modules()] == ["", "0", "1", "1.first", "1.second", "2"]
    assert [type(module).__name__ for module in network.modules()][1:] == [
        "Identity", "Pair", "ReLU", "Identity", "Dropout"
    ]  # fmt: skip
    assert not any(module.training for module in network.modules())


def test_a_parent_takes_its_children_as_they_are_by_then_and_may_be_the_network_itself():
    def other(name: str, module: nn.Module) -> nn.Module | None:
        return Changed(module) if isinstance(module, Pair) else nn.Identity() if isinstance(module, nn.ReLU) else None

    got = replace_modules(Pair(nn.ReLU(), nn.Sigmoid()), other)
    assert isinstance(got, Changed) and [type(module) for module in got.inside] == [nn.Identity, nn.Sigmoid]
