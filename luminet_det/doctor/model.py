"""The model of a config: built, with its weights, and with as many classes as the data."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, MODELS
from torch import nn

from luminet_det import category_order
from luminet_det.annotation_file import Contents
from luminet_det.class_name import class_name, named_class
from luminet_det.compat import checkpoints
from luminet_det.configured_hooks import configured_hooks
from luminet_det.distillation.settings import did_you_mean
from luminet_det.distillation.weights import Misfit, load_strictly
from luminet_det.doctor.findings import FAIL, OK, WARN, Finding, Unusable

NEEDED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


def check_keys(cfg: Config) -> Iterator[Finding]:
    """Whether the config has what a training run needs."""
    if wrong := [key for key in (*NEEDED, 'val_dataloader') if not isinstance(cfg.get(key) or {}, dict)]:
        raise Unusable(f'{", ".join(wrong)} should be dict(...), but is {cfg[wrong[0]]!r}', f'{wrong[0]} = dict(...)')
    if lacking := [key for key in NEEDED if not cfg.get(key)]:
        raise Unusable(f'the config has no {", ".join(lacking)}', f'Add {", ".join(lacking)}, or a _base_ that has it.')
    if cfg.get('val_dataloader') and None in (cfg.get('val_cfg'), cfg.get('val_evaluator')):
        raise Unusable('val_dataloader without val_cfg or val_evaluator', 'Set all three of them, or none.')
    for place, hook in configured_hooks(cfg).items():
        if isinstance(hook, dict) and hook.get('type') and named_class(HOOKS, hook['type']) is None:
            raise Unusable(f'there is no hook {hook["type"]!r}', place)
    kind = cfg.train_cfg.get('type', 'EpochBasedTrainLoop' if cfg.train_cfg.get('by_epoch') else 'IterBasedTrainLoop')
    length = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.get('max_iters')
    yield Finding('config', OK, f'{kind} over {length} {"epochs" if "max_epochs" in cfg.train_cfg else "steps"}')


def build(cfg: Config) -> nn.Module:
    """The model in training mode, without weights."""
    settings = cfg.model.copy()
    if 'data_preprocessor' in cfg and 'data_preprocessor' not in settings:
        settings['data_preprocessor'] = cfg.data_preprocessor
    return MODELS.build(settings).train()


def check_optimizer(model: nn.Module, cfg: Config) -> Iterator[Finding]:
    """Whether the optimizer can be built for the model, and its learning rates are for these images and parameters."""
    settings = cfg.optim_wrapper.copy()
    # Mixed precision is checked separately: its wrapper cannot be built without a GPU.
    mixed = class_name(settings).endswith('AmpOptimWrapper')
    settings['type'] = 'OptimWrapper'
    if mixed:
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            settings.pop(key, None)
    optimizer = build_optim_wrapper(model, settings).optimizer
    rate = optimizer.param_groups[0]['lr']
    if finding := _of_another_batch(rate, cfg):
        yield finding
    else:
        yield Finding('optimizer', OK, f'{type(optimizer).__name__}, learning rate {rate:g}')
    yield from _of_no_parameter(model, settings)


def _of_no_parameter(model: nn.Module, wrapper: Mapping) -> Iterator[Finding]:
    """A finding for each of the `custom_keys` that is in the name of no parameter; mmengine ignores it silently."""
    names = [name for name, _ in model.named_parameters()]
    parts = sorted({part for name in names for part in name.split('.')})
    for key in (wrapper.get('paramwise_cfg') or {}).get('custom_keys') or {}:
        if not any(key in name for name in names):
            place = f'optim_wrapper.paramwise_cfg.custom_keys.{key}'
            told = f"'{key}' of custom_keys is in the name of no parameter.{did_you_mean(key, parts)}"
            yield Finding('optimizer', WARN, told, place)


def _of_another_batch(rate: float, cfg: Config) -> Finding | None:
    """A finding if the learning rate is meant for another number of images per iteration; else None."""
    scaling = cfg.get('auto_scale_lr') or {}
    meant, size = scaling.get('base_batch_size'), cfg.train_dataloader.get('batch_size')
    processes = max(1, torch.cuda.device_count())
    # --auto-scale-lr does not count accumulated batches.
    accumulated = cfg.optim_wrapper.get('accumulative_counts', 1)
    if not (meant and size) or (scaling.get('enable') and accumulated == 1):
        return None
    images = size * processes * accumulated
    if images == meant and not scaling.get('enable'):
        return None
    advice = 'train with --auto-scale-lr, or '
    if accumulated > 1:
        advice = f'without --auto-scale-lr, which does not count accumulative_counts={accumulated}, '
    on = f' on {processes} GPUs' if processes > 1 else ', in one process'
    return Finding(
        'optimizer',
        WARN,
        f'learning rate {rate:g} is meant for {meant} images per iteration, but there are {images}{on}',
        f'{advice}set optim_wrapper.optimizer.lr = {rate * images / meant:.3g}',
    )


def check_weights(model: nn.Module, cfg: Config, checkpoint: str | None) -> Iterator[Finding]:
    """Load the student's initial weights, as training would, or the checkpoint that was given."""
    if checkpoint:
        found = checkpoints.load(checkpoint)
        # A classifier can also read weights with other projects' names.
        load_strictly(model, model.own_weights(found) if hasattr(model, 'own_weights') else found, source=checkpoint)
        yield Finding('student weights', OK, f'{checkpoint} fits')
        return
    model.init_weights()
    start = cfg.get('load_from')
    if not start:
        yield Finding('student weights', OK, 'initialised')
        return
    if '://' not in start and not Path(start).is_file():
        raise Unusable(f'there is no file {start}, which training should start from', 'load_from')
    try:
        load_strictly(model, checkpoints.load(start, map_location='cpu'), source=start)
    except Misfit as error:
        # Training skips weights that do not fit, even if none fit.
        if error.foreign:
            raise Unusable(str(error), 'load_from') from error
        if not error.outputs_alone:
            yield Finding('student weights', WARN, f'only a part of load_from fits. {error}', 'load_from')
            return
        yield Finding(
            'student weights', OK, f'initialised, then from {start}, except layers with another number of outputs'
        )
        return
    yield Finding('student weights', OK, f'initialised, then from {start}')


