"""Backbones for mmdet detectors, and whether a neck fits them."""

from luminet_det.backbones.neck_fit import check_neck, explain_neck
from luminet_det.backbones.timm_backbone import TimmBackbone

__all__ = ['TimmBackbone', 'check_neck', 'explain_neck']
