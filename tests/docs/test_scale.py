"""docs/scale.md: its tables are the measurements, its formulas fit the counts, its commands see equally many images."""

import json
import re
import shlex

import pytest

from benchmarks import scale_tables
from benchmarks.scale import RESULT
from tests import runs
from tools import train

PAGE = scale_tables.PAGE.read_text()
COMMANDS = [shlex.split(block) for block in re.findall(r'```bash\n(.*?)\n```', PAGE, re.S)]


@pytest.fixture
def counted():
    return json.loads(RESULT.read_text())


def test_the_tables_are_the_measured_ones():
    assert set(re.findall(r'<!-- ([\w ]+) -->', PAGE)) == set(scale_tables.TABLES)
    assert scale_tables.filled(PAGE) == PAGE, 'run python -m benchmarks.scale_tables'


def test_the_traffic_is_that_of_the_formulas(counted):
    for point in counted['traffic']:
        assert point['gradient_bytes'] == 4 * point['trained_parameters']
        assert point['sync_bytes'] == 4 * (6 * (point['classes'] + 1) + 1)


def test_with_13000_classes_the_loss_stays_small(counted):
    point = counted['classes'][-1]
    assert point['classes'] == 13000
    assert point['loss_over_step'] < 0.05


def configured(command, monkeypatch):
    """The config that a command of the page trains with, without starting any processes."""
    words = [word for word in command if not re.match(r'[A-Z_]+=', word)]
    script = next(i for i, word in enumerate(words) if word.startswith('tools/'))
    arguments = words[script + 1 :]
    if words[script] == 'tools/dist_train.sh':
        arguments.pop(1)
    elif words[script] == 'tools/slurm_train.sh':
        arguments = [arguments[2], '--work-dir', *arguments[3:]]
    arguments[0] = str(runs.TOOLS.parent / arguments[0])
    launcher = [] if words[script] == 'tools/train.py' else ['--launcher', 'mpi']
    monkeypatch.setenv('LOCAL_RANK', '0')
    return train.configure(train.parser().parse_args([*arguments, *launcher]))


@pytest.mark.parametrize('command', COMMANDS, ids=lambda words: next(w for w in words if w.startswith('tools/')))
def test_every_command_sees_the_same_images(command, monkeypatch):
    settings = dict(word.split('=', 1) for word in command if re.match(r'[A-Z_]+=', word))
    cfg = configured(command, monkeypatch)
    gpus = int(settings.get('GPUS', 0)) or int(settings.get('NNODES', 1)) * (
        8 if 'tools/dist_train.sh' in command else 1
    )
    images = gpus * cfg.train_dataloader.batch_size
    assert cfg.train_cfg.max_iters * images == scale_tables.COCO_IMAGES
    steps = [cfg.param_scheduler[1].milestones, [cfg.param_scheduler[1].end, cfg.train_cfg.max_iters]]
    assert [step * images for step in steps[0]] == [120_000 * 8, 160_000 * 8]
    assert steps[1][0] == steps[1][1]
    assert cfg.auto_scale_lr.enable == (images != 8)
    assert cfg.model.distill[0].loss.get('sync', False) == (gpus > 1)
    assert ('--fsdp' in command) == (cfg.get('strategy', {}).get('type') == 'ShardedStrategy')
