"""EMAHook: the average follows its definition, and contains the student alone."""

import pytest
import torch

from tests import pairs, runs
from tests.modes import students
from tools import train

MOMENTUM = 0.25


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory, data, distilling):
    """The checkpoints after each of three steps."""
    folder = tmp_path_factory.mktemp('ema')
    hooks = [dict(type='EMAHook', momentum=MOMENTUM, update_buffers=True)]
    config = runs.tiny_config(
        folder / 'ema.py',
        data,
        distilling('two_stage'),
        custom_hooks=hooks,
        max_iters=3,
        checkpoint_interval=1,
    )
    finished = runs.run(train.main, [config, '--work-dir', folder / 'work'], folder)
    assert finished.code == 0, finished.text
    return [torch.load(folder / 'work' / f'iter_{i}.pth') for i in (1, 2, 3)]


def test_its_weights_are_the_running_average_of_the_students(checkpoints):
    # mmengine saves the average as `state_dict`, for deployment, and the weights in training as `ema_state_dict`.
    averages = [saved['state_dict'] for saved in checkpoints]
    weights = [saved['ema_state_dict'] for saved in checkpoints]
    name = 'roi_head.bbox_head.fc_cls.weight'
    assert not torch.equal(weights[1][f'module.{name}'], weights[2][f'module.{name}'])
    for before, after, student in zip(averages, averages[1:], weights[1:], strict=False):
        for name, value in after.items():
            if value.is_floating_point():
                expected = (1 - MOMENTUM) * before[name] + MOMENTUM * student[f'module.{name}']
                torch.testing.assert_close(value, expected)


def test_it_contains_the_student_and_nothing_else(checkpoints):
    student = set(pairs.build(students.plain('two_stage')).state_dict())
    for saved in checkpoints:
        assert set(saved['state_dict']) == student
        assert set(saved['ema_state_dict']) == {'steps', *(f'module.{name}' for name in student)}
