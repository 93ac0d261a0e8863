"""Fixtures that several folders share."""

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope

import luminet_det  # noqa: F401  (makes mmdet importable without compiled mmcv)

# Networks this thin are faster on one thread, especially on a shared machine.
torch.set_num_threads(1)
# The first backward pass decides whether autograd starts threads, which a forked run could not use. Now it starts none;
# once torch.compile has been loaded, it would.
torch.zeros(1, requires_grad=True).sum().backward()


def pytest_collection_modifyitems(items):
    """Skip the tests marked `gpu` if there is no GPU."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker('gpu'):
                item.add_marker(pytest.mark.skip(reason='needs a GPU and LUMINET_DET_TEST_GPU=1'))


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Remove the default scope and message hub that a Runner leaves behind, and that the next test would use."""
    kept = {manager: dict(manager._instance_dict) for manager in (DefaultScope, MessageHub)}
    yield
    for manager, instances in kept.items():
        manager._instance_dict.clear()
        manager._instance_dict.update(instances)


@pytest.fixture(scope='session')
def teacher(tmp_path_factory) -> dict:
    """A `teacher=` setting: Faster R-CNN, wider than the student, on the tiny classes."""
    from tests import pairs, tiny

    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    return pairs.save_teacher(path, tiny.faster_rcnn(base_channels=16, neck_channels=24, fc_channels=48))
