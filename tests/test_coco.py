"""Two steps and an evaluation on real COCO images with 80 classes; skipped where the images are absent."""

import os
from pathlib import Path

import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmengine.runner import Runner

from tests import pairs, tiny
from tests.test_configs import FOLDER, narrow

ROOT = Path(os.environ.get('COCO_SUBSET', Path(__file__).parents[2] / 'shared' / 'data' / 'coco_482'))


@pytest.mark.skipif(not ROOT.is_dir(), reason='no COCO subset; set COCO_SUBSET to a folder with images/ and train.json')
def test_the_papers_row_trains_and_evaluates_on_coco_images(tmp_path):
    teacher = pairs.save_teacher(
        tmp_path / 'teacher.pth', tiny.faster_rcnn(80, base_channels=16), classes=CocoDataset.METAINFO['classes']
    )
    config = Config.fromfile(FOLDER / 'luminet_r18-faster-rcnn-r101_fpn_1x_coco.py')
    config.model = narrow(config.model) | dict(teacher=teacher)
    for loader, annotations in ((config.train_dataloader, 'train.json'), (config.val_dataloader, 'val.json')):
        loader |= dict(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset |= dict(data_root=f'{ROOT}/', ann_file=annotations, data_prefix=dict(img='images/'))
        for transform in loader.dataset.pipeline:
            if 'Resize' in transform['type']:
                transform |= dict(scales=[(160, 128)]) if 'scales' in transform else dict(scale=(160, 128))
    config.val_dataloader.dataset.indices = 16
    # After two steps no score is high; all boxes are kept, so that there is something to evaluate.
    config.model['test_cfg']['rcnn']['score_thr'] = 0.0
    config.val_evaluator.ann_file = f'{ROOT}/val.json'
    config.test_dataloader = config.test_evaluator = config.test_cfg = None
    config.train_cfg |= dict(max_iters=2, val_interval=2)
    config.default_hooks.logger.interval = 1
    config.work_dir = str(tmp_path / 'run')
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.message_hub.get_scalar('train/loss_luminet').current() > 0
    assert runner.message_hub.get_scalar('val/coco/bbox_mAP').current() >= 0
    link = runner.model.links[0]
    assert link.classes.named
    assert link.classes.identity
    assert len(link.classes.columns) == 81
