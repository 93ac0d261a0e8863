"""The quickstart's distilled student, with the losses of the study."""

_base_ = '../../configs/quickstart/luminet_student.py'

custom_imports = dict(imports=['benchmarks.roi_study.perception'])
# Averages over the steps between two lines of the log, of all that the study reads there.
log_processor = dict(mean_pattern=r'.*(loss|time|data_time|grad_norm|raw_|share_|agreement).*')
