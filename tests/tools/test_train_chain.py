"""tools/train_chain.py: each run teaches the next, none runs twice, wrong chains are refused before anything runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from mmengine.config import Config

from tests import pairs, runs, tiny
from tests.classification import small
from tools import train_chain

PLAIN = """
model = dict(type='Plain', network=dict(type='net', num_classes=4))
train_cfg = dict(max_epochs=3)
default_hooks = dict(checkpoint=dict(save_best='auto'))
"""
DISTILLING = """
model = dict(
    type='Distilling',
    network=dict(type='net', width={width}, num_classes=4),
    teacher=dict(config='{teacher}', checkpoint='nowhere.pth', dtype='bf16'),
    distill=[dict(tap='logits', loss=dict(type='KDLoss'))])
train_cfg = dict(max_epochs=3)
default_hooks = dict(checkpoint=dict(save_best='auto'))
"""
KD = dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0))

# Stands in for tools/train.py: records its arguments and 'trains' 3 epochs. The score is 10 * its place in the chain +
# the epoch, and 5 more in the second epoch.
TRAIN = """
import json, pathlib, shutil, sys, time
config, work = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
(work / 'calls.txt').open('a').write(json.dumps(sys.argv[1:]) + '\\n')
shutil.copy(config, work)
if 'fails' in config.read_text() and not pathlib.Path('mended').exists():
    print('the loss is nan')
    sys.exit(3)
done = int((work / 'epoch').read_text()) if (work / 'epoch').is_file() else 0
log = work / f'started-at-{done}' / 'vis_data' / 'scalars.json'
log.parent.mkdir(parents=True)
for epoch in range(done + 1, 4):
    if epoch == 2 and 'waits' in config.read_text() and not done:
        (work / 'waiting').touch()
        time.sleep(60)
    score = 10 * int(work.name[0]) + epoch + 5 * (epoch == 2)
    with log.open('a') as file:
        print(json.dumps({'teacher/accuracy/top1': 1.0, 'accuracy/top1': score, 'step': epoch}), file=file)
    shutil.copy('weights.pth', work / f'epoch_{epoch}.pth')
    if epoch == 2:
        shutil.copy('weights.pth', work / 'best_accuracy_top1_epoch_2.pth')
    (work / 'last_checkpoint').write_text(f'/elsewhere/{work.name}/epoch_{epoch}.pth')
    (work / 'epoch').write_text(str(epoch))
    if 'stops early' in config.read_text():
        break
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a chain of three configs and the stub that `chained` runs in place of tools/train.py."""
    (tmp_path / 'big.py').write_text(PLAIN)
    (tmp_path / 'middle.py').write_text(DISTILLING.format(width=8, teacher='big.py'))
    (tmp_path / 'little.py').write_text(DISTILLING.format(width=4, teacher='other.py'))
    (tmp_path / 'train.py').write_text(TRAIN)
    trained = {'fc.weight': torch.zeros(4, 3), 'bn.weight': torch.ones(7)}
    counted = {'bn.running_mean': torch.zeros(7), 'bn.num_batches_tracked': torch.tensor(9)}
    torch.save(dict(state_dict=trained | counted), tmp_path / 'weights.pth')
    monkeypatch.chdir(tmp_path)
    return tmp_path


CHAIN = ('big.py', 'middle.py', 'little.py')


def chained(*words, configs=CHAIN):
    return train_chain.main([*configs, '--work-dir', 'work', *map(str, words)], [sys.executable, 'train.py'])


def refused(capsys, *words, configs=CHAIN):
    with pytest.raises(SystemExit, match='2'):
        chained(*words, configs=configs)
    return capsys.readouterr().err.splitlines()[-1]


def calls(folder):
    """The arguments of each training, by the name of the run's folder."""
    found = {path.parent.name: path.read_text().splitlines() for path in (folder / 'work').glob('*/calls.txt')}
    return {name: [json.loads(line) for line in lines] for name, lines in found.items()}


def trainings(folder):
    return {name: len(found) for name, found in sorted(calls(folder).items())}


def test_each_run_gets_the_weights_of_the_one_before_and_its_config_where_it_names_another(folder):
    assert chained() == 0
    words = {name: call for name, (call,) in calls(folder).items()}
    start = ['--work-dir', 'work/1_big', '--resume']
    assert words['1_big'] == ['big.py', *start]
    told = words['2_middle'][words['2_middle'].index('--cfg-options') + 1 :]
    assert told == ['model.teacher.checkpoint=work/1_big/epoch_3.pth']
    told = words['3_little'][words['3_little'].index('--cfg-options') + 1 :]
    assert sorted(told) == [
        'model.teacher.checkpoint=work/2_middle/epoch_3.pth', 'model.teacher.config=work/2_middle/middle.py'
    ]  # fmt: skip


