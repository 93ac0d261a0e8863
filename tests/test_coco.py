"""Two steps and an evaluation on real COCO images with 80 classes; skipped where the images are absent."""

import os
from pathlib import Path

import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import Config

from tests import pairs, runs, tiny
from tests.test_configs import FOLDER, narrow
from tools import train

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
    # After two steps no score is high, so all boxes are kept, to have something to evaluate.
    config.model['test_cfg']['rcnn']['score_thr'] = 0.0
    config.val_evaluator.ann_file = f'{ROOT}/val.json'
    config.test_dataloader = config.test_evaluator = config.test_cfg = None
    config.train_cfg |= dict(max_iters=2, val_interval=2)
    config.default_hooks.logger.interval = 1
    finished = runs.run(train.main, [runs.config_file(tmp_path / 'c.py', config), '--work-dir', 'run'], tmp_path)
    assert finished.code == 0, finished.text
    assert 'classes  the same' in finished.text
    assert all(loss > 0 for loss in runs.scalars(tmp_path / 'run', 'loss_luminet').values())
    assert len(runs.scalars(tmp_path / 'run', 'loss_luminet')) == 2
    assert all(ap >= 0 for ap in runs.scalars(tmp_path / 'run', 'coco/bbox_mAP').values())
    assert runs.scalars(tmp_path / 'run', 'coco/bbox_mAP')
