"""tools/doctor.py: each finding has a level and, if needed, the line to change; no mistake ends in a traceback."""

import json
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

from luminet_det.doctor.data import check_file
from luminet_det.doctor.findings import FAIL, OK
from tests import dense, pairs, runs, tiny
from tools import doctor, train


def main(argv):
    sys.exit(doctor.main(argv))


def text(folder, *argv):
    finished = runs.run(main, argv, folder)
    assert 'Traceback' not in finished.text, finished.text
    return finished


def findings(folder, *argv):
    """The findings by check, a list each, after checking that the exit code fits them."""
    finished = text(folder, *argv, '--json')
    report = json.loads(finished.text[finished.text.index('{\n') :])
    assert finished.code == (0 if report['healthy'] else 1)
    assert report['healthy'] == all(f['level'] != 'FAIL' for f in report['findings'])
    found = {}
    for finding in report['findings']:
        found.setdefault(finding['check'], []).append(finding)
    return found


def levels(found, *wanted):
    return {check for check, of_check in found.items() if any(f['level'] in wanted for f in of_check)}


@pytest.fixture
def own_data(tmp_path):
    return tiny.write_coco(tmp_path / 'data')


def edit(data, change):
    path = data / 'annotations.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


CHECKS = [
    'versions', 'config', 'model', 'ops', 'optimizer', 'annotations', 'images', 'evaluator', 'shared images', 'classes',
    'class order', 'student weights', 'pixels', 'precision', 'step', 'gradient', 'memory',
]  # fmt: skip


def test_a_plain_run_is_looked_at_from_versions_to_memory(tmp_path, config):
    found = findings(tmp_path, config)
    assert list(found) == CHECKS
    assert levels(found, 'FAIL', 'SKIP') == set()
    assert levels(found, 'WARN') == {'shared images'}
    assert found['shared images'][0]['found'].startswith('8 of 8 validation images are also in the training set')
    assert found['ops'][0]['found'] == 'RoIAlign, nms'
    assert 'loss_rpn_cls' in found['step'][0]['found']


@pytest.mark.parametrize('ensemble', [False, True])
def test_a_distilling_run_of_epochs_has_its_teachers_looked_at(tmp_path, data, teacher, ensemble):
    model = pairs.distilling(tiny.faster_rcnn(), [teacher, teacher] if ensemble else teacher)
    found = findings(tmp_path, runs.tiny_config(tmp_path / 'c.py', data, model, max_epochs=2))
    assert levels(found, 'FAIL', 'SKIP') == set()
    assert len(found['teacher weights']) == len(found['teacher']) == 1 + ensemble
    assert 'classes the same' in found['teacher'][0]['found']
    assert 'loss_luminet' in found['step'][0]['found']
    assert 'over 2 epochs' in found['config'][0]['found']


def test_json_is_all_that_stdout_holds(tmp_path, config):
    command = [sys.executable, runs.TOOLS / 'doctor.py', config, '--json']
    finished = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=runs.TIMEOUT)
    report = json.loads(finished.stdout)
    assert finished.returncode == 0
    assert report['healthy'] is True
    assert set(report['findings'][0]) == {'check', 'level', 'found', 'change'}
    assert list(tmp_path.iterdir()) == []


def test_each_finding_is_a_line_and_a_failure_has_the_line_to_change(tmp_path, config):
    good = text(tmp_path, config).text.strip().splitlines()
    assert all(line[:5] in ('OK   ', 'WARN ') or line.startswith('      change: ') for line in good[:-2])
    assert good[-1] == 'Nothing fails.'
    bad = text(tmp_path, config, '--cfg-options', 'train_dataloader.dataset.ann_file=nowhere.json')
    assert bad.code == 1
    assert 'FAIL  annotations: train_dataloader.dataset: there is no annotation file' in bad.text
    assert '      change: train_dataloader.dataset.data_root or train_dataloader.dataset.ann_file\n' in bad.text


def test_one_that_fails_does_not_stop_those_that_do_not_need_it(tmp_path, config):
    found = findings(tmp_path, config, '--cfg-options', 'model.backbone.depht=18')
    assert levels(found, 'FAIL') == {'model'}
    assert "unexpected keyword argument 'depht'" in found['model'][0]['found']
    assert {'annotations', 'images', 'evaluator', 'precision'} <= levels(found, 'OK')
    assert levels(found, 'SKIP') == {'ops', 'optimizer', 'classes', 'student weights', 'pixels', 'step', 'memory'}