def test_a_teacher_whose_model_the_command_line_changes_teaches_by_its_changed_config(folder):
    assert chained('--cfg-options', 'model.network.num_classes=5', 'custom=[1,2]') == 0
    (words,) = calls(folder)['2_middle']
    assert words[words.index('--cfg-options') + 1 :] == [
        'model.network.num_classes=5', 'custom=[1,2]',
        'model.teacher.checkpoint=work/1_big/epoch_3.pth', 'model.teacher.config=work/1_big/big.py',
    ]  # fmt: skip


@pytest.mark.parametrize('teacher', ["'mmdet::some_zoo_name.py'", "dict(type='Plain', network=dict(type='net'))"])
def test_a_teacher_by_zoo_name_or_as_a_model_is_replaced_as_a_whole(folder, teacher):
    text = (folder / 'middle.py').read_text()
    (folder / 'middle.py').write_text(
        text.replace("dict(config='big.py', checkpoint='nowhere.pth', dtype='bf16')", teacher)
    )
    assert chained(configs=CHAIN[:2]) == 0
    (words,) = calls(folder)['2_middle']
    given = Config.fromfile('middle.py')
    changes = dict(word.split('=') for word in words[words.index('--cfg-options') + 1 :])
    given.merge_from_dict({key: text == 'True' or text for key, text in changes.items()})
    assert given.model.teacher == dict(config='work/1_big/big.py', checkpoint='work/1_big/epoch_3.pth')


def test_the_best_weights_teach_if_asked_for(folder):
    assert chained('--pass-on', 'best') == 0
    (words,) = calls(folder)['2_middle']
    assert 'model.teacher.checkpoint=work/1_big/best_accuracy_top1_epoch_2.pth' in words
    assert '| 1, best |' in (folder / 'work' / 'table.md').read_text()


def test_every_training_gets_the_flags_of_train(folder):
    flags = ['--amp', '--auto-scale-lr', '--deterministic', '--seed', '3', '--val-split', '0.1']
    assert chained(*flags) == 0
    for (words,) in calls(folder).values():
        assert words[words.index('--resume') + 1 :][: len(flags)] == flags


def test_the_table_has_parameters_and_scores_of_every_run(folder, capsys):
    assert chained() == 0
    table = (folder / 'work' / 'table.md').read_text()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines() if line[:1] == '|']
    assert rows[0] == ['run', 'teacher', 'parameters', 'accuracy/top1, last', 'best']
    assert rows[2:] == [
        ['1 big.py', '-', '19', '13.00', '17.00'],
        ['2 middle.py', '1, last', '19', '23.00', '27.00'],
        ['3 little.py', '2, last', '19', '33.00', '37.00'],
    ]
    assert 'it flatters' in table
    assert table in capsys.readouterr().out


def test_a_table_of_runs_with_held_out_images_tells_the_test_set(folder):
    assert chained() == 0
    test = dict(last={'accuracy/top1': 61.5}, best={'accuracy/top1': 62.5})
    content = dict(history=[{'epoch': 3, 'accuracy/top1': 99.0}], metrics={}, test=test)
    (folder / 'work' / '3_little' / 'result.json').write_text(json.dumps(content))
    assert chained() == 0
    table = (folder / 'work' / 'table.md').read_text()
    assert '61.50 | 62.50' in table
    assert 'On the test set' in table


def test_a_finished_chain_is_not_trained_again_and_may_grow(folder, capsys):
    assert chained(configs=CHAIN[:2]) == 0
    assert chained() == 0
    assert 'middle.py, by 1_big, finished' in capsys.readouterr().out
    assert chained() == 0
    assert chained(configs=CHAIN[:2]) == 0
    known = json.loads((folder / 'work' / 'chain.json').read_text())['runs']
    assert [run['config'] for run in known] == list(CHAIN)  # including the last, which this command left out
    assert trainings(folder) == {'1_big': 1, '2_middle': 1, '3_little': 1}


def test_a_run_that_ended_before_its_last_epoch_is_finished_and_teaches(folder):
    with (folder / 'big.py').open('a') as file:
        file.write('# stops early\n')
    assert chained() == 0
    assert chained() == 0
    assert trainings(folder) == {'1_big': 1, '2_middle': 1, '3_little': 1}
    assert 'model.teacher.checkpoint=work/1_big/epoch_1.pth' in calls(folder)['2_middle'][0]


