"""One training step on a real batch: its losses, their shares, its gradient and its memory."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from luminet_det.class_name import class_name
from luminet_det.doctor.findings import FAIL, OK, WARN, Finding, Unusable
from luminet_det.doctor.model import megabytes, trainable_megabytes
from luminet_det.doctor.precision import amp_dtype

# Copies of the trainable weights that an optimizer keeps.
STATES = dict(SGD=1, Adam=2, AdamW=2)


@dataclass
class Step:
    """The result of a training step.

    Attributes:
        images: Number of images in its batch.
        losses: Its losses, as mmengine adds them up.
        broken: Names of weights whose gradient is not finite.
        untouched: Names of trainable weights without a gradient.
        megabytes: On a GPU the measured peak; on a CPU what the layers kept for backward, each tensor once.
    """

    images: int
    losses: dict[str, float]
    broken: list[str]
    untouched: list[str]
    megabytes: float


def batch(loader: dict, dataset: Any, **changes: Any) -> dict:
    """The first batch of a loader's config, from `dataset`.

    Args:
        loader: The config.
        dataset: What to load.
        **changes: Other settings than the config's.

    Raises:
        Unusable: The loader has no batch.
    """
    loader = loader.copy() | changes | dict(dataset=dataset, num_workers=0, persistent_workers=False)
    for of_processes in ('prefetch_factor', 'timeout'):
        loader.pop(of_processes, None)
    first = next(iter(Runner.build_dataloader(loader, seed=0)), None)
    if first is None:
        raise Unusable(
            f'the loader has no batch: drop_last leaves nothing of {len(dataset)} images in batches of '
            f'{loader.get("batch_size")}',
            'train_dataloader.batch_size, or drop_last = False',
        )
    return first


def check(model: nn.Module, data: dict, cfg: Config, device: torch.device) -> Step:
    """Like `take`, but says what to change if the device runs out of memory."""
    try:
        return take(model, data, cfg, device)
    except torch.OutOfMemoryError as error:
        raise Unusable(str(error), 'train_dataloader.batch_size, or batch_size and dtype of model.teacher') from error


def take(model: nn.Module, data: dict, cfg: Config, device: torch.device) -> Step:
    """Forward and backward, in the config's precision."""
    torch.manual_seed(0)
    dtype, kept = amp_dtype(cfg, device), {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    counted = torch.autograd.graph.saved_tensors_hooks(note, lambda t: t) if device.type == 'cpu' else nullcontext()
    with counted, torch.autocast(device.type, dtype=dtype) if dtype else nullcontext():
        data = model.data_preprocessor(data, True)
        images = len(data['inputs'])
        total, losses = model.parse_losses(model._run_forward(data, mode='loss'))
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    saved = sum(size for pointer, size in kept.items() if pointer not in weights)
    total.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    return Step(
        images=images,
        losses={name: float(value.detach()) for name, value in losses.items()},
        broken=[name for name, g in gradients.items() if g is not None and not g.isfinite().all()],
        untouched=[name for name, g in gradients.items() if g is None],
        megabytes=(torch.cuda.max_memory_allocated() if device.type == 'cuda' else saved) / 2**20,
    )


def check_losses(step: Step) -> Iterator[Finding]:
    """Whether losses and gradients are finite, and the share of each loss in the total."""
    total = step.losses['loss']
    parts = {name: value for name, value in step.losses.items() if 'loss' in name and name != 'loss'}
    broken = [name for name, value in step.losses.items() if not torch.isfinite(torch.tensor(value))]
    if broken:
        yield Finding(
            'step',
            FAIL,
            f'not finite on {step.images} images: {", ".join(broken)}',
            'Look at pixels and boxes above, then at the learning rate and the precision (optim_wrapper).',
        )
        return
    shares = ', '.join(f'{name} {value:.3f} ({value / total:.0%})' for name, value in parts.items())
    yield Finding('step', OK, f'{step.images} images, loss {total:.3f}: {shares}')
    if step.broken:
        some = ', '.join(step.broken[:3])
        yield Finding('gradient', FAIL, f'not finite in {len(step.broken)} weights: {some}', 'optim_wrapper, or model')
    elif step.untouched:
        yield Finding(
            'gradient',
            WARN,
            f'finite, but {len(step.untouched)} trainable weights have none: {", ".join(step.untouched[:3])}',
            'With several processes DDP waits for these: freeze them, or remove their branch.',
        )
    else:
        yield Finding('gradient', OK, 'finite, in every trainable weight')


def check_memory(step: Step, model: nn.Module, cfg: Config, device: torch.device) -> Iterator[Finding]:
    """What a training step takes, measured on a GPU and estimated on a CPU."""
    weights, trainable = megabytes(model), trainable_megabytes(model)
    # Peers are already counted among the weights.
    frozen = [teacher for teacher in getattr(model, 'teachers', ()) if teacher.built and not teacher.trainable]
    teachers = sum(megabytes(teacher.model) for teacher in frozen)
    kind = class_name(cfg.optim_wrapper.get('optimizer'))
    states = STATES.get(kind, 2) * trainable
    parts = f'weights {weights:.0f} MB, teacher {teachers:.0f} MB, gradients {trainable:.0f} MB, {kind} {states:.0f} MB'
    if device.type == 'cuda':
        needed, there = step.megabytes + states, torch.cuda.get_device_properties(device).total_memory / 2**20
        found = f'{needed:.0f} of {there:.0f} MB: peak of the step {step.megabytes:.0f} MB (measured); {parts}'
        tight = needed > 0.9 * there
        change = 'train_dataloader.batch_size' if tight else ''
        yield Finding('memory', WARN if tight else OK, found, change)
        return
    needed = weights + teachers + trainable + states + step.megabytes
    yield Finding(
        'memory',
        OK,
        f'about {needed:.0f} MB (estimate): {parts}, kept for backward on {step.images} images '
        f'{step.megabytes:.0f} MB (counted)',
    )
