"""Faults of a COCO file: each is reported with what mmdet would do, the first offenders and what to change."""

import json

import pytest
from mmdet.datasets import CocoDataset

from luminet_det.annotation_file import faults, watched
from tests import tiny

NAN, INFINITY = float('nan'), float('inf')


@pytest.fixture
def content(tmp_path):
    return json.loads((tiny.write_coco(tmp_path) / 'annotations.json').read_text())


def only(content):
    (fault,) = faults(content)
    return fault


def test_a_sound_file_has_none(content):
    assert faults(content) == []
    assert faults(dict(images=[], categories=[])) == []


LEFT_OUT = {
    'NaN': (dict(bbox=[1, NAN, 5, 5]), '1 box with a NaN'),
    'negative': (dict(bbox=[9, 9, -5, 5]), '1 box with a negative width or height'),
    'empty': (dict(bbox=[9, 9, 0, 5]), '1 box of width or height 0'),
    'thin': (dict(bbox=[9, 9, 0.5, 5]), '1 box thinner than one pixel'),
    'outside': (dict(bbox=[99, 9, 5, 5]), '1 box outside the image'),
    'no area': (dict(area=0), '1 box with an area of 0 or less'),
    'other image': (dict(image_id=99), '1 annotation of an image that is not listed'),
    'other category': (dict(category_id=99), '1 annotation of a category that is not listed'),
}


def mmdet_boxes(tmp_path, content):
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    metainfo = dict(classes=tiny.classes())
    files = dict(data_root=str(tmp_path), ann_file='annotations.json', data_prefix=dict(img='images/'))
    dataset = CocoDataset(**files, metainfo=metainfo, pipeline=[])
    return sum(len(dataset.get_data_info(i)['instances']) for i in range(len(dataset)))


@pytest.mark.parametrize(('change', 'what'), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_mmdet_leaves_out_is_counted_and_named(tmp_path, content, change, what):
    sound = mmdet_boxes(tmp_path, content)
    content['annotations'][4] |= change
    assert mmdet_boxes(tmp_path, content) == sound - 1
    fault = only(content)
    assert not fault.fatal
    assert fault.what.startswith(f'{what}: annotation 5 of image {content["annotations"][4]["image_id"]}, bbox [')
    assert 'mmdet trains without them' in fault.change


@pytest.mark.parametrize('change', [dict(ignore=1), dict(bbox=[-0.5, 0, 30, 30])])
def test_ignored_boxes_and_those_that_end_at_the_border_are_no_fault(content, change):
    content['annotations'][0] |= dict(bbox=[1, 1, -1, 1]) | change
    assert faults(content) == []


def test_two_corners_in_place_of_width_and_height_are_noticed(tmp_path, content):
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x, y, x + w, y + h]
    assert 'reaching out of the image' in only(content).what
    assert 'not two corners' in only(content).change


REFUSED = {
    'infinite': (dict(bbox=[1, 1, INFINITY, 5]), 'of infinite size or position: annotation 5'),
    'null': (dict(bbox=None), 'not four numbers'),
    'three': (dict(bbox=[1, 2, 3]), 'not four numbers'),
    'text': (dict(bbox=['1', '2', '3', '4']), 'not four numbers'),
    'no area': (dict(area=None), 'whose area is not a number'),
}


@pytest.mark.parametrize(('change', 'what'), REFUSED.values(), ids=REFUSED)
def test_what_mmdet_cannot_read_is_fatal(content, change, what):
    content['annotations'][4] |= change
    assert only(content).fatal
    assert what in only(content).what


def test_a_missing_key_is_fatal(content):
    del content['annotations'][4]['area']
    del content['images'][2]['width']
    assert [fault.what.partition(':')[0] for fault in faults(content)] == [
        '1 image without id, file_name, width, height',
        '1 annotation without id, image_id, category_id, bbox, area',
    ]
    assert 'no list of images and categories' in only([1]).what


@pytest.mark.parametrize(
    ('key', 'what'),
    [
        ('name', "1 category name used more than once: 'thing0' (id 1, 3)"),
        ('id', "1 category id used more than once: 1 (name 'thing0', 'thing2')"),
    ],
)
def test_a_category_that_repeats_is_fatal(content, key, what):
    content['categories'][2][key] = content['categories'][0][key]
    assert only(content).fatal
    assert only(content).what == what


def test_a_few_offenders_stand_for_many(content):
    for annotation in content['annotations']:
        annotation['bbox'] = [0, 0, 0, 0]
    assert only(content).what.startswith('12 boxes of width or height 0: annotation 1 of image 0, bbox [0, 0, 0, 0]; ')
    assert only(content).what.count('annotation') == 3
    assert only(content).what.endswith('; ...')


def test_image_ids_that_repeat(content):
    content['images'][1]['id'] = 0
    assert '1 image id used more than once: 0' in [fault.what for fault in faults(content)]


def test_a_file_is_looked_at_while_mmdet_reads_it(tmp_path, content):
    original = CocoDataset.COCOAPI
    with watched() as files:
        mmdet_boxes(tmp_path, content)
    ((path, contents),) = files.items()
    assert path == str(tmp_path / 'annotations.json')
    assert contents.categories == list(tiny.classes())
    assert contents.faults == []
    assert CocoDataset.COCOAPI is original
