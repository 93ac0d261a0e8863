"""Every mode trains with tools/train.py, and resumes with the losses and weights of an uninterrupted run."""

import pytest
import torch

from tests import runs
from tests.modes import students
from tools import train

EMA = dict(custom_hooks=[dict(type='EMAHook', momentum=0.25)])
# Settings of the teacher, of the student's backbone, and of the run; flags of tools/train.py.
MODES = {
    'amp': ({}, {}, {}, ['--amp']),
    'bf16 teacher': (dict(dtype='bf16'), {}, {}, []),
    'channels-last teacher': (dict(channels_last=True), {}, {}, []),
    'fused teacher': (dict(fuse_conv_bn=True), {}, {}, []),
    'compiled teacher': (dict(compile=dict(backend='eager')), {}, {}, []),
    'ema': ({}, {}, EMA, []),
    'accumulation': ({}, {}, {'optim_wrapper.accumulative_counts': 2}, []),
    'checkpointing': ({}, dict(with_cp=True), {}, []),
    'ensemble': (2, {}, {}, []),
    'all': (
        dict(dtype='bf16', channels_last=True, batch_size=1, fuse_conv_bn=True),
        dict(with_cp=True),
        {'optim_wrapper.accumulative_counts': 2, **EMA},
        ['--amp'],
    ),
}


@pytest.mark.parametrize(
    ('kind', 'mode'), [*(('two_stage', mode) for mode in MODES), ('single_stage', 'amp'), ('single_stage', 'all')]
)
def test_after_a_resume_losses_and_weights_are_those_of_the_uninterrupted_run(tmp_path, data, saved, kind, mode):
    of_teacher, of_backbone, of_run, flags = MODES[mode]
    teacher = [saved(kind)] * 2 if of_teacher == 2 else dict(saved(kind), **of_teacher)
    model = students.distilling(kind, teacher)
    model['backbone'] |= of_backbone
    config = runs.tiny_config(tmp_path / 'c.py', data, model, val=False, checkpoint_interval=2, **of_run)
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    for work, more in ((whole, []), (resumed, ['--resume', whole / 'iter_2.pth'])):
        finished = runs.run(train.main, [config, '--work-dir', work, *flags, *more], tmp_path)
        assert finished.code == 0, finished.text
    assert 'resumed key' not in finished.text
    for name in ('loss', *students.LOSSES):
        expected, found = runs.scalars(whole, name), runs.scalars(resumed, name)
        assert sorted(expected) == [1, 2, 3, 4]
        assert found == {i: expected[i] for i in (3, 4)}
        assert all(0 < loss < 1e3 for loss in expected.values())
    before, after, again = (torch.load(p) for p in (whole / 'iter_2.pth', whole / 'iter_4.pth', resumed / 'iter_4.pth'))
    for part in {'state_dict', 'ema_state_dict'} & after.keys():
        assert all(torch.equal(value, again[part][name]) for name, value in after[part].items())
    name = next(name for name in after['state_dict'] if 'cls.weight' in name)
    assert not torch.equal(before['state_dict'][name], after['state_dict'][name])


def test_a_stop_between_accumulated_steps_loses_a_gradient_and_says_so(tmp_path, data, distilling):
    config = runs.tiny_config(
        tmp_path / 'c.py',
        data,
        distilling('two_stage'),
        val=False,
        max_iters=2,
        checkpoint_interval=1,
        **{'optim_wrapper.accumulative_counts': 2},
    )
    runs.run(train.main, [config, '--work-dir', tmp_path / 'work'], tmp_path)
    flags = ['--work-dir', tmp_path / 'again', '--resume', tmp_path / 'work' / 'iter_1.pth']
    finished = runs.run(train.main, [config, *flags], tmp_path)
    assert finished.code == 0, finished.text
    assert 'not divisible' in finished.text
