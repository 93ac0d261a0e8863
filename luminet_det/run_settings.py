"""Checks the settings of a run other than model and data, and names unknown ones before the first step."""

import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import (
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
)
from mmengine.runner import Runner
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from luminet_det.class_name import class_name, named_class
from luminet_det.configured_hooks import configured_hooks
from luminet_det.configured_metrics import configured_metrics
from luminet_det.distillation.settings import check_keys, settings_of, takes_any
from luminet_det.listed_settings import listed_settings

OF_REGISTRY = {'type', '_scope_'}
# What `Runner.build_dataloader` takes in addition to torch's settings.
OF_LOADERS = ('sampler', 'batch_sampler', 'dataset', 'worker_init_fn', 'collate_fn', 'num_batch_per_epoch')
# Arguments that mmengine passes itself.
BY_RUNNER = ('self', 'runner', 'dataloader', 'evaluator', 'optimizer', 'model', 'filename', 'params', 'parameters')
# What `DefaultOptimWrapperConstructor` reads; it silently ignores anything else.
OF_CONSTRUCTOR = ('optimizer', 'constructor', 'paramwise_cfg')
PARAMWISE = (
    'custom_keys',
    'bias_lr_mult',
    'bias_decay_mult',
    'norm_decay_mult',
    'flat_decay_mult',
    'dwconv_decay_mult',
    'dcn_offset_lr_mult',
    'bypass_duplicate',
)
CUDA_GRAPHS = ('reduce-overhead', 'max-autotune')  # modes of torch.compile that capture them
PACKAGES = dict(
    TensorboardVisBackend='tensorboard',
    WandbVisBackend='wandb',
    MLflowVisBackend='mlflow',
    ClearMLVisBackend='clearml',
    NeptuneVisBackend='neptune',
    DVCLiveVisBackend='dvclive',
    AimVisBackend='aim',
)


def check(cfg: Mapping) -> None:
    """Check loops, schedulers, hooks, loaders, evaluators, optimizer and visualisation.

    By itself, mmengine stops with a Python error that does not name the config's line; at a mistyped setting of the
    CheckpointHook only when it saves, after the first epoch; at one of `paramwise_cfg` not at all.

    Raises:
        ValueError: One of them has a setting that it does not take, a package is not installed, or gradients would be
            accumulated in CUDA graphs.
    """
    _check_accumulation(cfg)
    for place, setting, known in _settings(cfg):
        if known is not None:
            check_keys(place, {*setting} - OF_REGISTRY, known)
    for backend in (cfg.get('visualizer') or {}).get('vis_backends') or []:
        package = PACKAGES.get(kind := class_name(backend))
        if package and importlib.util.find_spec(package) is None:
            raise ValueError(
                f'visualizer.vis_backends has {kind}, but the package {package} is not installed: pip install '
                f'{package}, or remove it.'
            )


def _check_accumulation(cfg: Mapping) -> None:
    """Raise ValueError if gradients are accumulated over replays of a CUDA graph, each of which overwrites them.

    torch stops with an error that names no setting, or continues with the gradients of only one of the batches
    (github.com/pytorch/pytorch/issues/169545 and 96693).
    """
    options = (cfg.get('model') or {}).get('compile')
    graphs = isinstance(options, Mapping) and options.get('mode') in CUDA_GRAPHS
    parts = (cfg.get('optim_wrapper') or {}).get('accumulative_counts', 1)
    if graphs and parts > 1:
        raise ValueError(
            f'model.compile.mode={options["mode"]!r} captures CUDA graphs, in which gradients cannot be accumulated, '
            f'and optim_wrapper.accumulative_counts={parts}. Write model.compile=True, or accumulative_counts=1 with '
            'a larger train_dataloader.batch_size.'
        )


def _settings(cfg: Mapping) -> Iterator[tuple[str, Mapping, list[str] | None]]:
    """Each place in the config, its settings, and the names that it may have; None if these are not known."""
    for part, loop in (('train', 'EpochBasedTrainLoop'), ('val', 'ValLoop'), ('test', 'TestLoop')):
        if setting := cfg.get(f'{part}_cfg'):
            if part == 'train' and not setting.get('by_epoch', True):
                loop = 'IterBasedTrainLoop'
            known = _known(named_class(LOOPS, setting.get('type', loop)))
            yield f'{part}_cfg', setting, known and [*known, 'by_epoch']
        if isinstance(setting := cfg.get(f'{part}_dataloader'), Mapping):
            yield f'{part}_dataloader', setting, [*settings_of(DataLoader), *OF_LOADERS]
    for place, setting in listed_settings(cfg.get('param_scheduler'), 'param_scheduler').items():
        known = _known(named_class(PARAM_SCHEDULERS, setting.get('type')))
        yield place, setting, known and [*known, 'convert_to_iter_based']
    for place, setting in configured_hooks(cfg).items():
        if isinstance(setting, Mapping) and (hook := named_class(HOOKS, setting.get('type'))):
            known = _known(hook, _handed_on(hook, setting))
            yield place, setting, known and [*known, 'priority']
    for part in ('val', 'test'):
        for place, setting in configured_metrics(cfg.get(f'{part}_evaluator'), f'{part}_evaluator').items():
            yield place, setting, _known(named_class(METRICS, setting.get('type')))
    yield from _of_optimizer(cfg.get('optim_wrapper') or {})


def _of_optimizer(wrapper: Mapping) -> Iterator[tuple[str, Mapping, list[str] | None]]:
    """As `_settings`, for mmengine's default optimizer constructor; others may read anything."""
    constructor = wrapper.get('constructor', DefaultOptimWrapperConstructor)
    if named_class(OPTIM_WRAPPER_CONSTRUCTORS, constructor) is not DefaultOptimWrapperConstructor:
        return
    known = _known(named_class(OPTIM_WRAPPERS, wrapper.get('type', 'OptimWrapper')))
    yield 'optim_wrapper', wrapper, known and [*known, *OF_CONSTRUCTOR]
    optimizer = wrapper.get('optimizer') or {}
    of_groups = _known(named_class(OPTIMIZERS, optimizer.get('type')))
    yield 'optim_wrapper.optimizer', optimizer, of_groups
    clip = wrapper.get('clip_grad') or {}
    clipping = clip_grad_value_ if clip.get('type') == 'value' else clip_grad_norm_
    yield 'optim_wrapper.clip_grad', clip, _by_config(settings_of(clipping))
    paramwise = wrapper.get('paramwise_cfg') or {}
    yield 'optim_wrapper.paramwise_cfg', paramwise, PARAMWISE
    for name, setting in (paramwise.get('custom_keys') or {}).items():
        place = f'optim_wrapper.paramwise_cfg.custom_keys.{name}'
        yield place, setting, of_groups and ['lr_mult', 'decay_mult', *of_groups]


def _handed_on(hook: type, setting: Mapping) -> Callable | None:
    """What takes the settings that a hook passes on."""
    if issubclass(hook, CheckpointHook):
        return Runner.save_checkpoint
    if issubclass(hook, EMAHook):
        return named_class(MODELS, setting.get('ema_type', 'ExponentialMovingAverage'))
    return None


def _known(made: Any, further: Callable | None = None) -> list[str] | None:
    """The settings of a class: its own and, if it passes others on, those of its bases or of `further`."""
    if not inspect.isclass(made):
        return None
    own = [base for base in made.__mro__[:-1] if '__init__' in vars(base)]
    names = []
    for taking in (*own, *([further] if further else [])):
        names += settings_of(taking)
        if not takes_any(taking):
            return _by_config(names)
    return None


def _by_config(names: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name not in BY_RUNNER]
