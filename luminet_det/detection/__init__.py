"""Detectors that learn from a teacher."""

from luminet_det.detection.single_stage import DistillSingleStageDetector
from luminet_det.detection.two_stage import DistillTwoStageDetector

__all__ = ['DistillSingleStageDetector', 'DistillTwoStageDetector']
