"""What these tests train on, and the runs that nothing disturbed."""

import pytest

from tests import runs, tiny
from tools import train


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    return tiny.write_coco(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='session')
def uninterrupted(data, tmp_path_factory):
    """A function from settings of `tiny.runner_cfg` to the work dir of a whole run, trained once."""
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
