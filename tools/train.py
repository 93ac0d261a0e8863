"""Train a detector or classifier, distilling or not: any mm config, mmdet's flags, a run that can be resumed."""

import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner, find_latest_checkpoint

from luminet_det import (
    config,
    in_use,
    measured,
    moved_run,
    run_settings,
    seen_batches,
    training_set,
    unread_annotations,
)
from luminet_det.class_name import class_name, is_of
from luminet_det.classification.data import LabelledImages
from luminet_det.compat import (
    cpu,  # noqa: F401  (registers what --amp uses on a CPU)
    elastic,
    fsdp,
)
from luminet_det.hooks.exact_resume import adopt_seed
from luminet_det.hooks.interrupt import InterruptHook, resume_command
from luminet_det.registry import DATASETS


def parser() -> ArgumentParser:
    """The command line."""
    made = ArgumentParser(prog='train.py', description=__doc__)
    config.add_arguments(made)
    made.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from this checkpoint; without a value, from the latest in the work dir, if there is one',
    )
    config.add_training_arguments(made)
    made.add_argument(
        '--fsdp',
        action='store_true',
        help='split weights, gradients and optimizer state over the processes (FSDP) instead of copying them (DDP)',
    )
    made.add_argument(
        '--val-split',
        type=float,
        metavar='SHARE',
        help='classifiers: hold out this share of each class of the training set, choose the best epoch by it, and '
        'look at the test set after training only, for the best and the last weights',
    )
    made.add_argument('--seed', type=int, help='seed of everything random; a resumed run keeps its own')
    made.add_argument(
        '--deterministic', action='store_true', help='only kernels that give the same result each time; slower'
    )
    return made


def configure(args: Namespace, command: str | None = None) -> Config:
    """The config that these flags ask for.

    Args:
        args: Parsed flags.
        command: What to print on Ctrl-C; default: this process's own command line and `--resume`.
    """
    cfg = config.load(args)
    run_settings.check(cfg)
    if class_name(cfg.optim_wrapper).endswith('AmpOptimWrapper') and not torch.cuda.is_available():
        _require_gpu(cfg)
    if args.fsdp:
        fsdp.shard(cfg)
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=args.seed)
    if args.deterministic:
        cfg.randomness = dict(cfg.get('randomness') or dict(seed=None), deterministic=True)
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # cuBLAS is deterministic only with this
    if args.val_split is not None:
        _hold_out(cfg, args.val_split)
    for hook in cfg.get('custom_hooks') or []:
        if class_name(hook) == 'ResultHook':
            hook.update(config=args.config, options=_outcome_options(args))
    if args.resume:
        _resume(cfg, args.resume)
    elastic.adopt_checkpoint(cfg)
    if cfg.get('resume'):
        adopt_seed(cfg)
    _add_hook(cfg, dict(type='luminet_det.DivergenceHook'))
    _add_hook(cfg, dict(type='luminet_det.ExactResumeHook'))
    _add_hook(cfg, dict(type='luminet_det.InterruptHook', command=command))
    # After InterruptHook, so that a signal waits for the end of this validation too.
    _add_hook(cfg, dict(type='luminet_det.MissedValidationHook'))
    return cfg


def main(argv: Sequence[str] | None = None) -> None:
    """Train the model.

    Args:
        argv: Command-line arguments; default: those of this process.
    """
    flags = parser()
    args = flags.parse_args(argv)
    runner = None
    with elastic.not_repeated(lambda: runner is not None and _has_trained(runner)), ExitStack() as folder:
        try:
            cfg = configure(args, _command(argv))
            if not _rank(args.launcher):
                folder.enter_context(in_use.claimed(cfg.work_dir))
        except (FileNotFoundError, ValueError, BlockingIOError) as error:
            flags.error(str(error))
        # mmdet only now: luminet_det has to be imported before it.
        from mmdet.registry import RUNNERS
        from mmdet.utils import setup_cache_size_limit_of_dynamo

        from luminet_det.backbones import check_neck, explain_neck

        setup_cache_size_limit_of_dynamo()
        with measured.explain_rule(cfg):
            runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        unread_annotations.guard(runner)
        training_set.guard(runner)
        measured.guard(runner)
        seen_batches.guard(runner)
        check_neck(runner.model)
        with explain_neck(runner.model):
            runner.train()


