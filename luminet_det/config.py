"""A config as the tools take it: a path or a zoo name, and the flags that all of them share."""

import importlib.util
import inspect
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner

from luminet_det.configured_hooks import configured_hooks
from luminet_det.configured_metrics import configured_metrics
from luminet_det.dataset_config import config_sources
from luminet_det.options import OptionsAction

SUFFIXES = ('.py', '.json', '.yml', '.yaml')
PROJECT = Path(__file__).parents[1]
IN_THE_MODEL = ('teacher', 'distill')


def add_arguments(parser: ArgumentParser, runs: bool = True) -> None:
    """Add CONFIG and `--cfg-options`; if the tool runs a model, `--work-dir` and the launcher's flags as well."""
    parser.add_argument('config', help="path of a config, or its zoo name such as 'mmdet::faster_rcnn/<name>.py'")
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        metavar='KEY=VALUE',
        help='change config values: optim_wrapper.optimizer.lr=0.01, or a list as key="[a,b]" or key=a,b, nested as '
        'key="[(a,b),(c,d)]"; quoted',
    )
    if runs:
        parser.add_argument('--work-dir', help='folder of logs and checkpoints (default: ./work_dirs/<config name>)')
        parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
        parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by some launchers')


def add_training_arguments(parser: ArgumentParser) -> None:
    """Add the flags that change what a training computes."""
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: float16 with dynamic loss scaling; bfloat16 on a CPU, which has no float16',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate by (processes x batch size) / the config's auto_scale_lr.base_batch_size",
    )


def load(args: Namespace) -> Config:
    """Read the config that `add_arguments`' and `add_training_arguments`' flags describe, with their changes in it.

    Raises:
        FileNotFoundError: There is no such config; the message lists similar names.
        ValueError: An option is mistyped, `teacher` or `distill` is set outside the model, `custom_hooks` is not a list
            of dicts, or the config does not say for which batch size its learning rate is.
    """
    path = find(args.config)
    cfg = Config.fromfile(path)
    _merge(cfg, args.cfg_options or {})
    _check_model(cfg)
    _check_hooks(cfg)
    _check_scopes(cfg)
    if getattr(args, 'amp', False):
        _use_amp(cfg)
    if getattr(args, 'auto_scale_lr', False):
        if not {'enable', 'base_batch_size'} <= set(cfg.get('auto_scale_lr') or {}):
            raise ValueError(
                '--auto-scale-lr needs to know the batch size that the learning rate is for. '
                'Add `auto_scale_lr = dict(enable=False, base_batch_size=16)` to the config.'
            )
        cfg.auto_scale_lr.enable = True
    if hasattr(args, 'launcher'):
        cfg.launcher = args.launcher
        cfg.work_dir = args.work_dir or cfg.get('work_dir') or os.path.join('./work_dirs', path.stem)
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
        if args.launcher in ('pytorch', 'slurm') and not torch.cuda.is_available():
            from luminet_det.compat import cpu

            cpu.distribute(cfg)
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if cfg.get(name) and not cfg[name].get('num_workers'):
                # torch refuses settings of loader processes if there are none.
                for of_processes in ('persistent_workers', 'prefetch_factor'):
                    cfg[name].pop(of_processes, None)
    return cfg


def _use_amp(cfg: Config) -> None:
    if torch.cuda.is_available():
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.loss_scale = 'dynamic'
        return
    cfg.optim_wrapper.type = 'CpuAmpOptimWrapper'
    for name in ('loss_scale', 'dtype'):
        cfg.optim_wrapper.pop(name, None)


def _merge(cfg: Config, options: dict[str, object]) -> None:
    for option, value in options.items():
        _check_option(option, cfg)
        if 'dict(' in str(value):
            raise ValueError(f'--cfg-options {option}: dict(...) works only in a config, not on the command line.')
        try:
            cfg.merge_from_dict({option: value})
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError(
                f'--cfg-options {option}: the config has no such place ({error}). Items of a list are numbered, as in '
                'model.distill.0.loss.tau=1.'
            ) from error


def _check_option(option: str, cfg: Config) -> None:
    """Raise ValueError if `option` looks like a mistyped key of the config; new keys are allowed."""
    first = option.partition('.')[0]
    if first in IN_THE_MODEL:
        raise ValueError(f'--cfg-options {option}: nothing reads it outside the model: write model.{option}')
    known = first in cfg or first in inspect.signature(Runner).parameters
    near = [] if known else get_close_matches(first, list(cfg), n=1, cutoff=0.8)
    if near:
        raise ValueError(f"--cfg-options {option}: the config has no {first!r}. Did you mean '{near[0]}'?")


def _check_model(cfg: Config) -> None:
    """Raise ValueError if nothing would read `teacher` or `distill`: outside the model, or in one that takes none."""
    model = cfg.get('model', {})
    for key in IN_THE_MODEL:
        if key in cfg and key not in model:
            raise ValueError(f'{key} is outside the model, where nothing reads it: write model = dict({key}=...)')
    if asked := [key for key in IN_THE_MODEL if key in model]:
        _check_type(model, asked[0], cfg.get('default_scope'))


