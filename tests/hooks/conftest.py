"""The dataset of these tests, and uninterrupted runs to compare with."""

import pytest

from tests import runs, tiny
from tools import train


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    return tiny.write_coco(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='session')
def uninterrupted(data, tmp_path_factory):
    """Trains an uninterrupted run, once for each set of `tiny.runner_cfg` settings, and returns its work dir."""
    done = {}

    def run(**settings):
        if (key := repr(sorted(settings.items()))) not in done:
            folder = tmp_path_factory.mktemp('whole')
            config = runs.tiny_config(folder / 'tiny.py', data, **settings)
            finished = runs.run(train.main, [config, '--work-dir', folder / 'work'], folder)
            assert finished.code == 0, finished.text
            done[key] = folder / 'work'
        return done[key]

    return run
