"""Distillation losses: pure maths on tensors, torch only."""

from .dkd import DKDLoss
from .kd import KDLoss
from .luminet import LumiNetLoss, perception
from .pkd import PKDLoss

__all__ = ['DKDLoss', 'KDLoss', 'LumiNetLoss', 'PKDLoss', 'perception']
