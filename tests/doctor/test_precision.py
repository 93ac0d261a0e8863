"""The doctor tries each precision on the device, and reports those that it cannot do."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper

from luminet_det.distillation.teacher import Teacher
from luminet_det.doctor import precision

CPU = torch.device('cpu')


def levels(kind, *dtypes):
    cfg = Config(dict(optim_wrapper=dict(type=kind)))
    teachers = [Teacher(dict(type='FasterRCNN'), dtype=dtype) for dtype in dtypes]
    return [(finding.level, finding.found) for finding in precision.check(cfg, teachers, CPU)]


@pytest.fixture(autouse=True)
def bf16(monkeypatch):
    """What torch reports of a CPU with bfloat16 instructions; a test may change it."""
    capabilities = dict(architecture='x86_64', avx512_bf16=True, amx_bf16=False)
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: capabilities, raising=False)
    return capabilities


def test_a_cpu_that_only_emulates_bfloat16_is_warned_of(bf16):
    bf16['avx512_bf16'] = False
    (level, found), (other_level, other), ok = levels('CpuAmpOptimWrapper', 'bf16')
    assert (level, other_level, ok[0]) == ('WARN', 'WARN', 'OK')
    assert found == "teacher.dtype='bf16': this CPU only emulates bfloat16, which takes longer than float32"
    assert other.startswith('optim_wrapper: ')


def test_what_works_is_named():
    assert levels('OptimWrapper') == [('OK', 'float32 throughout')]
    assert levels('CpuAmpOptimWrapper', 'bf16') == [
        ('OK', "teacher.dtype='bf16' on this CPU, optim_wrapper on this CPU")
    ]


# A config of pure Python has the class itself.
@pytest.mark.parametrize('kind', ['AmpOptimWrapper', AmpOptimWrapper], ids=['name', 'class'])
def test_amp_needs_a_gpu(kind):
    ((level, found),) = levels(kind)
    assert level == 'FAIL'
    assert 'does not run on a CPU' in found


@pytest.mark.parametrize('works', [True, False])
def test_a_dtype_without_kernels_is_refused(monkeypatch, works):
    def conv2d(*args, **kwargs):
        raise RuntimeError('not implemented for BFloat16')

    if not works:
        monkeypatch.setattr(torch.nn.functional, 'conv2d', conv2d)
    ((level, found),) = levels('OptimWrapper', 'bf16')
    assert (level == 'OK') == works
    assert works or 'cannot do torch.bfloat16: not implemented for BFloat16' in found
