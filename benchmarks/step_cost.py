"""What a distilling step costs, beside its floor and beside two other ways to write it.

    python benchmarks/step_cost.py [--repeats 40] [--device cuda] [--out benchmarks/results/step_cost.json]

The floor is the student's plain step plus the teacher's forward on the same RoIs. All variants are timed in
turn within each repetition, on the same images and random numbers, so that a busy machine slows them alike;
medians are compared. Seconds are printed for orientation only: the ratios are the result.
"""

import argparse
import copy
import gc
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

import luminet_det
from luminet_det.detection.roi_taps import recorded
from luminet_det.detection.roi_teacher import RoIAnswer
from luminet_det.losses import KDLoss, LumiNetLoss

CONFIGS = Path(__file__).parents[1] / 'configs' / 'quickstart'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=40)
    parser.add_argument('--images', type=int, default=8)
    parser.add_argument('--size', type=int, default=128, help='height and width of the images in pixels')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--teacher-batch-size', type=int, default=4)
    parser.add_argument('--teacher-dtype', choices=['fp32', 'bf16', 'fp16'])
    parser.add_argument('--teacher-compile', action='store_true')
    parser.add_argument('--teacher-channels-last', action='store_true')
    parser.add_argument('--out', type=Path, default=Path(__file__).parent / 'results' / 'step_cost.json')
    args = parser.parse_args()
    options = dict(
        batch_size=args.teacher_batch_size,
        dtype=args.teacher_dtype,
        compile=args.teacher_compile,
        channels_last=args.teacher_channels_last,
    )
    bench = Bench(args.images, args.size, args.device, options)
    result = dict(
        step=bench.step_ratios(args.repeats),
        memory=bench.memory(),
        loss=loss_ratio(args.repeats, args.device),
        setting=dict(
            images=args.images,
            size=args.size,
            rois=bench.num_rois,
            device=torch.cuda.get_device_name() if args.device.startswith('cuda') else args.device,
            repeats=args.repeats,
            teacher=options,
        ),
        versions=dict(luminet_det=luminet_det.__version__, torch=torch.__version__, python=platform.python_version()),
        cpus=os.cpu_count(),
        threads=torch.get_num_threads(),
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + '\n')
    print(json.dumps(result, indent=2))


class Bench:
    """The quickstart's pair on random images: the student plain, distilling, and distilling in two other ways."""

    def __init__(self, images: int, size: int, device: str, teacher_options: dict) -> None:
        from mmdet.registry import MODELS
        from mmdet.testing import demo_mm_inputs
        from mmdet.utils import register_all_modules
        from mmengine.config import Config

        register_all_modules(init_default_scope=True)
        self.device = torch.device(device)
        teacher = Config.fromfile(CONFIGS / 'teacher.py').model
        student = Config.fromfile(CONFIGS / 'student.py').model
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = str(Path(folder) / 'teacher.pth')
            torch.save(MODELS.build(copy.deepcopy(teacher)).state_dict(), checkpoint)
            distilling = dict(
                student,
                type='luminet_det.DistillTwoStageDetector',
                teacher=dict(config=teacher, checkpoint=checkpoint, **teacher_options),
                distill=[dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss'))],
            )
            torch.manual_seed(0)
            self.plain = MODELS.build(copy.deepcopy(student)).to(self.device)
            self.distilling = MODELS.build(distilling).to(self.device)
            self.distilling.load_state_dict(self.plain.state_dict())
            num_classes = student.roi_head.bbox_head.num_classes
            packed = demo_mm_inputs(images, [[3, size, size]] * images, num_items=[4] * images, num_classes=num_classes)
            self.data = self.plain.data_preprocessor(packed, True)
            self.run(self.distilling)  # builds the teacher while its file is there
        self.twice = copy.deepcopy(self.distilling)
        forward_student_head_twice(self.twice)
        self.whole = copy.deepcopy(self.distilling)
        run_whole_teacher_loss(self.whole)
        self.calls = self.sample_rois()

    @property
    def num_rois(self) -> int:
        return sum(len(call.rois) for call in self.calls)

    def run(self, detector: torch.nn.Module) -> None:
        """One training step, without the optimiser's, whose cost is the same in every variant."""
        torch.manual_seed(0)
        losses = detector.loss(self.data['inputs'], copy.deepcopy(self.data['data_samples']))
        detector.parse_losses(losses)[0].backward()
        detector.zero_grad()

    def sample_rois(self) -> list:
        torch.manual_seed(0)
        with recorded(self.plain.roi_head) as calls, torch.no_grad():
            self.plain.loss(self.data['inputs'], copy.deepcopy(self.data['data_samples']))
        return calls

    @torch.no_grad()
    def teacher_forward(self) -> None:
        """The other half of the floor: backbone, neck and box head on the student's RoIs."""
        teacher = self.distilling.teachers[0]
        features = teacher.extract_feat(self.data['inputs'])
        with teacher.precision(self.device.type):
            for call in self.calls:
                teacher.model.roi_head._bbox_forward(features, call.rois)

    def step_ratios(self, repeats: int) -> dict:
        seconds = interleaved(
            dict(
                plain=lambda: self.run(self.plain),
                teacher=self.teacher_forward,
                distilling=lambda: self.run(self.distilling),
                student_head_twice=lambda: self.run(self.twice),
                whole_teacher_loss=lambda: self.run(self.whole),
            ),
            repeats,
            self.device,
        )
        seconds['floor'] = [a + b for a, b in zip(seconds['plain'], seconds['teacher'], strict=True)]
        return dict(
            seconds=medians(seconds),
            distilling_over_floor=ratio(seconds, 'distilling', 'floor'),
            distilling_over_plain=ratio(seconds, 'distilling', 'plain'),
            student_head_twice_over_distilling=ratio(seconds, 'student_head_twice', 'distilling'),
            whole_teacher_loss_over_distilling=ratio(seconds, 'whole_teacher_loss', 'distilling'),
        )

    def memory(self) -> dict:
        """Peak bytes that a step allocates on top of the weights, and what the teacher's weights take."""
        teacher = self.distilling.teachers[0].model
        weights = sum(t.numel() * t.element_size() for t in teacher.state_dict().values())
        student = sum(t.numel() * t.element_size() for t in self.plain.state_dict().values())
        plain, distilling = (self.peak(d) + student for d in (self.plain, self.distilling))
        allowed = plain + weights
        return dict(
            plain_bytes=plain,
            teacher_weight_bytes=weights,
            distilling_bytes=distilling + weights,
            distilling_over_plain_and_weights=(distilling + weights) / allowed,
        )

    def peak(self, detector: torch.nn.Module) -> int:
        self.run(detector)
        gc.collect()
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self.run(detector)
            return torch.cuda.max_memory_allocated() - before
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            self.run(detector)
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder) / 'trace.json'
            profiler.export_chrome_trace(str(trace))
            events = json.loads(trace.read_text())['traceEvents']
        changes = sorted((e['ts'], e['args']['Bytes']) for e in events if e.get('name') == '[memory]')
        now = peak = 0
        for _, change in changes:
            now += change
            peak = max(peak, now)
        return peak