def _check_hooks(cfg: Config) -> None:
    """Raise ValueError if `custom_hooks` is not a list of dicts, which the command line cannot express."""
    hooks = cfg.get('custom_hooks') or []
    wrong = [hooks] if isinstance(hooks, str | dict) else [hook for hook in hooks if not isinstance(hook, dict)]
    if wrong:
        raise ValueError(
            f'custom_hooks={wrong[0]!r} is not a list of hooks: write custom_hooks = [dict(type=...)] in a config'
        )


def _check_scopes(cfg: Config) -> None:
    """Raise ValueError if a network, dataset, metric or hook of luminet_det is named without its scope."""
    from luminet_det.registry import DATASETS, HOOKS, METRICS, MODELS

    scope, model = cfg.get('default_scope'), cfg.get('model')
    named = [(MODELS, 'model.network', model.get('network'))] if isinstance(model, Mapping) else []
    named += [(HOOKS, place, hook) for place, hook in configured_hooks(cfg).items()]
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader') or {}
        for place, dataset in config_sources(loader.get('dataset'), f'{part}_dataloader.dataset'):
            named.append((DATASETS, place, dataset))
        metrics = configured_metrics(cfg.get(f'{part}_evaluator'), f'{part}_evaluator')
        named += [(METRICS, place, metric) for place, metric in metrics.items()]
    for registry, place, setting in named:
        if isinstance(setting, Mapping):
            _check_scope(registry, place, setting.get('type'), scope)


def _check_scope(registry: Registry, place: str, kind: object, scope: str | None) -> None:
    """Raise ValueError if a type that only luminet_det has is named without its scope."""
    if not isinstance(kind, str) or '.' in kind or scope == registry.scope:
        return
    registry.import_from_location()
    others = [registry.parent, *(other for other in registry.parent.children.values() if other is not registry)]
    if kind in registry.module_dict and not any(kind in other.module_dict for other in others):
        raise ValueError(f"{place}.type='{kind}': write type='{registry.scope}.{kind}'")


def _check_type(model: Mapping, key: str, scope: str | None) -> None:
    """Raise ValueError if a model with `teacher` or `distill` is of a type that does not take it."""
    from mmdet.registry import MODELS as MMDET_MODELS

    from luminet_det.detection.kinds import refuse_other_kinds
    from luminet_det.registry import MODELS

    kind = model.get('type')
    if isinstance(kind, str):
        _check_scope(MODELS, 'model', kind, scope)
        MMDET_MODELS.import_from_location()
        named = MMDET_MODELS.module_dict.get(kind.removeprefix('mmdet.'))
    else:
        named, kind = kind, getattr(kind, '__name__', kind)
    taken = inspect.signature(named).parameters.values() if named else ()
    if named and not any(each.name == key or each.kind is each.VAR_KEYWORD for each in taken):
        refuse_other_kinds(model)
        student = 'DistillTwoStageDetector' if 'roi_head' in model else 'DistillSingleStageDetector'
        raise ValueError(f"model.type='{kind}' takes no {key}: write type='luminet_det.{student}'")


def find(name: str, by_config: bool = False) -> Path:
    """The file of a config path or of a zoo name.

    Args:
        name: The path or zoo name.
        by_config: Whether the name comes from a config; the project's own configs name each other relative to its
            folder.

    Raises:
        FileNotFoundError: There is no such config, or its package is not installed.
    """
    path = Path(name).expanduser()
    if '::' in name:
        package, _, rest = name.partition('::')
        if (spec := importlib.util.find_spec(package)) is None:
            raise FileNotFoundError(f'no config {name}: the package {package} is not installed')
        path = Path(spec.origin).parent / '.mim' / 'configs' / rest
        path = path if path.suffix in SUFFIXES else path.with_name(path.name + '.py')
    elif by_config and not path.is_file() and (PROJECT / path).is_file():
        path = PROJECT / path
    if not path.is_file():
        raise FileNotFoundError(f'no config {name}. {_similar(path)}')
    return path


def _similar(path: Path) -> str:
    """What else there is in the nearest folder that exists, for messages."""
    wanted, folder = path.name, path.parent
    while not folder.is_dir():
        wanted, folder = folder.name, folder.parent
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith(('.', '__')))
    names = [entry.name for entry in entries if entry.suffix in SUFFIXES] if folder == path.parent else []
    kind = 'configs' if names else 'folders'
    names = names or [entry.name for entry in entries if entry.is_dir()]
    if close := get_close_matches(wanted, names, n=5, cutoff=0.4):
        return f'Similar {kind} in {folder}: {", ".join(close)}'
    some = ', '.join(names[:5]) + (', ...' if len(names) > 5 else '')
    where = 'the working directory' if folder == Path() else folder
    return f'In {where} there are the {kind} {some}' if names else f'There are no configs in {where}'
