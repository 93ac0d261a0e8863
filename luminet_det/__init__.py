"""Knowledge distillation for MMDetection: a small detector trained beside a frozen big one."""

from luminet_det import compat
from luminet_det.version import __version__

compat.apply()

__all__ = ['__version__']
