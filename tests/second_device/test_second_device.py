"""Whatever trains on the CPU trains on another device with the same results; no tensor is left behind on the CPU."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils import backend_registration

from luminet_det.compat import checkpoints
from tests import methods, pairs, runs, tiny
from tests.classification import small
from tools import train

ROOT = Path(__file__).parents[2]
CASES = [
    *(f'classifier {method}' for method in methods.CLASSIFIER),
    *(
        f'classifier {name}'
        for name in ('alone', 'by an ensemble', 'by a folded teacher', 'channels last', 'by a peer')
    ),
    *(f'{kind} {name}' for kind in ('two_stage', 'single_stage') for name in ('wide', 'equal')),
    *('retinanet', 'fcos', 'atss', 'gfl', 'rtmdet', 'mask_rcnn', 'cascade_rcnn', 'resident images'),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(backend_registration, '_setup_privateuseone_for_python_backend'),
        reason='this torch cannot be given a device from Python',
    ),
]


def python(module, *argv):
    """Run a module of this folder in a separate process, because the device cannot be removed again."""
    words = [sys.executable, '-W', 'ignore', '-m', f'tests.second_device.{module}', *map(str, argv)]
    path = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    return subprocess.run(words, cwd=ROOT, env=os.environ | {'PYTHONPATH': path}, capture_output=True, text=True)


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp('steps')
    finished = python('steps', folder)
    assert finished.returncode == 0, finished.stderr
    return json.loads((folder / 'steps.json').read_text())


def test_every_case_is_looked_at(found):
    assert list(found) == [*CASES, 'stray tensors']


@pytest.mark.parametrize('case', CASES)
def test_steps_and_predictions_are_those_of_the_cpu(found, case):
    # torchvision resizes uint8 images with integers on CPUs, with floating point on other devices.
    exact = 1e-3 if case == 'resident images' else 1e-5
    here, there = (found[case][device] for device in ('cpu', 'elsewhere'))
    assert isinstance(here, list), here
    assert isinstance(there, list), there
    assert there == [pytest.approx(numbers, rel=exact, abs=1e-6) for numbers in here]


def test_what_is_left_behind_on_the_cpu_is_an_error(found):
    """Otherwise the tests above would prove nothing."""
    message = found['stray tensors']['elsewhere']
    assert 'takes tensors of the device' in message


@pytest.fixture(scope='module')
def found_on_a_gpu(tmp_path_factory):
    folder = tmp_path_factory.mktemp('steps')
    finished = python('steps', folder, 'cuda')
    assert finished.returncode == 0, finished.stderr
    return json.loads((folder / 'steps.json').read_text())


@pytest.mark.gpu
@pytest.mark.parametrize('case', CASES)
def test_steps_and_predictions_on_a_gpu_are_those_of_the_cpu(found_on_a_gpu, case):
    here, there = (found_on_a_gpu[case][device] for device in ('cpu', 'cuda'))
    assert isinstance(here, list), here
    assert isinstance(there, list), there
    assert there == [pytest.approx(numbers, rel=2e-3, abs=1e-5) for numbers in here]


def test_a_classifier_killed_while_it_trains_there_ends_as_one_that_trained_here(tmp_path):
    teacher = small.save_teacher(tmp_path / 'teacher.pth')
    hook = dict(type='SignalHook', number=int(signal.SIGKILL), iteration=4)
    custom = [dict(type='luminet_det.ResultHook'), dict(type='EMAHook', momentum=0.5)]
    changes = {'default_hooks.checkpoint.by_epoch': False, 'custom_hooks': custom}
    config = small.runner_config(tmp_path / 'here', small.distilling(teacher), **changes)
    assert runs.run(train.main, [config, '--work-dir', tmp_path / 'here' / 'work'], tmp_path).code == 0
    imports = {'custom_imports.imports': ['tests.classification.small', 'tests.runs']}
    config = small.runner_config(
        tmp_path / 'there', small.distilling(teacher), **changes, **imports, **{'default_hooks.killer': hook}
    )
    words = (config, '--work-dir', tmp_path / 'there' / 'work')
    assert python('train', *words).returncode == -signal.SIGKILL
    finished = python('train', *words, '--resume')
    assert finished.returncode == 0, finished.stderr
    require_equal(tmp_path, 'iter_6.pth')
    results = [json.loads((tmp_path / place / 'work' / 'result.json').read_text()) for place in ('here', 'there')]
    assert results[0]['history'] == results[1]['history']


def test_a_detector_that_trains_there_ends_as_one_that_trained_here(tmp_path):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', tiny.faster_rcnn(base_channels=16))
    model = pairs.distilling(tiny.faster_rcnn(), teacher)
    config = runs.tiny_config(tmp_path / 'distilling.py', tiny.write_coco(tmp_path / 'data'), model)
    words = (config, '--work-dir')
    assert runs.run(train.main, [*words, tmp_path / 'here' / 'work'], tmp_path).code == 0
    finished = python('train', *words, tmp_path / 'there' / 'work')
    assert finished.returncode == 0, finished.stderr
    require_equal(tmp_path, 'iter_4.pth')


def require_equal(folder, name):
    here, there = (checkpoints.load(folder / place / 'work' / name)['state_dict'] for place in ('here', 'there'))
    for (key, mine), theirs in zip(there.items(), here.values(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-4, atol=1e-6), key
