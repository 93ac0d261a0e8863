"""``mmcv._ext`` on torchvision, where no compiled mmcv is installed.

mmdet imports ``mmcv.ops``, which imports the compiled module ``mmcv._ext``. mmcv-lite has the first but not the
second. ``install`` provides a module of that name, with the ops that mmdet's box and mask detectors call; mmcv's own
autograd functions on top of them stay as they are. Any other op raises an error when it is called.
"""

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType

import torch
import torchvision

from luminet_det.compat import deform_conv, focal_loss, nms, roi_align, roi_pool

NAME = 'mmcv._ext'

OPS = (
    nms.nms,
    nms.softnms,
    nms.nms_match,
    roi_align.roi_align_forward,
    roi_align.roi_align_backward,
    roi_pool.roi_pool_forward,
    roi_pool.roi_pool_backward,
    deform_conv.deform_conv_forward,
    deform_conv.deform_conv_backward_input,
    deform_conv.deform_conv_backward_parameters,
    deform_conv.modulated_deform_conv_forward,
    deform_conv.modulated_deform_conv_backward,
    focal_loss.sigmoid_focal_loss_forward,
    focal_loss.sigmoid_focal_loss_backward,
    focal_loss.softmax_focal_loss_forward,
    focal_loss.softmax_focal_loss_backward,
)


def install() -> None:
    """Make ``mmcv._ext`` importable if it is not; call before ``mmcv.ops`` or mmdet is imported.

    Does nothing where a compiled mmcv is installed, nor when called again.

    Raises:
        ImportError: there is no mmcv of any kind.
    """
    if NAME in sys.modules:
        return
    try:
        compiled = importlib.util.find_spec(NAME)
    except ModuleNotFoundError as error:
        if error.name != 'mmcv':
            raise
        raise ImportError(NO_MMCV) from error
    if compiled is None:
        spec = ModuleSpec(NAME, _Loader(), origin=__name__)
        module = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = module
        spec.loader.exec_module(module)
        sys.modules['mmcv']._ext = module


class _Loader(importlib.abc.Loader):
    """Fills the stand-in module; mmcv's ``check_ops_exist`` looks for a spec with a loader."""

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = __doc__
        module.__getattr__ = _missing_op
        module.get_compiler_version = _compiler_version
        module.get_compiling_cuda_version = _cuda_version
        for op in OPS:
            setattr(module, op.__name__, op)


def _missing_op(name: str) -> Callable:
    """An op that raises when called: ``mmcv.ops`` asserts, on import, that all of its ops exist."""
    if name.startswith('_'):
        # Python itself asks modules for names such as __path__ or __wrapped__; those are not ops.
        raise AttributeError(f'module {NAME!r} has no attribute {name!r}')

    def op(*args: object, **kwargs: object) -> None:
        raise NotImplementedError(NO_SUCH_OP.format(name=name, torch=torch.__version__))

    op.__name__ = op.__qualname__ = name
    return op


def _compiler_version() -> str:
    """The line that ``collect_env`` prints as mmcv's compiler."""
    return f'none (ops by luminet_det on torchvision {torchvision.__version__})'


def _cuda_version() -> str:
    """The line that ``collect_env`` prints as mmcv's CUDA: the version that torchvision's kernels were built with."""
    return str(torch.version.cuda or 'not available')


NO_MMCV = (
    "luminet_det needs mmcv and found none. In luminet_det's folder install exactly one of:\n"
    "  pip install '.[lite]'    mmcv-lite, nothing to compile: its ops run on torchvision\n"
    "  pip install '.[mmcv]'    compiled mmcv, where a wheel exists for your torch\n"
    '  pip install onedl-mmcv onedl-mmdetection   forks of mmcv and mmdet, which go together'
)

NO_SUCH_OP = (
    'The mmcv op "{name}" needs compiled mmcv. Found: mmcv without mmcv._ext, for which luminet_det '
    'provides only ops that run on torchvision; "{name}" is not among them. Either change the config line that '
    'uses it, or install compiled mmcv: mmcv 2.1.0 has no wheel for torch {torch}, so build it from source, or '
    'use the forks onedl-mmcv and onedl-mmdetection, which go together.'
)
