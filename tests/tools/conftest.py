"""A dataset, a config and a finished training run, made once for the tests of all tools."""

import pytest

from tests import runs, tiny
from tools import train


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    return tiny.write_coco(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='session')
def config(data, tmp_path_factory):
    return runs.tiny_config(tmp_path_factory.mktemp('configs') / 'tiny.py', data, checkpoint_interval=2)


@pytest.fixture(scope='session')
def trained(config, tmp_path_factory):
    """Folder and output of `train.py CONFIG` without further arguments."""
    folder = tmp_path_factory.mktemp('trained')
    finished = runs.run(train.main, [config], folder)
    assert finished.code == 0, finished.text
    return folder, finished
