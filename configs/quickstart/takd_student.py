"""The same student with KD from an assistant that has learnt from the teacher (TAKD).

python tools/train_chain.py configs/quickstart/takd_assistant.py configs/quickstart/takd_student.py --seed 0
"""

_base_ = './kd_student.py'

model = dict(
    teacher=dict(config='{{ fileDirname }}/takd_assistant.py', checkpoint='work_dirs/takd_assistant/iter_750.pth')
)
