"""Checks the platform's versions: an error below the minimum, a warning above the newest one tested."""

import warnings
from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

from luminet_det.version import PLATFORM

# Distributions that share an import name. The onedl-* forks of OpenMMLab's packages are drop-in replacements.
DISTRIBUTIONS = {
    'torch': ('torch',),
    'torchvision': ('torchvision',),
    'mmengine': ('mmengine', 'onedl-mmengine', 'mmengine-lite'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'mmcv': ('mmcv', 'mmcv-lite', 'onedl-mmcv'),
}


def check() -> None:
    """Compare what is installed with `luminet_det.version.PLATFORM`.

    Raises:
        ImportError: A package is missing or older than the minimum; the message has the line that installs it.

    Warns:
        UserWarning: A package is newer than the newest tested, or two distributions own one import name.
    """
    for name, (minimum, tested) in PLATFORM.items():
        found = installed(DISTRIBUTIONS[name])
        if not found and name == 'mmcv':
            continue  # `mmcv_ops.install` names the choices
        if not found:
            raise ImportError(f'luminet_det needs {name}>={minimum}, which is not installed. {_install(name)}')
        if len(found) > 1:
            warnings.warn(
                f'{" and ".join(found)} are both installed and overwrite each other; keep one: '
                f'pip uninstall {next(iter(found))}',
                stacklevel=3,
            )
        for distribution, number in found.items():
            if Version(number) < Version(minimum):
                raise ImportError(
                    f'luminet_det needs {name}>={minimum}, but {distribution} {number} is installed. '
                    f'{_install(name, distribution)}'
                )
            if Version(Version(number).public) > Version(tested):
                warnings.warn(
                    f'{distribution} {number} is newer than {tested}, the newest that luminet_det was tested with. '
                    f"If something breaks: pip install '{distribution}=={tested}'",
                    stacklevel=3,
                )


def installed(distributions: tuple[str, ...]) -> dict[str, str]:
    """Version of each distribution that is installed."""
    found = {}
    for distribution in distributions:
        try:
            found[distribution] = version(distribution)
        except PackageNotFoundError:
            continue
    return found


def _install(name: str, distribution: str | None = None) -> str:
    minimum, tested = PLATFORM[name]
    return f"Install it: pip install '{distribution or name}>={minimum},<={tested}'"
