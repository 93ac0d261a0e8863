"""Slices of a LumiNet epoch: the plain loop and ours, in each of its settings."""

import argparse
import statistics
from contextlib import nullcontext
from functools import partial

import torch

from benchmarks.classification_speed.pair import Pair
from benchmarks.step_cost.measure import interleaved, ratio

CAPTURED = {'model.compile': dict(mode='reduce-overhead')}
# What a row changes in configs/cifar100/luminet_<pair>.py, and the flags of tools/train.py beside it.
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


def measured(pair: Pair, args: argparse.Namespace, device: torch.device) -> dict[str, dict]:
    """Images a second of each way, and by how much it is quicker than the plain loop."""
    known = ROWS | (CUDA_ROWS if device.type == 'cuda' else {})
    wanted = list(known) if args.rows is None else [row for row in args.rows if row != 'none']
    if unknown := set(wanted) - set(known):
        raise SystemExit(f'--rows {", ".join(unknown)}: unknown; there are {", ".join(known)} and none.')
    ways = {'plain loop': pair.plain(device, args.workers, args.batch_size)}
    for row in wanted:
        options, flags = known[row]
        ways[row] = pair.run(f'luminet_{pair.name}', row, args.batch_size, options, flags)
    for way in ways.values():
        way.run(4)  # compiles
    compiles = any('model.compile' in known[row][0] for row in wanted)
    slices = {name: partial(way.run, args.steps) for name, way in ways.items()}
    with torch.compiler.set_stance('fail_on_recompile') if compiles else nullcontext():
        seconds = interleaved(slices, args.repeats, device)
    images = args.steps * args.batch_size
    return {
        name: dict(
            images_per_second=round(images / statistics.median(taken), 1),
            over_plain_loop=ratio(seconds['plain loop'], taken),
        )
        for name, taken in seconds.items()
    }
