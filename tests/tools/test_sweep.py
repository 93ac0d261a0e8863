"""tools/sweep.py: trains each point once, even if interrupted; refuses wrong arguments first; writes table and plot."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from luminet_det.sweep import Formula, Grid, Point, parse_grid
from tests import runs
from tools import sweep

CONFIG = """
model = dict(distill=[dict(tap='logits', loss=dict(type='LumiNetLoss', tau=4.0, loss_weight=1.0))], widths=[8, 16])
train_dataloader = dict(batch_size=64)
train_cfg = dict(by_epoch=True, max_epochs=3)
"""
TAU, WEIGHT = 'model.distill.0.loss.tau', 'model.distill.0.loss.loss_weight'
BATCH = 'train_dataloader.batch_size'

# Stands in for tools/train.py: records its arguments and 'trains' 3 epochs. The score is 10 * tau + batch / 64 + seed,
# and one more in the second epoch.
TRAIN = """
import json, os, pathlib, sys, time
from luminet_det_stub import parse
work, seed, options = parse(sys.argv)
call = json.dumps(dict(argv=sys.argv[1:], gpu=os.environ.get('CUDA_VISIBLE_DEVICES')))
(work / 'calls.txt').open('a').write(f'{call}\\n')
if options.get('tau') == '99':
    print('the loss is nan')
    sys.exit(3)
done = int((work / 'epoch').read_text()) if (work / 'epoch').is_file() else 0
folder = work / f'started-at-{done}' / 'vis_data'
folder.mkdir(parents=True, exist_ok=True)
score = 10 * float(options['tau']) + int(options.get('batch_size', 64)) / 64 + seed
with (folder / 'scalars.json').open('a') as log:
    for epoch in range(done + 1, 4):
        if epoch == 2 and options['tau'] == '7' and not done:
            print('waiting', flush=True)
            (work / 'waiting').touch()
            time.sleep(60)
        print(json.dumps({'loss': 1.0, 'epoch': epoch, 'iter': 9, 'step': 9 * epoch}), file=log)
        print(json.dumps({'accuracy/top1': score + (epoch == 2), 'time': 0.1, 'step': epoch}), file=log, flush=True)
        (work / 'epoch').write_text(str(epoch))
