"""Information about the run comes from the Runner that is training, not from the one built last."""

import pytest
from mmengine.logging import MessageHub

from luminet_det.distillation.running import run_info
from tests import pairs, tiny
from tests.learner import NECK


@pytest.fixture
def hubs():
    """The message hubs of a Runner that is training, and of one that was built later."""
    names = ('trains', 'built_later')
    first, second = (MessageHub.get_instance(f'test_running_{name}') for name in names)
    first.update_info_dict(dict(loop_stage='train', iter=7))
    yield first, second
    for name in names:
        MessageHub._instance_dict.pop(f'test_running_{name}')


def test_a_runner_built_later_does_not_answer(hubs):
    assert run_info('iter') == 7
    hubs[1].update_info('iter', 0)
    assert run_info('iter') == 7
    hubs[0].pop_info('loop_stage')
    assert run_info('iter') is None


def test_what_losses_learn_is_saved_by_the_run_that_trains_them(hubs, tmp_path):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', tiny.faster_rcnn(neck_channels=24, base_channels=16))
    model = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, NECK))
    model.active_terms()
    saved = [model.adaptors.kept_as in hub.runtime_info for hub in hubs]
    assert saved == [True, False]
