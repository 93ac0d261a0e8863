"""Tests: on the CPU, also beside a GPU; those marked `gpu` on one, by `make test-gpu`.

The package comes first, since it makes mmdet importable without compiled mmcv.
"""

import os

GPU_ASKED = os.environ.get('LUMINET_DET_TEST_GPU') == '1'
if not GPU_ASKED:
    # Before anything looks for one. Most tests fork, and what is forked beside a GPU in use cannot use it.
    os.environ['CUDA_VISIBLE_DEVICES'] = ''

# Read by torch as it is imported. With compiler threads of a test before it, a forked run would wait for them for ever.
os.environ['TORCHINDUCTOR_COMPILE_THREADS'] = '1'

import luminet_det  # noqa: E402, F401
