"""What a distilling step costs relative to its floor, in every mode, and to two other ways to write it.

    python -m benchmarks.step_cost [--repeats 40] [--device cuda] [--threads 1 2] [--out FILE.json]

The floor is the student's plain step plus the teacher's forward on the same rows. All variants are timed in turn
within each repetition, on the same images and random numbers, so a busy machine slows them alike; the result
is the median of the ratios within a repetition, with its quartiles.
"""

import argparse
import json
import os
import platform
import shutil
from functools import partial
from pathlib import Path

import torch

import luminet_det
from luminet_det.losses import KDLoss, LumiNetLoss

RESULTS = Path(__file__).parents[1] / 'results'


def main() -> None:
    parser = argparse.ArgumentParser(prog='step_cost', description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=40)
    parser.add_argument('--images', type=int, default=8)
    parser.add_argument('--size', type=int, default=128, help='height and width of the images in pixels')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, nargs='+', default=[1, 2], help="torch's threads, measured one by one")
    parser.add_argument('--students', nargs='+', help='default: all')
    parser.add_argument('--no-modes', action='store_true', help='leave out the table of modes')
    parser.add_argument('--teacher-batch-size', type=int, default=4)
    parser.add_argument('--teacher-dtype', choices=['fp32', 'bf16', 'fp16'])
    parser.add_argument('--teacher-compile', action='store_true')
    parser.add_argument('--teacher-channels-last', action='store_true')
    parser.add_argument('--teacher-fuse-conv-bn', action='store_true')
    parser.add_argument('--out', type=Path, default=RESULTS / 'step_cost.json')
    args = parser.parse_args()
    result = measure(args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + '\n')
    print(json.dumps(result, indent=2))


def measure(args: argparse.Namespace) -> dict:
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    from benchmarks.step_cost import modes
    from benchmarks.step_cost.detectors import DETECTORS, OWN_SETTING
    from benchmarks.step_cost.pair import Pair

    options = dict(
        batch_size=args.teacher_batch_size,
        dtype=args.teacher_dtype,
        compile=args.teacher_compile,
        channels_last=args.teacher_channels_last,
        fuse_conv_bn=args.teacher_fuse_conv_bn,
    )
    device, by_threads = torch.device(args.device), {}
    settings = {
        name: OWN_SETTING.get(name, (args.images, args.size, args.repeats)) for name in args.students or DETECTORS
    }
    # Before anything large is allocated: afterwards the allocator's state has more effect than the losses.
    losses = {}
    for threads in args.threads:
        torch.set_num_threads(threads)
        losses[threads] = loss_ratio(args.repeats, device)
    pairs = {name: Pair(name, images, size, device, options) for name, (images, size, _) in settings.items()}
    for threads in args.threads:
        torch.set_num_threads(threads)
        found = dict(
            students={name: step_ratios(pair, min(args.repeats, settings[name][2])) for name, pair in pairs.items()}
        )
        found['loss'] = losses[threads]
        if 'faster' in pairs:
            found['other_ways'] = other_ways(pairs['faster'], args.repeats)
            if not args.no_modes:
                compiled = device.type == 'cuda' or shutil.which('g++') is not None
                found['modes'] = modes.measured(pairs['faster'], args.repeats, compiled)
        by_threads[str(threads)] = found
    return dict(
        threads=by_threads,
        memory={name: pair.memory() for name, pair in pairs.items()},
        setting=dict(
            images=args.images,
            size=args.size,
            rows={name: pair.num_rows for name, pair in pairs.items()},
            device=torch.cuda.get_device_name() if device.type == 'cuda' else args.device,
            repeats=args.repeats,
            teacher=options,
        ),
        versions=dict(luminet_det=luminet_det.__version__, torch=torch.__version__, python=platform.python_version()),
        cpus=os.cpu_count(),
    )


def step_ratios(pair, repeats: int) -> dict:
    """The distilling step relative to the plain one and the floor; the teacher run in the same parts or at once."""
    from benchmarks.step_cost.measure import interleaved, ratio

    seconds = interleaved(
        dict(
            plain=partial(pair.run, pair.plain),
            distilling=partial(pair.run, pair.distilling),
            teacher=partial(pair.teacher_forward, parts=True),
            teacher_at_once=partial(pair.teacher_forward, parts=False),
        ),
        repeats,
        pair.device,
    )
    floors = {
        teacher: [a + b for a, b in zip(seconds['plain'], seconds[teacher], strict=True)]
        for teacher in ('teacher', 'teacher_at_once')
    }
    return dict(
        over_floor=ratio(seconds['distilling'], floors['teacher']),
        over_floor_at_once=ratio(seconds['distilling'], floors['teacher_at_once']),
        over_plain=ratio(seconds['distilling'], seconds['plain']),
    )


def other_ways(pair, repeats: int) -> dict:
    """Two other ways to write the step, relative to ours."""
    from benchmarks.step_cost.measure import interleaved, ratio
    from benchmarks.step_cost.other_ways import student_head_twice, whole_teacher_loss

    variants = dict(
        ours=pair.distilling,
        student_head_twice=student_head_twice(pair.distilling),
        whole_teacher_loss=whole_teacher_loss(pair.distilling),
    )
    seconds = interleaved({name: partial(pair.run, d) for name, d in variants.items()}, repeats, pair.device)
    return {name: ratio(seconds[name], seconds['ours']) for name in variants if name != 'ours'}


def loss_ratio(repeats: int, device: torch.device, rows: int = 4096, columns: int = 81) -> dict:
    """LumiNetLoss against KDLoss, forward and backward, on the RoIs of 8 COCO images."""
    from benchmarks.step_cost.measure import interleaved, ratio

    student = torch.randn(rows, columns, device=device, requires_grad=True)
    teacher = torch.randn(rows, columns, device=device)

    def run(loss):
        loss(student, teacher).backward()
        student.grad = None

    losses = dict(luminet=partial(run, LumiNetLoss()), kd=partial(run, KDLoss()))
    seconds = interleaved(losses, 5 * repeats, device)
    return dict(rows=rows, columns=columns, luminet_over_kd=ratio(seconds['luminet'], seconds['kd']))


if __name__ == '__main__':
    main()
