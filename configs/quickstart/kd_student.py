"""The same student with classic knowledge distillation (Hinton et al., 2015), to compare LumiNet with."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='roi_cls', rois='foreground', loss=dict(type='luminet_det.KDLoss', tau=1.0))])
