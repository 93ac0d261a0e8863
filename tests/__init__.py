"""The tests run on the CPU, even on a machine with a GPU; `make test-gpu` runs those marked `gpu` on the GPU.

luminet_det is imported first, since it makes mmdet importable without compiled mmcv.
"""

import os

GPU_ASKED = os.environ.get('LUMINET_DET_TEST_GPU') == '1'
if not GPU_ASKED:
    # Set before anything looks for a GPU. Most tests fork, and a child of a process that uses a GPU cannot use it.
    os.environ['CUDA_VISIBLE_DEVICES'] = ''

# torch reads this when it is imported. With more threads, a forked run could wait forever for those of its parent.
os.environ['TORCHINDUCTOR_COMPILE_THREADS'] = '1'

import luminet_det  # noqa: E402, F401
