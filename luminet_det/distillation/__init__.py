"""What detection and classification share: teacher, term, student."""

from luminet_det.distillation.student import Student
from luminet_det.distillation.taps import Tap
from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.terms import Term

__all__ = ['Student', 'Tap', 'Teacher', 'Term']
