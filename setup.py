"""Metadata of the luminet_det package; tool settings live in pyproject.toml."""

import sysconfig
from importlib.metadata import distributions
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = {}
exec((HERE / 'luminet_det' / 'version.py').read_text(), VERSION)
# The onedl-* forks share the import names of OpenMMLab's packages, and pip would install one over the other.
# Where a fork is installed, it is what we need; pip's isolated build still sees the environment it builds for.
FORKS = {'mmengine': 'onedl-mmengine', 'mmdet': 'onedl-mmdetection'}
INSTALLED = {d.metadata['Name'].lower() for d in distributions(path=[sysconfig.get_path('purelib')])}
OPENMMLAB = {'mmengine': 'mmengine>=0.10.3', 'mmdet': 'mmdet>=3.2.0'}

setup(
    name='luminet_det',
    version=VERSION['__version__'],
    description='Knowledge distillation for MMDetection: a small detector trained beside a frozen big one',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['luminet_det', 'luminet_det.*']),
    # `.mim` links to configs/ and tools/: `luminet_det::coco/...` and `python -m luminet_det train` work after a wheel
    # install as well.
    package_data={'luminet_det': ['py.typed', *(f'.mim/**/*.{kind}' for kind in ('py', 'sh', 'yml', 'md'))]},
    install_requires=[
        'torch>=2.5',
        'torchvision>=0.20',
        *(requirement for name, requirement in OPENMMLAB.items() if FORKS[name] not in INSTALLED),
        'packaging>=21',
        'pycocotools>=2.0.7',
        # mmengine 0.10.7 imports pkg_resources, which setuptools 81 dropped.
        'setuptools<81',
    ],
    # mmcv has several distributions with one import name; the user chooses exactly one of them.
    extras_require={
        'lite': ['mmcv-lite>=2.0.1,<2.2.0'],
        'mmcv': ['mmcv>=2.0.1,<2.2.0'],
        'quickstart': ['scikit-learn>=1.3', 'matplotlib>=3.7'],
        'timm': ['timm>=1.0.16'],
        'dev': ['pytest>=8', 'pytest-xdist>=3.6', 'hypothesis>=6', 'ruff>=0.9', 'timm>=1.0.16'],
    },
)