def forward_student_head_twice(detector: torch.nn.Module) -> None:
    """As frameworks do that cannot reach the logits of the student's own loss."""
    bbox_loss, forward = detector.roi_head.bbox_loss, detector.roi_head._bbox_forward

    def twice(x, sampling_results):
        from mmdet.structures.bbox import bbox2roi

        results = bbox_loss(x, sampling_results)
        again = forward(x, bbox2roi([sampled.priors for sampled in sampling_results]))
        return {**results, 'cls_score': again['cls_score']}

    detector.roi_head.bbox_loss = twice


def run_whole_teacher_loss(detector: torch.nn.Module) -> None:
    """As frameworks do that run the teacher in mode='loss': its RPN, sampling and losses as well."""
    link = detector.links[0]
    model = link.teacher.model

    def answer(calls, inputs, image_shapes, wants_boxes):
        with recorded(model.roi_head) as own, link.teacher.precision(inputs.device.type):
            model.loss(inputs, copy.deepcopy(answer.samples))
        finite = torch.ones(len(inputs), dtype=torch.bool, device=inputs.device)
        return [RoIAnswer(mine.cls_score[: len(call.rois)], finite) for call, mine in zip(calls, own, strict=True)]

    ask = detector.ask

    def asking(calls, inputs, samples):
        answer.samples = samples
        return ask(calls, inputs, samples)

    link.answer, detector.ask = answer, asking


def interleaved(variants: dict, repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each run of each variant; one of each per repetition, after two repetitions of warm-up."""
    seconds = {name: [] for name in variants}
    for repetition in range(repeats + 2):
        for name, variant in variants.items():
            if device.type == 'cuda':
                torch.cuda.synchronize()
            start = time.perf_counter()
            variant()
            if device.type == 'cuda':
                torch.cuda.synchronize()
            if repetition >= 2:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in seconds.items()}


def ratio(seconds: dict[str, list[float]], of: str, to: str) -> float:
    """Median of the ratios within each repetition, in which a busy machine slows both alike."""
    return statistics.median(a / b for a, b in zip(seconds[of], seconds[to], strict=True))


def loss_ratio(repeats: int, device: str, rows: int = 4096, columns: int = 81) -> dict:
    """LumiNetLoss against KDLoss, forward and backward, on the RoIs of 8 COCO images."""
    student = torch.randn(rows, columns, device=device, requires_grad=True)
    teacher = torch.randn(rows, columns, device=device)

    def variant(loss):
        def run():
            loss(student, teacher).backward()
            student.grad = None

        return run

    losses = dict(luminet=variant(LumiNetLoss()), kd=variant(KDLoss()))
    seconds = interleaved(losses, 5 * repeats, torch.device(device))
    return dict(rows=rows, columns=columns, seconds=medians(seconds), luminet_over_kd=ratio(seconds, 'luminet', 'kd'))


if __name__ == '__main__':
    main()
