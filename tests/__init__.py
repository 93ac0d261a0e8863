"""Tests; the package comes first, since it makes mmdet importable without compiled mmcv."""

import os

# Read by torch as it is imported. With compiler threads of a test before it, a forked run would wait for them for ever.
os.environ['TORCHINDUCTOR_COMPILE_THREADS'] = '1'

import luminet_det  # noqa: F401
