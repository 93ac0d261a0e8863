"""Which faults of a dataset are found, and what is not checked: images in an archive, phrases instead of classes."""

import zipfile

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import DATASETS
from mmdet.utils import register_all_modules
from mmengine.registry import TRANSFORMS

from luminet_det.loaded_images import LoadedImages
from tests import tiny

register_all_modules(init_default_scope=True)


@TRANSFORMS.register_module()
class LoadImageFromZip(LoadImageFromFile):
    """Reads images from `images.zip` instead of `images/`."""

    def transform(self, results):
        folder, _, name = results['img_path'].rpartition('/')
        with zipfile.ZipFile(f'{folder}.zip') as archive:
            content = archive.read(name)
        results['img'] = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        return results


def built(data, reader):
    settings = tiny.runner_cfg(tiny.faster_rcnn(), data, 'unused').train_dataloader.dataset
    settings.pipeline[0] = dict(type=reader)
    return DATASETS.build(settings)


@pytest.mark.parametrize(('reader', 'missing'), [('LoadImageFromFile', 8), ('LoadImageFromZip', 0)])
def test_files_are_missed_only_where_files_are_read(tmp_path, reader, missing):
    data = tiny.write_coco(tmp_path)
    for path in (data / 'images').iterdir():
        path.unlink()
    assert len(LoadedImages.of(built(data, reader)).missing()) == missing


def test_a_set_without_classes_has_no_label_beyond_them(tmp_path):
    loaded = LoadedImages.of(built(tiny.write_coco(tmp_path), 'LoadImageFromFile'))
    assert loaded.faults(num_classes=0) == loaded.faults(num_classes=3) == []
    (fault,) = loaded.faults(num_classes=2)
    assert 'have a label beyond the 2 classes' in fault.what


@pytest.mark.parametrize('without', ['img_path', 'bbox'])
def test_a_data_set_that_has_its_images_or_boxes_otherwise_is_not_looked_at(tmp_path, monkeypatch, without):
    dataset = built(tiny.write_coco(tmp_path), 'LoadImageFromFile')
    info_of = dataset.get_data_info

    def otherwise(index):
        info = info_of(index)
        for part in (info, *info['instances']):
            part.pop(without, None)
        return info

    monkeypatch.setattr(dataset, 'get_data_info', otherwise)
    assert LoadedImages.of(dataset) is None
