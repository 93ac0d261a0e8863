"""Teachers and a dataset, made once for all modes."""

import pytest

from tests import tiny
from tests.modes import students


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    return tiny.write_coco(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='session')
def saved(tmp_path_factory):
    """A function that returns, for a kind of student, the `teacher=` setting of a wider detector of that kind."""
    folder, made = tmp_path_factory.mktemp('teachers'), {}

    def save(kind: str) -> dict:
        if kind not in made:
            made[kind] = students.save_teacher(folder / f'{kind}.pth', students.plain(kind, base_channels=16))
        return made[kind]

    return save


@pytest.fixture(scope='session')
def distilling(saved):
    """A function that returns the model config of a kind of student, with these settings of its teacher."""
    return lambda kind, **settings: students.distilling(kind, dict(saved(kind), **settings))


@pytest.fixture(params=students.DISTILLERS)
def kind(request) -> str:
    return request.param
