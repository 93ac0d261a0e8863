"""Packages older than the minimum are refused; those newer than the newest tested give a warning."""

import importlib.metadata

import pytest

from luminet_det.compat import versions
from luminet_det.version import PLATFORM


@pytest.fixture
def install(monkeypatch):
    """A function that pretends that the newest tested versions are installed, except `changes`; None: not installed."""

    def pretend(**changes):
        have = {name: tested for name, (_, tested) in PLATFORM.items()}
        have |= {name.replace('_', '-'): number for name, number in changes.items()}

        def version(name):
            if have.get(name) is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return have[name]

        monkeypatch.setattr(versions, 'version', version)

    return pretend


def test_what_was_tested_passes_silently(install, recwarn):
    install()
    versions.check()
    assert not recwarn


@pytest.mark.parametrize('name', PLATFORM)
def test_below_the_minimum_is_refused_with_the_line_that_installs_it(install, name):
    install(**{name: '0.0.1'})
    with pytest.raises(ImportError, match=rf'needs {name}>={PLATFORM[name][0]}, but {name} 0\.0\.1 .* pip install '):
        versions.check()


def test_of_distributions_that_share_a_name_the_one_that_is_there_is_renewed(install):
    """Not mmcv itself, which would have to be compiled."""
    install(mmcv=None, mmcv_lite='2.0.0')
    with pytest.raises(ImportError, match=r"mmcv-lite 2\.0\.0 is installed. Install it: pip install 'mmcv-lite>="):
        versions.check()


def test_a_missing_package_is_refused_with_the_line_that_installs_it(install):
    install(mmdet=None)
    with pytest.raises(ImportError, match=r"needs mmdet>=.*not installed. Install it: pip install 'mmdet>="):
        versions.check()


@pytest.mark.parametrize('number', ['99.0', '99.0+cu130'])
def test_above_the_newest_tested_warns_and_goes_on(install, number):
    install(torch=number)
    with pytest.warns(UserWarning, match=r"torch 99\.0.* is newer than .*pip install 'torch=="):
        versions.check()


def test_a_local_build_of_the_newest_tested_is_not_newer(install, recwarn):
    install(torch=PLATFORM['torch'][1] + '+cu130')
    versions.check()
    assert not recwarn


def test_a_fork_stands_in_for_the_package(install, recwarn):
    install(mmdet=None, onedl_mmdetection=PLATFORM['mmdet'][1], mmcv=None, mmcv_lite='2.1.0')
    versions.check()
    assert not recwarn


def test_two_distributions_of_one_import_name_are_reported(install):
    install(mmcv='2.1.0', mmcv_lite='2.1.0')
    with pytest.warns(UserWarning, match='mmcv and mmcv-lite are both installed and overwrite each other'):
        versions.check()