def test_a_run_is_finished_by_its_files_whoever_watched(folder):
    assert chained(configs=CHAIN[:2]) == 0
    record = folder / 'work' / 'chain.json'
    record.write_text(record.read_text().replace('true', 'false'))
    assert chained() == 0
    assert trainings(folder)['2_middle'] == 1


def test_a_run_that_is_to_write_a_result_is_finished_only_with_it(folder):
    with (folder / 'big.py').open('a') as file:
        file.write("custom_hooks = [dict(type='luminet_det.ResultHook')]\n")
    assert chained(configs=CHAIN[:1]) == 0
    record = folder / 'work' / 'chain.json'
    record.write_text(record.read_text().replace('true', 'false'))
    assert chained(configs=CHAIN[:1]) == 0
    assert trainings(folder)['1_big'] == 2


def test_a_run_whose_last_validation_is_missing_is_not_finished(folder):
    with (folder / 'big.py').open('a') as file:
        file.write("val_dataloader = dict(dataset=dict(type='images'))\n")
    assert chained(configs=CHAIN[:1]) == 0
    record = folder / 'work' / 'chain.json'
    record.write_text(record.read_text().replace('true', 'false'))
    assert chained(configs=CHAIN[:1]) == 0
    assert trainings(folder)['1_big'] == 1
    record.write_text(record.read_text().replace('true', 'false'))
    log = folder / 'work' / '1_big' / 'started-at-0' / 'vis_data' / 'scalars.json'
    log.write_text(''.join(log.read_text().splitlines(keepends=True)[:-1]))
    assert chained(configs=CHAIN[:1]) == 0
    assert trainings(folder)['1_big'] == 2


def test_a_run_that_failed_at_its_start_may_be_mended_in_its_config(folder, capsys):
    middle = (folder / 'middle.py').read_text()
    (folder / 'middle.py').write_text(f'{middle}# fails\nmended = False\n')
    assert chained() == 1
    (folder / 'middle.py').write_text(f'{middle}mended = True\n')
    assert chained() == 0
    (folder / 'middle.py').write_text(middle)
    assert 'its run 2, middle.py, had other content' in refused(capsys)


def test_what_the_runs_share_may_be_mended_while_none_has_saved_anything(folder):
    big = (folder / 'big.py').read_text()
    (folder / 'big.py').write_text(f'{big}# fails\n')
    assert chained('--cfg-options', 'mended=False') == 1
    (folder / 'big.py').write_text(big)
    assert chained('--cfg-options', 'mended=True') == 0


def test_a_crash_stops_the_chain_is_told_with_its_log_and_is_gone_on_from(folder, capsys):
    with (folder / 'middle.py').open('a') as file:
        file.write('# fails\n')
    assert chained() == 1
    said = capsys.readouterr().out
    assert '[2/3] 2_middle: FAILED, exit code 3' in said
    assert 'the loss is nan' in said
    assert not (folder / 'work' / 'table.md').exists()
    assert trainings(folder) == {'1_big': 1, '2_middle': 1}
    (folder / 'mended').touch()
    assert chained() == 0
    assert trainings(folder) == {'1_big': 1, '2_middle': 2, '3_little': 1}


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_training_and_the_same_command_goes_on(folder, capsys, number):
    with (folder / 'middle.py').open('a') as file:
        file.write('# waits\n')
    code = (
        'import signal, sys; signal.signal(2, signal.default_int_handler); from tools import train_chain; '
        'sys.exit(train_chain.main(sys.argv[1:], [sys.executable, "train.py"]))'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', code, *CHAIN, '--work-dir', 'work'],
        env=dict(os.environ, PYTHONPATH=str(runs.TOOLS.parent)),
        start_new_session=True,
    )
    waiting, late = folder / 'work' / '2_middle' / 'waiting', time.monotonic() + runs.TIMEOUT
    while not waiting.is_file():
        assert time.monotonic() < late
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(runs.TIMEOUT) == 128 + number
    assert chained() == 0
    assert 'middle.py, by 1_big, to be resumed' in capsys.readouterr().out
    assert sorted(path.name for path in waiting.parent.glob('started-at-*')) == ['started-at-0', 'started-at-1']
    assert trainings(folder) == {'1_big': 1, '2_middle': 2, '3_little': 1}


def test_dry_run_prints_the_plan_and_trains_nothing(folder, capsys):
    assert chained('--dry-run') == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        '  1_big: big.py, alone, to be trained',
        '  2_middle: middle.py, by 1_big, to be trained',
        '  3_little: little.py, by 2_middle, to be trained',
    ]
    assert not (folder / 'work').exists()


