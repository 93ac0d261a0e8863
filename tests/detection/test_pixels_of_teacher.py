"""During distillation the teacher answers as it would alone, with its own normalisation."""

import torch

from tests import pairs, tiny


def test_a_caffe_style_teacher_answers_as_it_does_alone(tmp_path):
    caffe = tiny.faster_rcnn(base_channels=16)
    caffe['data_preprocessor'] |= dict(mean=[103.53, 116.28, 123.675], std=[1.0] * 3, bgr_to_rgb=False, pad_value=5)
    setting = pairs.save_teacher(tmp_path / 'caffe.pth', caffe)
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), setting))
    heard = []
    student.terms[0].loss.register_forward_pre_hook(lambda _, args: heard.append(args[1]))
    rois = []
    student.roi_head.bbox_roi_extractor.register_forward_pre_hook(lambda _, args: rois.append(args[1]))
    pairs.step(student)

    alone = pairs.build(caffe).eval()
    alone.load_state_dict(torch.load(setting['checkpoint'])['state_dict'])
    inputs, _ = pairs.batch(alone)
    with torch.no_grad():
        expected = alone.roi_head._bbox_forward(alone.extract_feat(inputs), rois[0])['cls_score']
    # Relative to the largest logit: caffe pixels reach 150, where float32 resolves about 1e-5.
    assert (heard[0] - expected).abs().max() < 1e-5 * expected.abs().max()