OPTIONS = {
    'a missing key': ('optim_wrapper=', 'config', 'the config has no optim_wrapper'),
    'no dict': ('train_cfg=12e', 'config', "train_cfg should be dict(...), but is '12e'"),
    'an optimizer key': ('optim_wrapper.optimizer.lrr=1', 'optimizer', "unexpected keyword argument 'lrr'"),
    'no folder': ('val_dataloader.dataset.data_prefix.img=pictures/', 'images', 'there is no folder of images'),
    'other classes': (
        'train_dataloader.dataset.metainfo.classes=cat,',
        'images',
        'The dataset of train_dataloader is empty',
    ),
    'num_classes': ('model.roi_head.bbox_head.num_classes=5', 'classes', 'has 5 classes, the data 3'),
    'scores': ('val_evaluator.ann_file=nowhere.json', 'evaluator', 'there is no annotation file nowhere.json'),
    'best': (
        'default_hooks.checkpoint.save_best=coco/bbox_map',
        'evaluator',
        'Did you mean coco/bbox_mAP?',
    ),
    'amp': ('optim_wrapper.type=AmpOptimWrapper', 'precision', 'does not run on a CPU'),
    'channels': ('model.neck.in_channels=[8,16,32,99]', 'step', '99'),
    'load_from': ('load_from=gone.pth', 'student weights', 'no file gone.pth'),
}


@pytest.mark.parametrize(('option', 'check', 'words'), OPTIONS.values(), ids=OPTIONS)
def test_a_mistake_in_the_config_is_found_where_it_is(tmp_path, config, option, check, words):
    found = findings(tmp_path, config, '--cfg-options', option)
    (failed, *_) = [finding for finding in found[check] if finding['level'] == 'FAIL']
    assert words in failed['found']
    assert failed['change']


@pytest.mark.parametrize('named', [dict(), dict(type='Evaluator')])
def test_an_evaluator_may_be_written_with_its_metrics(tmp_path, data, named):
    cfg = Config.fromfile(runs.tiny_config(tmp_path / 'c.py', data))
    cfg.val_evaluator = dict(**named, metrics=[cfg.val_evaluator])
    cfg.dump(tmp_path / 'd.py')
    assert levels(findings(tmp_path, tmp_path / 'd.py'), 'FAIL', 'SKIP') == set()
    cfg.val_evaluator.metrics[0].ann_file = 'nowhere.json'
    cfg.dump(tmp_path / 'd.py')
    found = findings(tmp_path, tmp_path / 'd.py')['evaluator']
    assert [finding['change'] for finding in found if finding['level'] == 'FAIL'] == [
        'val_evaluator.metrics.0.ann_file'
    ]


def test_a_run_without_validation_is_well(tmp_path, config):
    options = ['val_dataloader=None', 'val_evaluator=None', 'val_cfg=None']
    assert levels(findings(tmp_path, config, '--cfg-options', *options), 'FAIL') == set()


def test_a_plain_run_whose_preprocessor_asks_for_the_iteration_is_well(tmp_path, data):
    plain = tiny.faster_rcnn()
    resize = dict(type='BatchSyncRandomResize', random_size_range=(64, 96), size_divisor=32, interval=1)
    plain['data_preprocessor']['batch_augments'] = [resize]
    found = findings(tmp_path, runs.tiny_config(tmp_path / 'resizing.py', data, plain))
    assert levels(found, 'FAIL') == set()


def test_what_training_starts_from_is_opened(tmp_path, config, trained):
    def said(start):
        (finding,) = findings(tmp_path, config, '--cfg-options', f'load_from={start}')['student weights']
        return finding['level'], finding['found']

    (tmp_path / 'cut.pth').write_bytes(b'PK12x')
    assert said(tmp_path / 'cut.pth')[0] == 'FAIL'
    torch.save(dict(state_dict=dict(other=torch.zeros(1))), tmp_path / 'other.pth')
    level, text = said(tmp_path / 'other.pth')
    assert (level, 'not a checkpoint of a model of this kind' in text) == ('FAIL', True)
    # With the names that DistributedDataParallel gives them, which mmengine can read.
    whole = torch.load(trained[0] / 'work_dirs' / 'tiny' / 'iter_4.pth')['state_dict']
    torch.save({f'module.{key}': value for key, value in whole.items()}, tmp_path / 'whole.pth')
    assert said(tmp_path / 'whole.pth') == ('OK', f'initialised, then from {tmp_path}/whole.pth')
    part = dict(list(whole.items())[:-1])
    torch.save(dict(state_dict=part), tmp_path / 'part.pth')
    level, text = said(tmp_path / 'part.pth')
    assert (level, '1 missing (roi_head.' in text) == ('WARN', True)
    head = 'roi_head.bbox_head.fc_cls'
    torch.save(
        whole | {f'{head}.{kind}': torch.zeros(9, *whole[f'{head}.{kind}'].shape[1:]) for kind in ('weight', 'bias')},
        tmp_path / 'classes.pth',
    )
    level, text = said(tmp_path / 'classes.pth')
    assert (level, text.endswith('except layers with another number of outputs')) == ('OK', True)


