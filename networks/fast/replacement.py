"""Modules that take the place of others in a network, under their names and with their parameters."""

from collections.abc import Callable

from torch import nn


def replace_modules(network: nn.Module, make: Callable[[str, nn.Module], nn.Module | None]) -> nn.Module:
    """Puts make(name, module) where `module` stands in `network`, unless it is None; children come before parents.

    Returns the network, changed in place, or what make gives for the network itself, whose name is "".
    """

    def visit(name: str, module: nn.Module) -> nn.Module:
        for key, child in list(module.named_children()):
            present = visit(f"{name}.{key}".lstrip("."), child)
            if present is not child:
                setattr(module, key, present)
        made = make(name, module)
        if made is None:
            return module
        made.training = module.training
        return made

    return visit("", network)


def convolution_arguments(layer: nn.Conv2d | nn.Conv3d) -> dict:
    """What constructs a convolution of this one's form, without memory for its parameters."""
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    return {name: getattr(layer, name) for name in names} | {"bias": layer.bias is not None, "device": "meta"}
