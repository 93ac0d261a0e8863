"""What is installed: the configs come along, and no distribution is put over another."""

import importlib.metadata
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import setuptools

import luminet_det
from luminet_det.version import PLATFORM

ROOT = Path(__file__).parents[1]


@pytest.fixture
def metadata(monkeypatch):
    """The arguments of `setup()` in an environment that holds some distributions."""

    def of(*installed):
        caught = {}
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(setuptools, 'setup', caught.update)
        found = [SimpleNamespace(metadata={'Name': name}) for name in installed]
        monkeypatch.setattr(importlib.metadata, 'distributions', lambda **_: found)
        runpy.run_path(str(ROOT / 'setup.py'))
        return caught

    return of


def names(requirements):
    return {re.match(r'[\w-]+', requirement)[0] for requirement in requirements}


def test_mmcv_is_the_users_choice_and_everything_else_comes_along(metadata):
    found = metadata()
    assert names(found['install_requires']) == {
        'torch', 'torchvision', 'mmengine', 'mmdet', 'pycocotools', 'setuptools'
    }  # fmt: skip
    assert 'setuptools<81' in found['install_requires']
    assert names(found['extras_require']['lite']) == {'mmcv-lite'}
    assert names(found['extras_require']['mmcv']) == {'mmcv'}


def test_the_stock_packages_are_not_installed_over_the_forks(metadata):
    found = metadata('onedl-mmengine', 'onedl-mmdetection', 'onedl-mmcv')
    assert not names(found['install_requires']) & {'mmengine', 'mmdet', 'mmcv', 'mmcv-lite'}


def test_the_version_and_the_minimums_stand_in_one_place(metadata):
    found = metadata()
    assert found['version'] == luminet_det.__version__
    for requirement in [*found['install_requires'], *found['extras_require']['lite']]:
        name, _, minimum = re.match(r'([\w-]+)(>=|<)([\d.]+)', requirement).groups()
        name = name.removesuffix('-lite')
        assert name not in PLATFORM or PLATFORM[name][0] == minimum, requirement


def test_the_configs_are_package_data():
    found = {path.name for path in (ROOT / 'luminet_det' / '.mim' / 'configs').rglob('*.py')}
    assert 'luminet_r18-faster-rcnn-r101_fpn_1x_coco.py' in found
    assert 'schedule_180k.py' in found


def test_the_constraints_pin_every_requirement_exactly(metadata):
    pinned = names(re.findall(r'^[\w-]+==.*', (ROOT / 'constraints.txt').read_text(), re.M))
    found = metadata()
    wanted = names([*found['install_requires'], *found['extras_require']['lite'], *found['extras_require']['dev']])
    assert wanted <= pinned
