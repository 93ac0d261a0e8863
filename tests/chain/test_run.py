"""One run of a chain: which of its checkpoints the next run uses."""

import os

from mmengine.config import Config

from luminet_det.chain import Run


def test_of_several_best_weights_the_newest_teach(tmp_path):
    for age, epoch in enumerate((9, 10)):
        path = tmp_path / f'best_accuracy_top1_epoch_{epoch}.pth'
        path.touch()
        os.utime(path, (100 + age, 100 + age))
    assert Run('c.py', Config(), tmp_path).checkpoint('best').name == 'best_accuracy_top1_epoch_10.pth'
