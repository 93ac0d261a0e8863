"""Detectors that learn from a teacher."""

from luminet_det.detection.two_stage import DistillTwoStageDetector

__all__ = ['DistillTwoStageDetector']
