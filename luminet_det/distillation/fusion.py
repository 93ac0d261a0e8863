"""Fold the BatchNorms of a frozen network into the convolutions before them."""

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

# Compared by `forward`: subclasses that do more, such as timm's norms with an activation, override it.
CONVOLUTIONS = (nn.Conv2d.forward,)
NORMS = (nn.BatchNorm2d.forward, nn.SyncBatchNorm.forward)
TOLERANCE = 1e-3  # relative to the largest output; a wrong fold changes outputs by about as much as that


def fuse_conv_bn(model: nn.Module, forward: Callable[[], Sequence[Tensor]]) -> int:
    """Fold each BatchNorm that is the only reader of a convolution into it; outputs stay the same up to rounding.

    ``W' = W gamma / sqrt(var + eps)`` and ``b' = (b - mean) gamma / sqrt(var + eps) + beta``. Which layers belong
    together is observed in a forward pass, as the order in which a class defines its layers does not tell. Layers with
    hooks or parametrizations stay as they are.

    Args:
        model: In eval mode; changed in place, even if an error is raised.
        forward: Runs the model on an example and returns all outputs that will be needed.

    Returns:
        How many norms were folded.

    Raises:
        ValueError: There are no norms to fold, or folding changed the outputs.
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
                raise ValueError('folding its BatchNorms changes its outputs')
    return len(pairs)


class _ReadRecorder(TorchFunctionMode):
    """Records the tensors that functions returning tensors take, and keeps them so that no `id` is used again."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        # A function that returns a shape or a device does not read the values.
        if any(isinstance(each, Tensor) for each in tree_leaves(result)):
            self.taken += [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        return result


def _watch(model: nn.Module, forward: Callable[[], Sequence[Tensor]]) -> tuple[dict[str, str], Sequence[Tensor]]:
    """Names of the convolutions whose output one norm and nothing else reads, with that norm; and the outputs."""
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