def _resume(cfg: Config, checkpoint: str) -> None:
    """Resume from a checkpoint, or with 'auto' from the work dir's latest; if there is none, keep `load_from`."""
    if checkpoint != 'auto':
        cfg.resume, cfg.load_from = True, checkpoint
    elif moved := moved_run.own_last_checkpoint(cfg):
        cfg.resume, cfg.load_from = True, moved
    elif not cfg.get('load_from') or find_latest_checkpoint(cfg.work_dir):
        cfg.resume, cfg.load_from = True, None


def _outcome_options(args: Namespace) -> dict:
    """The command-line settings that change the outcome, for the result's file."""
    flags = {f'--{name}': getattr(args, name.replace('-', '_')) for name in ('amp', 'val-split', 'auto-scale-lr')}
    return {**(args.cfg_options or {}), **{name: value for name, value in flags.items() if value}}


def _hold_out(cfg: Config, share: float) -> None:
    """Validate on a part of the training set, and test at the end."""
    hooks = [hook for hook in cfg.get('custom_hooks') or [] if str(hook.get('type')).endswith('ResultHook')]
    if not hooks or not is_of(DATASETS, cfg.train_dataloader.dataset, LabelledImages):
        raise ValueError(
            "--val-split is for luminet_det's classifiers: it needs a dataset of luminet_det in train_dataloader and "
            "dict(type='luminet_det.ResultHook') in custom_hooks."
        )
    if not cfg.get('val_dataloader') or not cfg.get('test_dataloader'):
        raise ValueError(
            '--val-split validates on held-out images and tests on the test set at the end: the config needs '
            'val_dataloader and test_dataloader.'
        )
    if not 0 < share < 1:
        raise ValueError(
            f'--val-split {share:g} is not a share of the training set: give one between 0 and 1, such as 0.1.'
        )
    train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    train.update(val_fraction=share, part='train')
    test = cfg.test_dataloader.dataset
    for key in ('type', 'data_root'):
        if test.get(key) != train.get(key):
            raise ValueError(
                f'--val-split trains on {key}={train.get(key)!r} and would test on {test.get(key)!r}: set '
                f'test_dataloader.dataset.{key} as well.'
            )
    if (split := test.get('split', 'train')) == train.get('split', 'train'):
        raise ValueError(
            f'--val-split holds out images of split={split!r}, and would test on all of these: set '
            'test_dataloader.dataset.split to another one. Without a test set, remove --val-split, and hold images '
            f'out with train_dataloader.dataset.val_fraction={share:g} and, in the datasets of val and test, the same '
            "split and val_fraction with part='held-out'."
        )
    # The images are from the training set, their transforms from validation.
    treatment = ('transforms', 'resize', 'device_resident', 'device')
    held_out = {key: value for key, value in train.items() if key not in treatment}
    held_out |= {key: val[key] for key in treatment if key in val}
    cfg.val_dataloader.dataset = dict(held_out, part='held-out')
    hooks[0].test = True


def _rank(launcher: str) -> int:
    """The rank of this process, before the processes are connected."""
    names = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
    return int(os.environ.get(names.get(launcher, ''), 0))


def _has_trained(runner: Runner) -> bool:
    return any(isinstance(hook, InterruptHook) and hook.trained for hook in runner.hooks)


def _require_gpu(cfg: Config) -> None:
    if class_name(cfg.optim_wrapper) != 'CpuAmpOptimWrapper':
        raise ValueError(
            f'optim_wrapper.type={cfg.optim_wrapper.type!r} needs a GPU, and none is visible here. Write '
            "optim_wrapper.type='OptimWrapper' and remove its loss_scale and dtype, or use --amp, which takes bfloat16 "
            'on a CPU.'
        )


def _add_hook(cfg: Config, hook: dict) -> None:
    """Add `hook`, or update the config's hook of that type, which configs in work dirs have."""
    cfg.custom_hooks = list(cfg.get('custom_hooks') or [])
    for present in cfg.custom_hooks:
        if class_name(present) == class_name(hook):
            present.update(hook)
            return
    cfg.custom_hooks.append(hook)


def _command(argv: Sequence[str] | None) -> str:
    """The command that resumes: the script that started this process, if any, since only it starts all processes."""
    if script := os.environ.get('LUMINET_DET_COMMAND'):
        return resume_command(shlex.split(script))
    if argv is None:
        return resume_command(sys.orig_argv)
    return resume_command([sys.executable, str(Path(__file__)), *argv])


if __name__ == '__main__':
    main()
