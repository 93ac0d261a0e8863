"""Distillation losses: pure maths on tensors, torch and torchvision only."""

from .at import ATLoss
from .crd import CRDLoss
from .cwd import CWDLoss
from .dist import DISTLoss
from .dkd import DKDLoss
from .fcfd import FCFDLoss
from .fcfd_det import FCFDDetLoss
from .fgd import FGDLoss
from .fgfi import FGFILoss
from .fitnet import FitNetLoss
from .kd import KDLoss
from .lskd import LSKDLoss
from .luminet import LumiNetLoss, perception
from .mcld import MCLDLoss
from .mgd import MGDLoss
from .mlld import MLLDLoss
from .ofd import OFDLoss
from .pkd import PKDLoss
from .reviewkd import ReviewKDLoss
from .rkd import RKDLoss
from .sp import SPLoss

__all__ = [
    'ATLoss',
    'CRDLoss',
    'CWDLoss',
    'DISTLoss',
    'DKDLoss',
    'FCFDDetLoss',
    'FCFDLoss',
    'FGDLoss',
    'FGFILoss',
    'FitNetLoss',
    'KDLoss',
    'LSKDLoss',
    'LumiNetLoss',
    'MCLDLoss',
    'MGDLoss',
    'MLLDLoss',
    'OFDLoss',
    'PKDLoss',
    'RKDLoss',
    'ReviewKDLoss',
    'SPLoss',
    'perception',
]