def test_the_first_run_may_learn_from_a_teacher_of_its_own(folder, capsys):
    shutil.copy('weights.pth', 'nowhere.pth')
    assert chained(configs=CHAIN[1:]) == 0
    assert '1_middle: middle.py, by its own teacher' in capsys.readouterr().out
    (words,) = calls(folder)['1_middle']
    assert '--cfg-options' not in words


def test_the_folder_is_named_after_the_last_config(folder, capsys):
    assert train_chain.main([*CHAIN, '--dry-run']) == 0
    assert 'A chain of 3 in work_dirs/chain_little' in capsys.readouterr().out


def test_a_folder_with_a_space_is_handed_on(folder):
    train_chain.main([*CHAIN[:2], '--work-dir', 'my runs'], [sys.executable, 'train.py'])
    (words,) = [json.loads(line) for line in (folder / 'my runs/2_middle/calls.txt').read_text().splitlines()]
    assert words[-1] == 'model.teacher.checkpoint=my runs/1_big/epoch_3.pth'


WRONG = {
    'no teacher': (
        ['big.py', 'big.py'],
        [],
        'big.py has no model.teacher, so big.py before it would',
    ),
    'no such config': (['bog.py', 'middle.py'], [], 'no config bog.py. Similar configs in'),
    'a teacher that is not there': (['middle.py'], [], 'Put the config that trains it first, big.py'),
    'several teachers': (
        ['big.py', 'ensemble.py'],
        [],
        'ensemble.py has 2 teachers, but the run before hands on only one',
    ),
    'fewer classes': (['big.py', 'five.py'], [], 'big.py has 4 classes, but five.py, which learns from it, has 5'),
    'more classes without names': (['big.py', 'three.py'], [], 'both datasets need metainfo.classes'),
    'no best': (['no_best.py', 'middle.py'], ['--pass-on', 'best'], 'no_best.py keeps no best checkpoint'),
    'a comma': (['big.py', 'middle.py'], ['--work-dir', 'a,b'], 'give a --work-dir without commas'),
    'quotes': (['big.py', 'middle.py'], ['--work-dir', "'a'"], 'give a --work-dir without commas'),
    'no value': (['big.py'], ['--cfg-options', 'lr'], '--cfg-options lr: the form is KEY=VALUE'),
    'no GPU': (['big.py'], ['--gpus', '0'], '--gpus 0: at least 1'),
    'a flag of its own': (['big.py'], ['--resume'], 'unrecognized arguments: --resume'),
}


@pytest.mark.parametrize(('configs', 'words', 'hint'), WRONG.values(), ids=WRONG)
def test_wrong_chains_are_refused_before_anything_runs(folder, capsys, configs, words, hint):
    kd = DISTILLING.format(width=4, teacher='big.py')
    data = 'train_dataloader = dict(dataset=dict(type="CocoDataset", metainfo=dict(classes=("a", "b", "c"))))\n'
    (folder / 'ensemble.py').write_text(kd + 'model["teacher"] = [dict(config="a.py"), dict(config="b.py")]\n')
    (folder / 'five.py').write_text(kd.replace('num_classes=4', 'num_classes=5'))
    (folder / 'three.py').write_text(kd.replace('num_classes=4', 'num_classes=3') + data)
    (folder / 'no_best.py').write_text(PLAIN.replace("save_best='auto'", ''))
    (folder / 'big.py').write_text(PLAIN + data.replace('("a", "b", "c")', '("p", "q", "r", "s")'))
    assert hint in refused(capsys, *words, configs=configs)
    assert not (folder / 'work').exists()


def test_a_teacher_of_more_classes_may_teach_if_it_has_the_students_names(folder):
    kd = DISTILLING.format(width=4, teacher='big.py').replace('num_classes=4', 'num_classes=2')
    coco = "train_dataloader = dict(dataset=dict(type='CocoDataset'))\ndefault_scope = 'mmdet'\n"
    named = "train_dataloader = dict(dataset=dict(type='CocoDataset', metainfo=dict(classes=('cat', 'dog'))))\n"
    (folder / 'eighty.py').write_text(PLAIN.replace('num_classes=4', 'num_classes=80') + coco)
    (folder / 'two.py').write_text(kd + named)
    assert chained('--dry-run', configs=['eighty.py', 'two.py']) == 0


