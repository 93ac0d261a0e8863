"""What is installed: the configs are included, and no stock package is installed over its fork."""

import importlib.metadata
import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import luminet_det
from luminet_det.version import PLATFORM

ROOT = Path(__file__).parents[1]
FOLDERS = ('benchmarks', 'configs', 'docs', 'luminet_det', 'tests', 'tools')
FILES = (
    'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'MANIFEST.in', 'Makefile', 'README.md', 'constraints.txt',
    'pyproject.toml', 'setup.py',
)  # fmt: skip
CONFIGS = {f'luminet_det/.mim/{path.relative_to(ROOT)}' for path in (ROOT / 'configs').rglob('*.*') if path.is_file()}
CONFIGS = {name for name in CONFIGS if name.endswith(('.py', '.yml', '.md'))}
TOOLS = {f'luminet_det/.mim/tools/{path.name}' for path in (ROOT / 'tools').glob('*.*')}
INSTALLED = {found.metadata['Name'].lower(): found for found in importlib.metadata.distributions()}


@pytest.fixture
def metadata(monkeypatch):
    """Returns a function: the arguments of `setup()` in an environment with these distributions."""

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
        'torch', 'torchvision', 'mmengine', 'mmdet', 'packaging', 'pycocotools', 'setuptools'
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


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """A copy of the repository, since building leaves files behind."""
    folder = tmp_path_factory.mktemp('source')
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns('__pycache__'))
    return folder


@pytest.fixture(scope='module')
def sdist(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp('sdist')
    build = f'from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})'
    present = {str(path.relative_to(source)) for path in source.rglob('*') if path.is_file()}
    call(sys.executable, '-c', build, cwd=source)
    (archive,) = folder.glob('*.tar.gz')
    return archive, present


def call(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_source_distribution_holds_what_the_repository_holds(sdist):
    archive, present = sdist
    with tarfile.open(archive) as file:
        found = {name.partition('/')[2] for name in file.getnames()}
    assert {'tests/tiny.py', 'tools/dist_train.sh', 'benchmarks/results/dense_grid.md'} <= present
    assert present <= found
    assert found >= CONFIGS


needs_wheel = pytest.mark.skipif(
    Version(setuptools.__version__) < Version('70.1') and importlib.util.find_spec('wheel') is None,
    reason='setuptools before 70.1 builds no wheel without the package wheel',
)


@pytest.fixture(scope='module')
def wheel(sdist, tmp_path_factory):
    folder = tmp_path_factory.mktemp('wheel')
    offline = ['--no-deps', '--no-build-isolation', '--no-index', '--disable-pip-version-check']
    call(sys.executable, '-m', 'pip', 'wheel', *offline, '--wheel-dir', str(folder), str(sdist[0]))
    (path,) = folder.glob('*.whl')
    return path


@needs_wheel
def test_a_wheel_holds_the_configs_where_the_zoo_names_find_them(wheel):
    with zipfile.ZipFile(wheel) as file:
        found = {name for name in file.namelist() if '.dist-info/' not in name}
    assert CONFIGS | TOOLS | {'luminet_det/.mim/model-index.yml', 'luminet_det/py.typed'} <= found
    assert all(name.startswith('luminet_det/') for name in found)


@needs_wheel
def test_an_installed_wheel_has_the_tools(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / 'site')
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    environment['PYTHONPATH'] = str(tmp_path / 'site')

    def tool(*words):
        return call(sys.executable, '-m', 'luminet_det', *words, cwd=tmp_path, env=environment)

    told = tool('browse_config', 'luminet_det::coco/kd_r18-faster-rcnn-r101_fpn_1x_coco.py')
    assert "type='luminet_det.KDLoss'" in told
    with pytest.raises(AssertionError, match=r'TOOL is one of analyze, browse_config, compare, .*, train_chain'):
        tool('results')


def test_the_constraints_pin_every_requirement_exactly(metadata):
    pinned = names(re.findall(r'^[\w-]+==.*', (ROOT / 'constraints.txt').read_text(), re.M))
    found = metadata()
    wanted = names([*found['install_requires'], *found['extras_require']['lite'], *found['extras_require']['dev']])
    assert wanted <= pinned


def test_a_pin_that_python_3_10_cannot_install_has_a_marker():
    """On Python 3.10, pip then takes the newest release that supports it."""
    lines = (ROOT / 'constraints.txt').read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith('#')]
    checked = 0
    for pin in pins:
        if pin.name in INSTALLED and pin.specifier.contains(INSTALLED[pin.name].version):
            needed = SpecifierSet(INSTALLED[pin.name].metadata['Requires-Python'] or '')
            applies = pin.marker is None or pin.marker.evaluate(dict(python_version='3.10'))
            assert '3.10' in needed or not applies, f'{pin.name} needs Python {needed}'
            checked += 1
    assert checked
