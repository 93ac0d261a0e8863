"""Versions of the platform, and the device on which the doctor runs."""

import platform
import warnings
from collections.abc import Iterator

import torch

from luminet_det.compat import versions
from luminet_det.doctor.findings import OK, WARN, Finding


def check_versions() -> Iterator[Finding]:
    """What is installed, against what was tested."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        versions.check()
    for warning in caught:
        what, _, change = str(warning.message).partition('; ')
        yield Finding('versions', WARN, what, change)
    if not caught:
        found = [f'{d} {n}' for names in versions.DISTRIBUTIONS.values() for d, n in versions.installed(names).items()]
        yield Finding('versions', OK, ', '.join([f'python {platform.python_version()}', *found]))


def device() -> torch.device:
    """Where the checks run: the first GPU, else the CPU."""
    return torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else 'this CPU'
