"""Fold the BatchNorms of a frozen network into the convolutions before them."""

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

# Subclasses may do more, as timm's norms with an activation, but not with the same `forward`.
CONVOLUTIONS = (nn.Conv2d.forward,)
NORMS = (nn.BatchNorm2d.forward, nn.SyncBatchNorm.forward)
TOLERANCE = 1e-3  # of the largest value; what a wrong fold changes is of its order


def fuse_conv_bn(model: nn.Module, forward: Callable[[], Sequence[Tensor]]) -> int:
    """Fold every BatchNorm that alone reads a convolution into it: the same outputs but for rounding.

    ``W' = W gamma / sqrt(var + eps)`` and ``b' = (b - mean) gamma / sqrt(var + eps) + beta``. What belongs together is
    seen in a forward pass: the order in which a class defines its layers does not tell. Layers with hooks or
    parametrizations stay as they are.

    Args:
        model: In evaluation mode; changed in place, also where it raises.
        forward: Runs it on an example, and gives all that it will be asked for.

    Returns:
        How many norms are gone.

    Raises:
        ValueError: There are none to fold, or the outputs are no longer the same.
    """
    with torch.no_grad(), torch.autocast('cpu', enabled=False):
        pairs, before = _watch(model, forward)
        if not pairs:
            raise ValueError("no BatchNorm is the only reader of a convolution's output")
        for conv_name, norm_name in pairs.items():
            conv, norm = model.get_submodule(conv_name), model.get_submodule(norm_name)
            conv.weight, conv.bias = (
                parameter.requires_grad_(False)
                for parameter in fuse_conv_bn_weights(
                    conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
                )
            )
            model.set_submodule(norm_name, nn.Identity())
        for old, new in zip(before, forward(), strict=True):
            # Not `>`, which would let NaN pass.
            if not (new - old).abs().max() <= TOLERANCE * old.abs().max():
                raise ValueError('its outputs are others once its BatchNorms are folded')
    return len(pairs)


class _ReadRecorder(TorchFunctionMode):
    """Records what functions that give tensors take; holding on to it, so that no other gets its `id`."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        # Whoever asks for a shape or a device reads nothing.
        if any(isinstance(each, Tensor) for each in tree_leaves(result)):
            self.taken += [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        return result


def _watch(model: nn.Module, forward: Callable[[], Sequence[Tensor]]) -> tuple[dict[str, str], Sequence[Tensor]]:
    """Names of the convolutions whose output one norm reads and nothing else, with that norm; and the outputs."""
    made: list[tuple[str, Tensor]] = []
    read: list[tuple[str, Tensor]] = []
    hooks = []
    for name, module in model.named_modules():
        if module._forward_hooks or module._forward_pre_hooks or is_parametrized(module):
            continue
        if type(module).forward in CONVOLUTIONS:
            hooks.append(module.register_forward_hook(lambda _, inputs, output, name=name: made.append((name, output))))
        elif type(module).forward in NORMS and module.track_running_stats:
            hooks.append(module.register_forward_pre_hook(lambda _, inputs, name=name: read.append((name, inputs[0]))))
    try:
        with _ReadRecorder() as reads:
            found = forward()
    finally:
        for hook in hooks:
            hook.remove()
    calls = Counter(name for name, _ in made + read)
    times = Counter(map(id, [*reads.taken, *found]))
    convs = {id(output): conv for conv, output in made if calls[conv] == times[id(output)] == 1}
    return {convs[id(tensor)]: norm for norm, tensor in read if calls[norm] == 1 and id(tensor) in convs}, found
