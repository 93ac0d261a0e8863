"""How the cost of a distilling step grows with images, RoIs, classes and processes.

    python -m benchmarks.scale [--repeats 5] [--out benchmarks/results/scale.json]
    python -m benchmarks.scale_tables

On a CPU. All points of an axis are timed in turn within each repetition; ratios are taken within a repetition and
their medians are the result. Bytes and FLOPs are counted, not timed. The second command writes the tables of
`docs/scale.md`.
"""

import argparse
import copy
import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from torch import distributed as dist
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import luminet_det
from benchmarks.memory import peak_bytes
from benchmarks.scaled_pair import COCO, ScaledPair
from benchmarks.step_cost.measure import interleaved, ratio
from luminet_det.config import find
from luminet_det.losses import LumiNetLoss

RESULT = Path(__file__).parent / 'results' / 'scale.json'
BASE = dict(images=2, rois=256, classes=80)
AXES = dict(images=(1, 2, 4, 8), rois=(64, 128, 256, 512))
CLASSES = (80, 1203, 13000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--out', type=Path, default=RESULT)
    args = parser.parse_args()
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    result = dict(
        axes={axis: grow(axis, values, args.repeats) for axis, values in AXES.items()},
        classes=classes(max(1, args.repeats // 2)),
        traffic=[traffic(number) for number in (80, 1203)],
        small_batches=[small_batch(rows) for rows in (1, 2, 4, 16, 64, 256)],
        coco=coco_flops(),
        setting=dict(repeats=args.repeats, base=BASE, cpus=os.cpu_count(), threads=torch.get_num_threads()),
        versions=dict(luminet_det=luminet_det.__version__, torch=torch.__version__, python=platform.python_version()),
    )
    args.out.write_text(json.dumps(result, indent=2) + '\n')


def grow(axis: str, values: tuple[int, ...], repeats: int) -> list[dict]:
    """Step time and peak memory along one axis, relative to its base."""
    pairs = {value: ScaledPair(**{**BASE, axis: value}) for value in values}
    seconds = interleaved(
        {
            (value, kind): (lambda pair=pair, kind=kind: pair.step(getattr(pair, kind)))
            for value, pair in pairs.items()
            for kind in ('plain', 'distilling')
        },
        repeats,
        torch.device('cpu'),
    )
    base = BASE[axis]
    peaks = {value: peak_bytes(lambda pair=pair: pair.step(pair.distilling)) for value, pair in pairs.items()}
    return [
        {
            axis: value,
            'distilling_over_base': ratio(seconds[(value, 'distilling')], seconds[(base, 'distilling')])['median'],
            'distilling_over_plain': ratio(seconds[(value, 'distilling')], seconds[(value, 'plain')])['median'],
            'peak_over_base': peaks[value] / peaks[base],
        }
        for value in values
    ]


def classes(repeats: int) -> list[dict]:
    """Networks of full width on two images of 512 pixels, 512 RoIs each: what the number of classes costs."""
    pairs = {number: ScaledPair(2, 512, number, size=512, width=1) for number in CLASSES}
    losses = {number: _loss(pair.rows, number + 1) for number, pair in pairs.items()}
    steps = {(number, 'step'): (lambda pair=pair: pair.step(pair.distilling)) for number, pair in pairs.items()}
    steps |= {(number, 'loss'): loss for number, loss in losses.items()}
    seconds = interleaved(steps, repeats, torch.device('cpu'))
    return [
        dict(
            classes=number,
            rows=pairs[number].rows,
            matrix_bytes=(matrix := pairs[number].rows * (number + 1) * 4),
            step_over_base=ratio(seconds[(number, 'step')], seconds[(CLASSES[0], 'step')])['median'],
            loss_over_step=ratio(seconds[(number, 'loss')], seconds[(number, 'step')])['median'],
            loss_peak_over_matrix=peak_bytes(losses[number]) / matrix,
        )
        for number in CLASSES
    ]


def _loss(rows: int, columns: int) -> Callable[[], None]:
    """LumiNetLoss forward and backward; the logits themselves are not counted, but their gradient is."""
    student, teacher = torch.randn(rows, columns, requires_grad=True), torch.randn(rows, columns)
    loss = LumiNetLoss(tau=1.0, loss_weight=4.0)

    def run() -> None:
        loss(student, teacher).backward()
        student.grad = None

    return run


def traffic(number: int) -> dict:
    """Bytes that each of two processes passes to collectives in a step, counted."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(_count_traffic, (number, folder), nprocs=2, start_method='fork')
        return torch.load(f'{folder}/0.pth')


def _count_traffic(rank: int, number: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2)
    pair = ScaledPair(1, 64, number)
    pair.distilling.terms[0].loss.sync = True
    sent = dict(sync=0, gradients=0)
    all_reduce = dist.all_reduce

    def counted(tensor, *args, **kwargs):
        sent['sync'] += tensor.numel() * tensor.element_size()
        return all_reduce(tensor, *args, **kwargs)

    def bucket(state, bucket):
        sent['gradients'] += bucket.buffer().numel() * bucket.buffer().element_size()
        future = all_reduce(bucket.buffer(), async_op=True).get_future()
        return future.then(lambda done: done.value()[0] / 2)

    dist.all_reduce = counted
    wrapped = nn.parallel.DistributedDataParallel(pair.distilling, broadcast_buffers=False)
    wrapped.register_comm_hook(None, bucket)
    losses = wrapped(pair.data['inputs'], copy.deepcopy(pair.data['data_samples']), mode='loss')
    pair.distilling.parse_losses(losses)[0].backward()
    student, teacher = pair.distilling, pair.distilling.teachers[0].model
    found = dict(
        classes=number,
        sync_bytes=sent['sync'],
        gradient_bytes=sent['gradients'],
        trained_parameters=sum(p.numel() for p in student.parameters() if p.requires_grad),
        teacher_parameters=sum(p.numel() for p in teacher.parameters()),
    )
    torch.save(found, f'{folder}/{rank}.pth')
    # Tearing down gloo while DDP is alive deadlocks once in a while.
    os._exit(0)


def small_batch(rows: int, columns: int = 81, whole: int = 4096) -> dict:
    """How far statistics over few rows are from those over all, for logits with three quarters of background rows.

    Returns:
        `deviation_error`, the root mean square of the relative error of a class's deviation, and `cosine`, that of
        the gradients of LumiNetLoss taken over `rows` at a time and over all.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, columns - 1, (whole,), generator=generator)
    labels[torch.rand(whole, generator=generator) < 0.75] = columns - 1
    teacher = torch.randn(whole, columns, generator=generator) + 6 * nn.functional.one_hot(labels, columns)
    student = 0.7 * (teacher + torch.randn(whole, columns, generator=generator))

    def gradient(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        student = student.requires_grad_()
        return torch.autograd.grad(LumiNetLoss(tau=1.0, loss_weight=4.0)(student, teacher) * len(student), student)[0]

    parts = [gradient(*part) for part in zip(student.split(rows), teacher.split(rows), strict=True)]
    deviation = teacher.std(0, correction=0)
    errors = torch.stack([part.std(0, correction=0) / deviation - 1 for part in teacher.split(rows)])
    return dict(
        rows=rows,
        deviation_error=errors.square().mean().sqrt().item(),
        cosine=torch.cosine_similarity(torch.cat(parts).flatten(), gradient(student, teacher).flatten(), dim=0).item(),
    )


def coco_flops() -> dict:
    """FLOPs per image of the paper's pair, R18 <- R101 on 800x1344 pixels with 512 RoIs; counted without computing."""
    from mmdet.registry import MODELS

    found = {}
    teacher = Config.fromfile(find('mmdet::faster_rcnn/faster-rcnn_r101_fpn_ms-3x_coco.py')).model
    for name, model in (('student', Config.fromfile(COCO).model), ('teacher', teacher)):
        with torch.device('meta'):
            detector = MODELS.build(model).train()
            image, rois = torch.empty(1, 3, 800, 1344), torch.empty(512, 256, 7, 7)
        with FlopCounterMode(display=False) as forward:
            features = detector.extract_feat(image)
            heads = [*detector.roi_head.bbox_head(rois.requires_grad_())]
        # The teacher's RPN never runs.
        if name == 'student':
            with FlopCounterMode(display=False) as rpn:
                heads += [level for output in detector.rpn_head(features) for level in output]
            with FlopCounterMode(display=False) as backward:
                torch.autograd.backward(
                    [*heads, *features], [torch.ones_like(output) for output in (*heads, *features)]
                )
            found['student_forward'] = forward.get_total_flops() + rpn.get_total_flops()
            found['student_backward'] = backward.get_total_flops()
        else:
            found['teacher_forward'] = forward.get_total_flops()
        found[f'{name}_parameters'] = sum(p.numel() for p in detector.parameters())
        found[f'{name}_trained'] = sum(p.numel() for p in detector.parameters() if p.requires_grad)
    return found


if __name__ == '__main__':
    main()
