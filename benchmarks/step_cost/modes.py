"""The effect of each setting of a run on the time and the memory of a distilling step."""

from collections.abc import Callable
from copy import deepcopy

import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper

from benchmarks.step_cost.measure import interleaved, peak, ratio, weight_bytes
from benchmarks.step_cost.pair import Pair


class Step:
    """A distilling step, including the optimiser's, in one mode.

    Args:
        pair: What it trains on.
        detector: The student, with its teachers built.
        amp: Dtype of autocast, None for none.
        accumulate: Into how many parts the images are split, whose gradients are accumulated.
        ema: Whether a moving average of the weights is updated.
    """

    def __init__(self, pair: Pair, detector, amp: torch.dtype | None = None, accumulate: int = 1, ema: bool = False):
        self.pair, self.detector, self.amp, self.accumulate = pair, detector, amp, accumulate
        # Nothing is learned, so every repetition has the same losses.
        optimizer = torch.optim.SGD(detector.parameters(), lr=0.0, momentum=0.9)
        self.wrapper = OptimWrapper(optimizer, accumulative_counts=accumulate)
        self.wrapper.initialize_count_status(detector, 0, 10**9)
        self.average = ExponentialMovingAverage(detector) if ema else None

    def __call__(self) -> None:
        images = len(self.pair.data['inputs']) // self.accumulate
        for part in range(self.accumulate):
            rows = slice(part * images, (part + 1) * images)
            with torch.autocast(self.pair.device.type, dtype=self.amp, enabled=self.amp is not None):
                loss = self.pair.losses(self.detector, rows)
            self.wrapper.update_params(loss)
        if self.average:
            self.average.update_parameters(self.detector)

    def memory(self) -> int:
        """Peak bytes of a step with the weights that it needs."""
        models = [self.detector, *(teacher.model for teacher in self.detector.teachers)]
        averages = [self.average.module] if self.average else []
        return peak(self, self.pair.device) + weight_bytes(*models, *averages)


def steps(pair: Pair, compiled: bool) -> dict[str, Step]:
    """A step of each mode; `compiled` adds those that need a C++ compiler or a GPU."""
    classes = deepcopy(pair.teacher)
    classes['roi_head']['bbox_head']['num_classes'] = 80
    made = {
        'default': Step(pair, pair.build()),
        'amp bf16': Step(pair, pair.build(), amp=torch.bfloat16),
        'teacher.dtype bf16': Step(pair, pair.build(dtype='bf16')),
        'teacher.channels_last': Step(pair, pair.build(channels_last=True)),
        'teacher.fuse_conv_bn': Step(pair, pair.build(fuse_conv_bn=True)),
        'teacher and student channels-last': Step(
            pair, pair.build(channels_last=True).to(memory_format=torch.channels_last)
        ),
        'EMAHook': Step(pair, pair.build(), ema=True),
        'accumulation': Step(pair, pair.build(), accumulate=2),
        'checkpointing': Step(pair, pair.build(dict(with_cp=True))),
        'ensemble of 2': Step(pair, pair.build(copies=2)),
        'class map': Step(pair, pair.build(teacher=classes)),
    }
    if compiled:
        made['teacher.compile'] = Step(pair, pair.build(compile=True))
        student = pair.build()
        student.backbone.compile()
        made["student's backbone compiled"] = Step(pair, student)
    return made


def measured(pair: Pair, repeats: int, compiled: bool) -> dict[str, dict]:
    """By mode, the ratio of its step to the default one, in time and in peak memory."""
    made: dict[str, Callable] = steps(pair, compiled)
    seconds = interleaved(made, repeats, pair.device)
    default = made['default'].memory()
    return {
        name: dict(time=ratio(seconds[name], seconds['default']), memory=round(step.memory() / default, 4))
        for name, step in made.items()
        if name != 'default'
    }
