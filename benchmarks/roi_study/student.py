"""The quickstart's distilled student, with the losses of the study."""

_base_ = '../../configs/quickstart/luminet_student.py'

custom_imports = dict(imports=['benchmarks.roi_study.perception'])