@pytest.mark.parametrize('hook', ['NumClassCheckHook', 'mmdet.NumClassCheckHook', 'luminet_det.ResultHook', 'EMAHook'])
def test_hooks_of_every_library_are_known(hook, tmp_path, config):
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type=hook)]
    (finding,) = findings(tmp_path, runs.config_file(tmp_path / 'c.py', cfg))['config']
    assert finding['level'] == 'OK'


def test_an_unknown_hook_and_a_config_that_is_no_python(tmp_path, config):
    cfg = Config.fromfile(config)
    cfg.default_hooks.mine = dict(type='luminet_det.NoHook')
    (finding,) = findings(tmp_path, runs.config_file(tmp_path / 'c.py', cfg))['config']
    assert (finding['found'], finding['change']) == ("there is no hook 'luminet_det.NoHook'", 'default_hooks.mine')
    (tmp_path / 'broken.py').write_text('model = dict(\n')
    found = findings(tmp_path, tmp_path / 'broken.py')
    assert list(found) == ['versions', 'config']
    assert found['config'][0]['level'] == 'FAIL'


DATA = {
    'a NaN': (lambda c: c['annotations'][0].update(bbox=[1, float('nan'), 2, 3]), 'WARN', '1 box with a NaN'),
    'empty': (lambda c: c['annotations'][0].update(bbox=[1, 1, 0, 3]), 'WARN', '1 box of width or height 0'),
    'negative': (lambda c: c['annotations'][0].update(bbox=[9, 9, -4, 3]), 'WARN', '1 box with a negative width'),
    'outside': (lambda c: c['annotations'][0].update(bbox=[99, 9, 4, 3]), 'WARN', '1 box outside the image'),
    'unknown': (lambda c: c['annotations'][0].update(category_id=9), 'WARN', 'of a category that is not listed'),
    'repeated': (lambda c: c['categories'][1].update(name='thing0'), 'FAIL', '1 category name used more than once'),
    'null': (lambda c: c['annotations'][0].update(bbox=None), 'FAIL', 'not four numbers'),
}


@pytest.mark.parametrize(('change', 'level', 'words'), DATA.values(), ids=DATA)
def test_faults_of_an_annotation_file(tmp_path, own_data, change, level, words):
    edit(own_data, change)
    found = findings(tmp_path, runs.tiny_config(tmp_path / 'c.py', own_data))
    assert any(f['level'] == level and words in f['found'] and f['change'] for f in found['annotations'])
    assert ('step' in levels(found, 'OK')) == (level == 'WARN')


def test_files_that_are_not_read_as_cocos_boxes_are_not_judged_as_such(own_data):
    edit(own_data, lambda c: [image.update(coco_url=image.pop('file_name')) for image in c['images']])
    settings = dict(data_root=str(own_data), ann_file='annotations.json')
    for kind, level in (('LVISV1Dataset', OK), ('CocoPanopticDataset', OK), ('CocoDataset', FAIL)):
        (finding,) = check_file('train_dataloader.dataset', dict(settings, type=kind))
        assert finding.level == level, kind


def test_missing_images_are_counted(tmp_path, own_data):
    (own_data / 'images' / '003.png').unlink()
    found = findings(tmp_path, runs.tiny_config(tmp_path / 'c.py', own_data))
    assert '1 of 8 images are not there' in found['images'][0]['found']
    assert 'step' in levels(found, 'SKIP')


@pytest.mark.parametrize(('mean', 'std'), [([103.53, 116.28, 123.675], [1.0] * 3), ([0] * 3, [255.0] * 3)])
def test_pixels_as_published_weights_were_trained_on_are_not_warned_of(tmp_path, config, mean, std):
    options = [f'model.data_preprocessor.{key}={value}' for key, value in (('mean', mean), ('std', std))]
    (finding,) = findings(tmp_path, config, '--cfg-options', *options)['pixels']
    assert finding['level'] == 'OK'


def test_validation_of_other_classes_is_named_with_both(tmp_path, config):
    found = findings(tmp_path, config, '--cfg-options', "val_dataloader.dataset.metainfo.classes=('thing1','thing2')")
    ok, failed = found['classes']
    assert (ok['level'], failed['level']) == ('OK', 'FAIL')
    assert 'val_dataloader numbers its classes thing1, thing2, train_dataloader thing0,' in failed['found']
    assert 'val_dataloader.dataset' in failed['change']


