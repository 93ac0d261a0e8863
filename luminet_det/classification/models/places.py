"""Places: where a torchvision or timm network computes its stages and its embedding, found by running it once."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Place(NamedTuple):
    """One tensor of a forward pass: the first input, or the output, of a module in its last call."""

    module: str
    part: str  # 'input' or 'output'


class Places(NamedTuple):
    """The tensors that `Outputs` is made of.

    Attributes:
        channels_last: Which features are (B, H, W, C).
        rectified: Which of `before_relu` come after a ReLU nevertheless, because no module outputs the map before it.
        image_size: Height and width of the images they were found with.
    """

    features: tuple[Place, ...]
    before_relu: tuple[Place, ...]
    channels_last: tuple[bool, ...]
    rectified: tuple[bool, ...]
    embedding: Place
    image_size: int


class Call(NamedTuple):
    """A module's name, inputs and output; calls are in the order in which they ended."""

    name: str
    module: nn.Module
    inputs: tuple
    output: Any


def find_places(model: nn.Module, sizes: Iterable[int]) -> Places:
    """Run `model` once on an image of noise, in evaluation mode, to see where its maps change size.

    A stage is what lies between two reductions; its place is the last output of that size among the modules of the
    main chain: the model's children, or for a container that spans several sizes its children. Pooling at the end
    of the chain is not a stage, nor is the module that holds the last layer. "Before the ReLU" means before the
    activation, of any kind, whose output is the stage's output. For a model without maps, but with a sequence of
    blocks whose tokens (B, N, D) keep their shape, features are the input of the first and the output of each block.

    Args:
        model: Maps images (1, 3, S, S) to logits.
        sizes: S; the first that the model accepts is taken.

    Raises:
        ValueError: The model accepts none of them, or has no linear layer or convolution.
    """
    calls = _run(model, sizes)
    last = next((call for call in reversed(calls) if isinstance(call.module, (nn.Linear, nn.Conv2d))), None)
    if last is None:
        raise ValueError(f'{type(model).__name__} runs no Linear and no Conv2d, so it has no embedding.')
    stages = _stages(model, calls, last.name)
    embedding = Place(last.name, 'input')
    # The call that ends last is the whole model's.
    size = calls[-1].inputs[0].shape[-1]
    if len(stages) < 2 and (blocks := _token_blocks(model, calls)):
        tokens = (Place(blocks[0], 'input'), *(Place(name, 'output') for name in blocks))
        return Places(tokens, tokens, (False,) * len(tokens), (False,) * len(tokens), embedding, size)
    # Later calls of a module that is used more than once replace the earlier ones.
    activations = {id(call.output): call.name for call in calls if _is_activation(call.module)}
    features = [Place(stage.name, 'output') for stage in stages]
    before = [
        Place(activations[id(stage.output)], 'input') if id(stage.output) in activations else place
        for stage, place in zip(stages, features, strict=True)
    ]
    last_axis = tuple(_is_channels_last(stage.output) for stage in stages)
    rectified = tuple(
        place == after and _is_rectified(stage.output)
        for stage, place, after in zip(stages, before, features, strict=True)
    )
    return Places(tuple(features), tuple(before), last_axis, rectified, embedding, size)


def accepts(model: nn.Module, size: int) -> bool:
    """Whether `model` takes images of that height and width."""
    try:
        _run(model, [size])
    except ValueError:
        return False
    return True


def _run(model: nn.Module, sizes: Iterable[int]) -> list[Call]:
    calls, errors = [], []
    names = {module: name for name, module in model.named_modules()}

    def note(module: nn.Module, inputs: tuple, output: Any) -> None:
        calls.append(Call(names[module], module, inputs, output))

    handles = [module.register_forward_hook(note) for module in names]
    training = model.training
    model.eval()
    try:
        for size in sizes:
            calls.clear()
            noise = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
            try:
                with torch.no_grad():
                    model(noise.to(next(model.parameters())))
                return calls
            # Raised by models that accept only one size of images.
            except (AssertionError, RuntimeError, ValueError) as error:
                errors.append(f'{size}: {error}')
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    raise ValueError(f'{type(model).__name__} accepts images of none of these sizes: {"; ".join(errors)}')


def _stages(model: nn.Module, calls: list[Call], last_layer: str) -> list[Call]:
    outputs = {call.name: call.output for call in calls}
    chain = set()
    for name, child in model.named_children():
        if last_layer == name or last_layer.startswith(f'{name}.'):
            continue
        inner = [f'{name}.{key}' for key, _ in child.named_children()]
        sizes = {_size(outputs.get(key)) for key in inner} - {None}
        is_container = isinstance(child, (nn.Sequential, nn.ModuleList))
        chain.update(inner if is_container and len(sizes) > 1 else [name])
    stages: list[Call] = []
    for call in calls:
        size = _size(call.output) if call.name in chain else None
        last = _size(stages[-1].output) if stages else None
        # Single pixels come from pooling; maps larger than before are pooled too, or upsampled.
        if size is None or size == 1 or (last and size > last):
            continue
        if size == last:
            stages[-1] = call
        elif next(call.module.parameters(), None) is not None:
            # A convolution without padding removes a few pixels, a reduction about a third of them or more.
            stages[-1 if last and size > 0.7 * last else len(stages) :] = [call]
    return stages


def _token_blocks(model: nn.Module, calls: list[Call]) -> list[str]:
    """The children of the longest container of blocks (B, N, D) -> (B, N, D), with at least two blocks."""
    shapes = {
        call.name: call.output.shape for call in calls if isinstance(call.output, Tensor) and call.output.dim() == 3
    }
    longest: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, (nn.Sequential, nn.ModuleList)):
            blocks = [f'{name}.{key}'.lstrip('.') for key, _ in module.named_children()]
            if len(blocks) > max(len(longest), 1) and len({shapes.get(block) for block in blocks} - {None}) == 1:
                longest = blocks if all(block in shapes for block in blocks) else longest
    return longest


def _size(output: Any) -> int | None:
    """Side of a square map in pixels, in either layout; None for anything else."""
    if not isinstance(output, Tensor) or output.dim() != 4:
        return None
    _, first, height, width = output.shape
    if height == width:
        return height
    return first if first == height else None


def _is_rectified(output: Tensor) -> bool:
    # A model on the meta device has only shapes, no values.
    return not output.is_meta and bool(output.min() == 0)


def _is_channels_last(output: Tensor) -> bool:
    return output.shape[2] != output.shape[3]


def _is_activation(module: nn.Module) -> bool:
    # torch and timm both define theirs in Python modules with this name.
    home = type(module).__module__.rpartition('.')[2]
    return home.startswith('activation') and not isinstance(module, nn.MultiheadAttention)
