"""What the doctor says of learning rates: for how many images they are meant, and for which parameters."""

import pytest
import torch
from mmengine.config import Config
from torch import nn

from luminet_det.doctor import model

PLACE = 'optim_wrapper.paramwise_cfg.custom_keys'


def found(gpus=0, size=2, accumulative_counts=1, **scaling):
    cfg = Config(
        dict(
            optim_wrapper=dict(
                type='OptimWrapper', optimizer=dict(type='SGD', lr=0.02), accumulative_counts=accumulative_counts
            ),
            train_dataloader=dict(batch_size=size),
            auto_scale_lr=scaling,
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, 'device_count', lambda: gpus)
        (finding,) = model.check_optimizer(nn.Linear(1, 1), cfg)
    return finding.level, finding.found, finding.change


@pytest.mark.parametrize(
    'settings',
    [
        dict(size=16, base_batch_size=16),
        dict(gpus=8, base_batch_size=16),
        dict(accumulative_counts=8, base_batch_size=16),
        dict(enable=True, base_batch_size=16),
        dict(),
    ],
)
def test_a_learning_rate_for_as_many_images_is_right(settings):
    level, told, _ = found(**settings)
    assert (level, told) == ('OK', 'SGD, learning rate 0.02')


def test_one_for_more_images_is_warned_of_with_the_rate_that_fits():
    level, told, change = found(enable=False, base_batch_size=16)
    assert level == 'WARN'
    assert told == 'learning rate 0.02 is meant for 16 images per iteration, but there are 2, in one process'
    assert change == 'train with --auto-scale-lr, or set optim_wrapper.optimizer.lr = 0.0025'
    assert found(gpus=4, base_batch_size=16)[1].endswith('here are 8 on 4 GPUs')


@pytest.mark.parametrize('enable', [False, True])
def test_where_iterations_are_accumulated_the_flag_that_does_not_count_them_is_not_advised(enable):
    level, _, change = found(accumulative_counts=2, base_batch_size=16, enable=enable)
    assert level == 'WARN'
    assert change.startswith('without --auto-scale-lr, which does not count accumulative_counts=2, set ')
    assert change.endswith('lr = 0.005')


def test_a_custom_key_in_the_name_of_no_parameter_is_warned_of():
    wrapper = dict(
        optimizer=dict(type='SGD', lr=0.02),
        paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1), 'bakbone': {}, 'norm': {}}),
    )
    student = nn.ModuleDict(dict(backbone=nn.Conv2d(1, 1, 1)))
    first, *others = model.check_optimizer(student, Config(dict(optim_wrapper=wrapper, train_dataloader=dict())))
    assert first.level == 'OK'
    assert [(finding.level, finding.found, finding.change) for finding in others] == [
        ('WARN', f"'{key}' of custom_keys is in the name of no parameter.{hint}", f'{PLACE}.{key}')
        for key, hint in {'bakbone': " Did you mean 'backbone'?", 'norm': ''}.items()
    ]