def check_classes(model: nn.Module, classes: Sequence[str] | None, place: str) -> Iterator[Finding]:
    """Whether the student's heads have as many classes as the data."""
    setting = f'{place}.dataset.metainfo = dict(classes=(...))'
    if not classes or isinstance(classes, str):
        raise Unusable(f'metainfo of the dataset has no tuple of class names: {classes!r}', setting)
    if repeated := sorted({name for name in classes if list(classes).count(name) > 1}):
        raise Unusable(f'metainfo names {", ".join(repeated)} more than once', setting)
    heads = {
        name: module.num_classes
        for name, module in model.named_modules()
        if isinstance(getattr(module, 'num_classes', None), int) and name and not _counts_others(name, module)
    }
    wrong = {name: number for name, number in heads.items() if number != len(classes) and 'semantic' not in name}
    for name, number in wrong.items():
        yield Finding(
            'classes',
            FAIL,
            f'{name} has {number} classes, the data {len(classes)}: {_some(classes)}',
            f'model.{name}.num_classes = {len(classes)}, or {setting}',
        )
    if not wrong:
        yield Finding('classes', OK, f'{len(classes)} in data and student: {_some(classes)}')


def _counts_others(name: str, module: nn.Module) -> bool:
    """Whether a module's classes are not those of the data: an RPN has one, a backbone its own or none."""
    return module.num_classes < 1 or name.partition('.')[0] in ('backbone', 'neck') or 'rpn_head' in name.split('.')


def _some(classes: Sequence[str]) -> str:
    return ', '.join(classes[:6]) + (', ...' if len(classes) > 6 else '')


def check_order(files: dict[str, Contents], dataset: object, distils: bool) -> Iterator[Finding]:
    """Whether the class names of a COCO-format dataset are in the order in which its labels are numbered."""
    try:
        category_order.check(dataset, {path: content.categories for path, content in files.items()})
        yield Finding('class order', OK, 'as the dataset numbers its labels')
    except ValueError as error:
        yield Finding('class order', FAIL if distils else WARN, str(error), 'train_dataloader.dataset.metainfo')


def megabytes(model: nn.Module) -> float:
    """Size of parameters and buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(t.numel() * t.element_size() for t in tensors) / 2**20


def trainable_megabytes(model: nn.Module) -> float:
    return sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad) / 2**20