def test_the_folder_of_another_chain_or_of_none_is_left_alone(folder, capsys):
    assert chained(configs=CHAIN[:2]) == 0
    shutil.copy('big.py', 'other.py')
    with (folder / 'other.py').open('a') as file:
        file.write('x = 1\n')
    said = refused(capsys, configs=('other.py', 'middle.py'))
    assert 'work belongs to another chain: its run 1 is big.py, but here it is other.py' in said
    assert 'had other content or other flags' in refused(capsys, '--seed', '1')
    with (folder / 'middle.py').open('a') as file:
        file.write('x = 1\n')
    assert 'its run 2, middle.py, had other content' in refused(capsys)
    (folder / 'work' / 'chain.json').unlink()
    assert 'was not written by a chain' in refused(capsys)
    assert trainings(folder) == {'1_big': 1, '2_middle': 1}


def test_a_run_that_has_lost_its_teachers_run_is_not_taken_for_this_chains(folder, capsys):
    assert chained() == 0
    shutil.rmtree('work/1_big')
    assert '2_middle was taught by one: delete that folder' in refused(capsys)
    shutil.rmtree('work/2_middle')
    shutil.rmtree('work/3_little')
    assert chained() == 0


def test_a_missing_checkpoint_is_told_with_what_to_delete(folder, capsys):
    (folder / 'big.py').write_text(PLAIN + "custom_hooks = [dict(type='luminet_det.ResultHook')]\n")
    assert chained(configs=CHAIN[:1]) == 0
    (folder / 'work' / '1_big' / 'result.json').write_text(json.dumps(dict(history=[])))
    for path in (folder / 'work' / '1_big').glob('*.pth'):
        path.unlink()
    assert chained() == 1
    assert 'work/1_big has no last checkpoint to hand on' in capsys.readouterr().err


def test_on_several_gpus_each_is_trained_by_the_script_for_them(folder, monkeypatch):
    script = folder / 'dist_train.sh'
    script.write_text(f'echo "$2" >> gpus.txt; config=$1; shift 2; exec {sys.executable} train.py "$config" "$@"\n')
    monkeypatch.setattr(train_chain, 'DIST_TRAIN', script)
    assert train_chain.main([*CHAIN, '--gpus', '2', '--work-dir', 'work']) == 0
    assert (folder / 'gpus.txt').read_text().split() == ['2', '2', '2']
    assert trainings(folder) == {'1_big': 1, '2_middle': 1, '3_little': 1}


def test_classifiers_teach_each_other_in_a_chain_by_tools_train(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PYTHONPATH', str(runs.TOOLS.parent))
    unfinished = dict(config='nowhere.py', checkpoint='nowhere.pth', dtype='fp32')
    models = [small.setting(width=12), *(small.distilling(unfinished, [KD], width=width) for width in (8, 4))]
    configs = [str(small.runner_config(tmp_path / f'{i}', model)) for i, model in enumerate(models)]
    assert train_chain.main([*configs, '--work-dir', 'work', '--seed', '7']) == 0, capsys.readouterr().out
    for place in (2, 3):
        log = (tmp_path / 'work' / f'{place}_small' / 'train.log').read_text()
        assert f'weights  work/{place - 1}_small/epoch_2.pth, in fp32' in log
        assert 'loss_kd' in log
    results = [json.loads((tmp_path / 'work' / f'{i}_small' / 'result.json').read_text()) for i in (1, 2, 3)]
    assert [result['seed'] for result in results] == [7, 7, 7]
    table = (tmp_path / 'work' / 'table.md').read_text().splitlines()
    for line, width, result in zip(table[2:5], (12, 8, 4), results, strict=True):
        student = small.build(small.setting(width=width))
        assert f' {sum(p.numel() for p in student.parameters()):,} |' in line
        assert f' {result["metrics"]["last"]["accuracy/top1"]:.2f} |' in line


def test_detectors_teach_each_other_in_a_chain_by_tools_train(tmp_path, monkeypatch, data, capsys):
    monkeypatch.chdir(tmp_path)
    plain = tiny.faster_rcnn()
    student = pairs.distilling(tiny.faster_rcnn(base_channels=4), 'mmdet::faster_rcnn/some_teacher.py')
    configs = [
        str(runs.tiny_config(tmp_path / name, data, model, max_iters=2))
        for name, model in (('teacher.py', plain), ('student.py', student))
    ]
    assert train_chain.main([*configs, '--work-dir', 'work']) == 0, capsys.readouterr().out
    assert 'weights  work/1_teacher/iter_2.pth' in (tmp_path / 'work' / '2_student' / 'train.log').read_text()
    table = (tmp_path / 'work' / 'table.md').read_text().splitlines()
    assert 'coco/bbox_mAP, last' in table[0]
    assert f' {sum(p.numel() for p in pairs.build(plain).parameters()):,} |' in table[2]
    assert 'not measured' not in '\n'.join(table)
