"""Knowledge distillation for MMDetection: a small detector learns from a large, frozen one."""

from luminet_det import compat
from luminet_det.version import __version__

compat.apply()

__all__ = ['__version__']
