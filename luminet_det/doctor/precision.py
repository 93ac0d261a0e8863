"""Tries on the device the precisions that a config sets."""

from collections.abc import Iterator

import torch
from mmengine.config import Config
from torch import nn

from luminet_det.class_name import class_name
from luminet_det.compat.cpu import emulates_bf16
from luminet_det.distillation.teacher import DTYPES
from luminet_det.doctor.findings import FAIL, OK, WARN, Finding
from luminet_det.doctor.platform import device_name


def check(cfg: Config, teachers: list, device: torch.device) -> Iterator[Finding]:
    """Whether the device can do the teachers' `dtype` and the student's mixed precision."""
    wanted = {f'teacher.dtype={teacher.dtype!r}': DTYPES[teacher.dtype] for teacher in teachers if teacher.dtype}
    if amp := amp_dtype(cfg, device):
        wanted['optim_wrapper'] = amp
    kind = class_name(cfg.optim_wrapper)
    if kind == 'AmpOptimWrapper' and device.type == 'cpu':
        yield Finding(
            'precision',
            FAIL,
            'AmpOptimWrapper does not run on a CPU, and no GPU is visible here',
            "optim_wrapper.type = 'CpuAmpOptimWrapper', or run this where the GPUs are",
        )
        wanted.pop('optim_wrapper', None)
    failed = False
    for setting, dtype in wanted.items():
        if error := failure(dtype, device):
            failed = True
            yield Finding(
                'precision', FAIL, f'{setting}: {device_name()} cannot do {dtype}: {error}', f'{setting}: another dtype'
            )
        elif dtype == torch.bfloat16 and device.type == 'cuda' and not torch.cuda.is_bf16_supported(False):
            yield Finding('precision', WARN, f'{setting}: {device_name()} only emulates bfloat16', "dtype='fp16'")
        elif dtype == torch.bfloat16 and device.type == 'cpu' and emulates_bf16():
            yield Finding(
                'precision',
                WARN,
                f'{setting}: {device_name()} only emulates bfloat16, which takes longer than float32',
                "no --amp, optim_wrapper.type = 'OptimWrapper'" if 'wrapper' in setting else 'no dtype',
            )
    if not failed and kind != 'AmpOptimWrapper':
        names = ', '.join(f'{setting} on {device_name()}' for setting in wanted) or 'float32 throughout'
        yield Finding('precision', OK, names)
    elif not failed and wanted and device.type == 'cuda':
        yield Finding('precision', OK, ', '.join(f'{setting} in {dtype}' for setting, dtype in wanted.items()))


def amp_dtype(cfg: Config, device: torch.device) -> torch.dtype | None:
    """The dtype of the student's layers under the config's mixed precision; None without it."""
    kind = class_name(cfg.optim_wrapper)
    if kind == 'CpuAmpOptimWrapper':
        return torch.bfloat16
    if kind == 'AmpOptimWrapper' and device.type != 'cpu':
        return dict(float16=torch.float16, bfloat16=torch.bfloat16).get(cfg.optim_wrapper.get('dtype'), torch.float16)
    return None


def failure(dtype: torch.dtype, device: torch.device) -> str | None:
    """The error of running a few layers in `dtype` on the device, forward and backward; None if there is none."""
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).to(device)
    try:
        with torch.autocast(device.type, dtype=dtype):
            outputs = layers(torch.ones(2, 3, 8, 8, device=device))
        outputs.float().sum().backward()
    except (RuntimeError, ValueError) as error:
        return str(error)
    return None
