"""A fingerprint changes with what decides a run's outcome, and with nothing else."""

import pytest
from mmengine.config import Config

from luminet_det.fingerprint import fingerprint

CFG = dict(optimizer=dict(lr=1, betas=(0.9, 0.95)), hooks=[dict(type='A')])


@pytest.mark.parametrize(
    'other',
    [
        dict(optimizer=dict(lr=1.0, betas=[0.9, 0.95]), hooks=[dict(type='A')]),
        dict(hooks=[dict(type='A')], optimizer=dict(betas=(0.9, 0.95), lr=1)),
    ],
    ids=['1.0 and a list', 'another order'],
)
def test_ways_to_write_the_same_have_one(other):
    assert fingerprint(Config(CFG), 0, ['--amp']) == fingerprint(Config(other), 0, ['--amp'])


@pytest.mark.parametrize('more', [(1, ['--amp']), (0, [])], ids=['seed', 'flags'])
def test_another_seed_or_flag_has_another(more):
    assert fingerprint(Config(CFG), 0, ['--amp']) != fingerprint(Config(CFG), *more)


def test_another_value_has_another():
    assert fingerprint(Config(CFG)) != fingerprint(Config(dict(CFG, optimizer=dict(lr=1.5, betas=(0.9, 0.95)))))