"""
PARSE = """
import pathlib
def parse(argv):
    work = pathlib.Path(argv[argv.index('--work-dir') + 1])
    words = [word for word in argv if '=' in word]
    options = {word.partition('=')[0].rpartition('.')[-1]: word.partition('=')[2] for word in words}
    return work, int(argv[argv.index('--seed') + 1]), options
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a config and the stub that `swept` runs in place of tools/train.py."""
    (tmp_path / 'c.py').write_text(CONFIG)
    (tmp_path / 'train.py').write_text(TRAIN)
    (tmp_path / 'luminet_det_stub.py').write_text(PARSE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def swept(*words):
    given = ['c.py', '--metric', 'accuracy/top1', '--work-dir', 'work', *map(str, words)]
    return sweep.main(given, [sys.executable, 'train.py'])


def refused(capsys, *words):
    with pytest.raises(SystemExit, match='2'):
        swept(*words)
    return capsys.readouterr().err.splitlines()[-1]


def calls(work):
    return [json.loads(line) for line in (work / 'calls.txt').read_text().splitlines()]


def test_every_combination_and_seed_is_a_row_of_table_file_and_plot(folder, capsys):
    assert swept('--grid', f'{TAU}=1,4', f'{BATCH}=32,64', '--seeds', 2, '--jobs', 4) == 0
    table = (folder / 'work' / 'table.md').read_text()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines() if line[0:1] == '|']
    assert rows[0] == ['tau', 'batch_size', 'accuracy/top1, last', 'accuracy/top1, best', 'n']
    assert rows[2:] == [
        ['1', '32', '11.00 ± 0.71', '12.00 ± 0.71', '2'],
        ['1', '64', '11.50 ± 0.71', '12.50 ± 0.71', '2'],
        ['4', '32', '41.00 ± 0.71', '42.00 ± 0.71', '2'],
        ['4', '64', '**41.50 ± 0.71**', '**42.50 ± 0.71**', '2'],
    ]
    assert table in capsys.readouterr().out
    content = json.loads((folder / 'work' / 'sweep.json').read_text())
    assert content['points'][0]['options'] == {TAU: '1', BATCH: '32'}
    assert content['points'][0]['last'] == dict(mean=11.0, sd=pytest.approx(0.5**0.5), by_seed={'0': 10.5, '1': 11.5})
    with Image.open(folder / 'work' / 'plot.png') as plot:
        assert plot.size[0] > 500
        assert len(set(plot.convert('RGB').getdata())) > 50


def test_a_training_gets_its_values_its_seed_its_folder_and_the_words_after_the_dashes(folder):
    assert swept('--grid', f'{TAU}=2', '--no-plot', '--', '--amp', '--cfg-options', 'train_cfg.extra=1') == 0
    (call,) = calls(folder / 'work' / 'tau=2,seed=0')
    start = ['c.py', '--work-dir', 'work/tau=2,seed=0', '--seed', '0', '--resume']
    assert call['argv'] == [*start, '--amp', '--cfg-options', 'train_cfg.extra=1', '--cfg-options', f'{TAU}=2']
    assert not (folder / 'work' / 'plot.png').exists()
    content = json.loads((folder / 'work' / 'sweep.json').read_text())
    assert content['words'] == ['--amp', '--cfg-options', 'train_cfg.extra=1']


def test_a_finished_point_is_not_run_again_and_further_seeds_are(folder):
    assert swept('--grid', f'{TAU}=1,2.0', '--no-plot') == 0
    assert swept('--grid', f'{TAU}=1.0,2', '--no-plot', '--seeds', 2) == 0  # the same values once parsed
    work = folder / 'work'
    assert {path.name: len(calls(path)) for path in work.iterdir() if path.is_dir()} == {
        'tau=1,seed=0': 1, 'tau=2,seed=0': 1, 'tau=1,seed=1': 1, 'tau=2,seed=1': 1
    }  # fmt: skip
    assert '10.50 ± ' not in (work / 'table.md').read_text()
    assert '11.50 ± 0.71' in (work / 'table.md').read_text()


def test_a_point_that_ended_while_nobody_looked_is_known_by_its_log(folder):
    swept('--grid', f'{TAU}=1', '--no-plot')
    record = folder / 'work' / 'tau=1,seed=0' / 'point.json'
    record.write_text(json.dumps(json.loads(record.read_text()) | dict(finished=False)))
    assert swept('--grid', f'{TAU}=1', '--no-plot') == 0
    assert len(calls(record.parent)) == 1


def test_a_classifiers_result_file_is_taken_before_its_log(folder):
    swept('--grid', f'{TAU}=1', '--no-plot')
    work = folder / 'work' / 'tau=1,seed=0'
    history = [{'epoch': epoch, 'accuracy/top1': 70.0 + epoch} for epoch in (1, 2, 3)]
    (work / 'result.json').write_text(json.dumps(dict(epochs=3, history=history)))
    assert swept('--grid', f'{TAU}=1', '--no-plot') == 0
    assert '**73.00**' in (folder / 'work' / 'table.md').read_text()
    assert len(calls(work)) == 1


def test_a_finished_iteration_based_run_is_told_without_an_earlier_step(folder, capsys):
    text = CONFIG.replace('by_epoch=True, max_epochs=3', 'by_epoch=False, max_iters=4')
    (folder / 'c.py').write_text(f'{text}default_hooks = dict(logger=dict(log_metric_by_epoch=False))\n')
    history = [{'epoch': 0, 'iteration': n, 'accuracy/top1': 70.0 + n} for n in (2, 4)]
    result = f'(work / "result.json").write_text(json.dumps(dict(history={history})))\n'
    (folder / 'train.py').write_text(TRAIN + result)
    assert swept('--grid', f'{TAU}=1', '--no-plot') == 0
    said = capsys.readouterr().out
    assert 'accuracy/top1 74.0' in said
    assert 'of 4' not in said
    (point,) = [path for path in (folder / 'work').iterdir() if path.is_dir()]
    assert [entry['step'] for entry in Point({}, 0, point, 4, '').validations()] == [2, 4]


def test_validations_of_a_resumed_run_are_each_there_once(tmp_path):
    """By default, an iteration-based run logs all its validations at step 0."""
    for folder, first, last in (('1', 1, 3), ('2', 3, 4)):
        log = tmp_path / folder / 'vis_data' / 'scalars.json'
        log.parent.mkdir(parents=True)
        lines = [
            ({'loss': 1.0, 'iter': n, 'step': n}, {'m': n + int(folder) / 10, 'step': 0})
            for n in range(first, last + 1)
        ]
        log.write_text('\n'.join(json.dumps(line) for pair in lines for line in pair) + '\n{"m": 9.9, "st')
    point = Point({}, 0, tmp_path, None, '')
    assert [entry['m'] for entry in point.validations()] == [1.1, 2.1, 3.2, 4.2]


def test_a_failed_point_is_told_with_its_log_and_the_others_go_on(folder, capsys):
    assert swept('--grid', f'{TAU}=99,1') == 1
    printed = capsys.readouterr().out
    assert 'tau=99,seed=0: FAILED, exit code 3' in printed
    assert 'the loss is nan' in printed
    table = (folder / 'work' / 'table.md').read_text()
    assert '**11.00**' in table
    assert 'Not finished: tau=99 seed 0.' in table
    assert swept('--grid', f'{TAU}=99,1') == 1
    assert len(calls(folder / 'work' / 'tau=99,seed=0')) == 2
    assert len(calls(folder / 'work' / 'tau=1,seed=0')) == 1


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_training_and_the_same_command_goes_on(folder, number):
    words = ['c.py', '--metric', 'accuracy/top1', '--work-dir', 'work', '--no-plot', '--grid', f'{TAU}=7,1']
    code = 'import sys; from tools import sweep; sys.exit(sweep.main(sys.argv[1:], [sys.executable, "train.py"]))'
    environ = dict(os.environ, PYTHONPATH=str(runs.TOOLS.parent))
    process = subprocess.Popen(
        [sys.executable, '-c', f'import signal; signal.signal(2, signal.default_int_handler); {code}', *words],
        env=environ,
        start_new_session=True,
    )
    waiting = folder / 'work' / 'tau=7,seed=0' / 'waiting'
    late = time.monotonic() + runs.TIMEOUT
    while not waiting.is_file():
        assert time.monotonic() < late
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(runs.TIMEOUT) == 128 + number
    assert not (folder / 'work' / 'tau=1,seed=0').is_dir() or not (folder / 'work' / 'tau=1,seed=0' / 'epoch').exists()
    assert swept('--grid', f'{TAU}=7,1', '--no-plot') == 0
    epochs = [path.name for path in waiting.parent.glob('started-at-*')]
    assert sorted(epochs) == ['started-at-0', 'started-at-1']  # resumed, not started over


def test_linked_options_move_together_in_order(folder):
    links = [f'{WEIGHT}=(8.75 * {{{TAU}}}) ** 2', f'train_cfg.max_epochs=int({{{WEIGHT}}} * 0) + 3']
    assert swept('--grid', f'{TAU}=2,4', '--with', *links, '--no-plot') == 0
    (call,) = calls(folder / 'work' / 'tau=4,seed=0')
    assert call['argv'][-3:] == [f'{TAU}=4', f'{WEIGHT}=1225.0', 'train_cfg.max_epochs=3']
    assert ' 306.25 |' in (folder / 'work' / 'table.md').read_text()


def test_a_formula_that_reads_a_later_one_is_refused():
    with pytest.raises(ValueError, match='the formula of c reads b, whose formula comes later; put that one first'):
        Grid({'a': ['1', '2']}, {'c': Formula('{b} * 10'), 'b': Formula('{a} * 2')})
    Grid({'a': ['1', '2']}, {'b': Formula('{a} * 2'), 'c': Formula('{b} * 10')})


def test_a_config_without_a_logger_has_a_length():
    from mmengine.config import Config

    cfg = Config(dict(a=1, train_cfg=dict(max_epochs=3), default_hooks=dict(logger=None)))
    (point,) = Grid({'a': ['2']}).points(cfg, [0], runs.TOOLS)
    assert point.length == 3


def test_a_formula_reads_what_the_config_has():
    grid = Grid({'a': ['1', '2']}, {'b': Formula('{c.0} * {a} + min(1, 2)')})
    from mmengine.config import Config

    points = grid.points(Config(dict(a=0, b=0, c=[10])), [0], runs.TOOLS)
    assert [point.options['b'] for point in points] == ['11', '21']


@pytest.mark.parametrize(
    'text',
    ["__import__('os')", '{a}.real', '[1][0]', 'open(1)', '1 if {a} else 2', "'x'", 'lambda: 1', 'x', '{a} <', 'True'],
)
def test_a_formula_is_arithmetic_and_nothing_else(text):
    with pytest.raises(ValueError, match='formula'):
        Formula(text)


@pytest.mark.parametrize('text', ['{a} / 0', '9 ** 9 ** 9', '(-1) ** 0.5', '1e300 * 1e300 * {a}', 'sqrt(-{a})'])
def test_a_formula_without_a_result_says_so(text):
    with pytest.raises(ValueError, match='formula'):
        Formula(text)({'a': 1})


WRONG = {
    'a mistyped key': (['--grid', 'model.distill.0.loss.tua=1,2'], f'Did you mean {TAU}'),
    'a place that is not there': (['--grid', 'model.distill.1.loss.tau=1,2'], f'Did you mean {TAU}'),
    'a mistyped key of a formula': (
        ['--grid', f'{TAU}=1', '--with', f'{WEIGHT}={{train_dataloader.batchsize}}'],
        f'Did you mean {BATCH}',
    ),
    'no value': (['--grid', f'{TAU}='], 'the form is --grid key=value,value'),
    'a gap': (['--grid', f'{TAU}=1,,2'], 'a value between commas is missing'),
    'a value twice': (['--grid', f'{TAU}=1,1.0'], 'takes the same value twice, as 1 and as 1.0'),
    'an option twice': (['--grid', f'{TAU}=1', f'{TAU}=2'], f'write {TAU}=1,2'),
    'an option and its parent': (['--grid', f'{TAU}=1', 'model.distill=x'], 'would replace'),
    'an option in both': (['--grid', f'{TAU}=1', '--with', f'{TAU}=2'], 'has a formula as well'),
    'words of its own': (['--grid', f'{TAU}=1', '--', '--seed=3'], '--seed=3 is set by the sweep'),
    'no seeds': (['--grid', f'{TAU}=1', '--seeds', '0'], '--seeds 0: at least 1'),
    'code': (['--grid', f'{TAU}=1', '--with', f'{WEIGHT}=exit()'], 'but not `exit()`'),
}


@pytest.mark.parametrize(('words', 'hint'), WRONG.values(), ids=WRONG)
def test_wrong_words_are_refused_before_anything_runs(folder, capsys, words, hint):
    assert hint in refused(capsys, *words)
    assert not (folder / 'work').exists()


def test_a_default_can_be_swept_once_it_is_given(folder, capsys):
    assert 'give' in refused(capsys, '--grid', 'model.distill.0.warmup=1,2')
    assert (
        swept('--grid', f'{TAU}=1', 'model.distill.0.warmup=1,2', '--', '--cfg-options', 'model.distill.0.warmup=0')
        == 0
    )


def test_the_folder_of_another_config_or_of_no_sweep_is_left_alone(folder, capsys):
    swept('--grid', f'{TAU}=1', '--no-plot')
    (folder / 'c.py').write_text(CONFIG.replace('[8, 16]', '[8, 32]'))
    assert 'tau=1,seed=0 was trained with another config' in refused(capsys, '--grid', f'{TAU}=1')
    (folder / 'work' / 'tau=1,seed=0' / 'point.json').unlink()
    assert 'was not written by a sweep' in refused(capsys, '--grid', f'{TAU}=1')


def test_a_point_without_a_training_takes_a_mended_config_and_one_with_it_keeps_its_own(folder, capsys):
    assert swept('--grid', f'{TAU}=99,1', '--no-plot') == 1
    (folder / 'c.py').write_text(CONFIG.replace('[8, 16]', '[8, 32]'))
    assert 'tau=1,seed=0 was trained with another config' in refused(capsys, '--grid', f'{TAU}=99,1')
    train = (folder / 'train.py').read_text()
    (folder / 'train.py').write_text(train.replace("== '99'", "== '98'"))
    assert swept('--grid', f'{TAU}=99', '--no-plot') == 0
    # Now that it has been trained, it keeps its config like any other point.
    (folder / 'c.py').write_text(CONFIG)
    assert 'tau=99,seed=0 was trained with another config' in refused(capsys, '--grid', f'{TAU}=99')


def test_a_mistyped_metric_is_named_with_the_nearest_and_costs_no_run(folder, capsys):
    words = ['c.py', '--work-dir', 'work', '--no-plot', '--grid', f'{TAU}=1', '--metric']
    train = [sys.executable, 'train.py']
    assert sweep.main([*words, 'accuracy/top_1'], train) == 1
    assert 'Did you mean --metric accuracy/top1?' in capsys.readouterr().err
    assert sweep.main([*words, 'accuracy/top1'], train) == 0
    assert len(calls(folder / 'work' / 'tau=1,seed=0')) == 1


def test_lower_is_better_turns_best_around(folder):
    swept('--grid', f'{TAU}=1,2', '--lower-is-better', '--no-plot')
    assert '**11.00** |           **11.00**' in (folder / 'work' / 'table.md').read_text()


def test_dry_run_prints_the_commands_that_are_left(folder, capsys):
    swept('--grid', f'{TAU}=1', '--no-plot')
    capsys.readouterr()
    assert swept('--grid', f'{TAU}=1,2', 'model.widths=[8,16],[4,8]', '--dry-run') == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == '4 points, 0 of them finished'
    assert len(printed) == 5
    assert printed[1].endswith(f"--resume --cfg-options {TAU}=1 'model.widths=[8,16]'")
    assert [path.name for path in (folder / 'work').iterdir() if path.is_dir()] == ['tau=1,seed=0']


def test_gpus_are_shared_out(folder):
    assert swept('--grid', f'{TAU}=1,2', '--gpus', '0,3', '--no-plot') == 0
    assert [calls(folder / 'work' / f'tau={tau},seed=0')[0]['gpu'] for tau in (1, 2)] == ['0', '3']


def test_names_are_as_long_as_they_need_to_be_and_lists_are_values():
    grid = Grid(parse_grid(['a.lr=1e-3,0.01', 'b.lr=1', 'c.widths=[1,2],(3,4)', 'c.file=a/b']))
    assert list(grid.names.values()) == ['a.lr', 'b.lr', 'widths', 'file']
    assert grid.values['c.widths'] == ['[1,2]', '(3,4)']


def test_a_detector_is_swept_by_its_own_metric(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [config, '--metric', 'coco/bbox_mAP', '--grid', 'train_cfg.max_iters=1,2', '--no-plot']
    each_step = ['--', '--cfg-options', 'train_cfg.val_interval=1']
    assert sweep.main([*map(str, words), *each_step]) == 0
    content = json.loads((tmp_path / 'work_dirs' / 'sweep_tiny' / 'sweep.json').read_text())
    assert [point['n'] for point in content['points']] == [1, 1]
    assert 0 <= content['points'][0]['last']['mean'] <= 1