def test_pixels_far_from_the_models_statistics_are_warned_of(tmp_path, config):
    options = ['model.data_preprocessor.mean=[0.4,0.4,0.4]', 'model.data_preprocessor.std=[0.2,0.2,0.2]']
    (finding,) = findings(tmp_path, config, '--cfg-options', *options)['pixels']
    assert finding['level'] == 'WARN'
    assert 'the model expects (0.4, 0.4, 0.4)' in finding['found']


def test_images_that_the_pipeline_normalises_for_a_student_alone_stop_a_distilling_run(tmp_path, data, teacher):
    model = pairs.distilling(tiny.faster_rcnn(), teacher)
    statistics = {key: model['data_preprocessor'].pop(key) for key in ('mean', 'std')}
    model['data_preprocessor'].pop('bgr_to_rgb')
    path = runs.tiny_config(tmp_path / 'c.py', data, model, max_iters=1, val=False)
    cfg = Config.fromfile(path)
    cfg.train_dataloader.dataset.pipeline.insert(-1, dict(type='Normalize', **statistics, to_rgb=True))
    runs.config_file(path, cfg)
    (finding,) = findings(tmp_path, path)['teacher']
    assert (finding['level'], 'normalises images by Normalize' in finding['found']) == ('FAIL', True)
    finished = runs.run(train.main, [path, '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 1
    assert 'write its mean, std and to_rgb as mean, std and bgr_to_rgb of model.data_preprocessor' in finished.text
    # A teacher that was trained on such images accepts them as they are.
    cfg.model.teacher.config.data_preprocessor = dict(type='DetDataPreprocessor', pad_size_divisor=32)
    finished = runs.run(train.main, [runs.config_file(path, cfg), '--work-dir', tmp_path / 'same'], tmp_path)
    assert finished.code == 0, finished.text


TEACHERS = {
    'no file': (dict(checkpoint='gone.pth'), 'teacher weights', 'no checkpoint at gone.pth'),
    'other net': (dict(config=tiny.faster_rcnn(base_channels=4)), 'teacher weights', 'does not fit its config'),
    'other classes': (dict(classes=['a', 'b', 'c']), 'teacher', "does not know 3 of the student's classes"),
    'a typo': (dict(dtyp='bf16'), 'model', "'dtyp'"),
}


@pytest.mark.parametrize(('change', 'check', 'words'), TEACHERS.values(), ids=TEACHERS)
def test_a_wrong_teacher_is_found(tmp_path, data, teacher, change, check, words):
    model = pairs.distilling(tiny.faster_rcnn(), teacher | change)
    found = findings(tmp_path, runs.tiny_config(tmp_path / 'c.py', data, model))
    assert check in levels(found, 'FAIL')
    assert words in found[check][-1]['found']
    assert 'step' in levels(found, 'SKIP')


def test_the_checkpoint_must_fit_the_student(tmp_path, config, trained):
    weights = trained[0] / 'work_dirs' / 'tiny' / 'iter_4.pth'
    assert f'{weights} fits' in findings(tmp_path, config, weights)['student weights'][0]['found']
    state = torch.load(weights)['state_dict']
    state.pop('backbone.conv1.weight')
    torch.save(state, tmp_path / 'less.pth')
    found = findings(tmp_path, config, tmp_path / 'less.pth')['student weights'][0]
    assert (found['level'], '1 missing (backbone.conv1.weight)' in found['found']) == ('FAIL', True)


def test_no_such_config_is_a_wrong_word(tmp_path, config):
    finished = text(tmp_path, 'nowhere.py')
    assert finished.code == 2
    assert 'no config nowhere.py' in finished.text


@pytest.mark.parametrize('tap', ['dense_cls', 'neck'])
def test_a_single_stage_student_is_looked_at_too(tmp_path, data, tap):
    student = dense.model('retinanet')
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', dense.model('retinanet', base_channels=16))
    loss = dict(pairs.LUMINET, use_sigmoid=True) if tap == 'dense_cls' else dict(type='mmdet.L1Loss')
    model = dict(
        student, type='luminet_det.DistillSingleStageDetector', teacher=teacher, distill=[dict(tap=tap, loss=loss)]
    )
    found = findings(tmp_path, runs.tiny_config(tmp_path / 'c.py', data, model))
    assert levels(found, 'FAIL', 'SKIP') == set(), found
    assert 'loss_' in found['step'][0]['found']
