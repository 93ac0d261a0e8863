"""Slices of a LumiNet epoch: the plain loop and ours, in each of its settings."""

import argparse
import statistics
from contextlib import nullcontext
from functools import partial

import torch

from benchmarks.classification_speed.pair import Pair
from benchmarks.classification_speed.plain_loop import PlainLoop
from benchmarks.step_cost.measure import interleaved, ratio

CAPTURED = {'model.compile': dict(mode='reduce-overhead')}
# What a row changes in configs/cifar100/luminet_<pair>.py, and its flags of tools/train.py.
ROWS: dict[str, tuple[dict, tuple[str, ...]]] = {
    'default': ({}, ()),
    'contiguous': ({'model.channels_last': False}, ()),
    'loader processes': (
        {
            'train_dataloader.dataset.device_resident': False,
            'train_dataloader.num_workers': 2,
            'train_dataloader.persistent_workers': True,
        },
        (),
    ),
    'norms kept': ({'model.teacher.fuse_conv_bn': False}, ()),
    'teacher compiled': ({'model.teacher.compile': True}, ()),
    'teacher half': ({'model.teacher.dtype': 'bf16'}, ()),
    'amp': ({}, ('--amp',)),
    'compile': ({'model.compile': True}, ()),
    'compile, teacher half': ({'model.compile': True, 'model.teacher.dtype': 'bf16'}, ()),
    'compile, amp': ({'model.compile': True}, ('--amp',)),
}
CUDA_ROWS = {
    'captured': (CAPTURED, ()),
    'captured, amp': (CAPTURED, ('--amp',)),
    'captured, amp, contiguous': ({**CAPTURED, 'model.channels_last': False}, ('--amp',)),
}


PLAIN = 'plain loop'


def ways(rows: list[str] | None, device: torch.device) -> list[str]:
    """The plain loop, and these rows; by default all that the device supports.

    Raises:
        SystemExit: A row is unknown.
    """
    known = _known(device)
    wanted = list(known) if rows is None else [row for row in rows if row != 'none']
    if unknown := set(wanted) - set(known):
        raise SystemExit(f'--rows {", ".join(unknown)}: unknown; there are {", ".join(known)} and none.')
    return [PLAIN, *wanted]


def measured(pair: Pair, plain: PlainLoop, way: str, args: argparse.Namespace, device: torch.device) -> dict:
    """Images per second of a way to train, and its ratio to the plain loop, which takes turns with it."""
    runs, compiles = {PLAIN: plain}, False
    if way != PLAIN:
        options, flags = _known(device)[way]
        runs[way] = pair.run(f'luminet_{pair.name}', way, args.batch_size, options, flags)
        compiles = any(key.endswith('compile') for key in options)
    for run in runs.values():
        run.run(4)  # compiles
    slices = {name: partial(run.run, args.steps) for name, run in runs.items()}
    with torch.compiler.set_stance('fail_on_recompile') if compiles else nullcontext():
        seconds = interleaved(slices, args.repeats, device)
    if compiles:
        # The next way compiles the same code for other networks, and torch limits how often that may happen.
        torch.compiler.reset()
    images = args.steps * args.batch_size
    speed = {name: round(images / statistics.median(taken), 1) for name, taken in seconds.items()}
    return dict(
        images_per_second=speed[way],
        images_per_second_of_plain_loop=speed[PLAIN],
        over_plain_loop=ratio(seconds[PLAIN], seconds[way]),
    )


def _known(device: torch.device) -> dict[str, tuple[dict, tuple[str, ...]]]:
    return ROWS | (CUDA_ROWS if device.type == 'cuda' else {})
