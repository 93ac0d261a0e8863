"""One run of the shoot-out: trained, scored on held-out and on test images, and kept as one JSON file."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.classifier_shootout.settings import HELD_OUT, PLAIN, Setting, Teacher
from benchmarks.study.setting import REPORT, REPOSITORY, TUNE, commit, result_file

WORK = Path('work_dirs')
TEACHER = WORK / 'cifar100_short' / 'resnet56'  # where the students' configs look for its weights


def finish(setting: Setting | Teacher, seed: int) -> dict:
    """The result of a setting and seed, trained if there is none yet; run from the project's folder.

    Raises:
        CalledProcessError: The training failed.
    """
    kept = result_file(setting, seed)
    if kept.is_file():
        return json.loads(kept.read_text())
    content = taught(setting, seed) if isinstance(setting, Setting) else of_teacher(setting)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(content, indent=1) + '\n')
    return content


def taught(setting: Setting, seed: int) -> dict:
    """Train a student."""
    config = setting.build()
    folder = WORK / setting.study / f'{setting.name}-{seed}'
    path = folder.parent / 'configs' / f'{folder.name}.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    found = train(path, folder, seed, '--val-split', str(HELD_OUT))
    scores = {TUNE: _shares(found['metrics']['last']), REPORT: _shares(found['test']['last'])}
    teaches = setting.method != PLAIN and not config.model.teacher.get('trainable')
    weights = REPOSITORY / TEACHER / 'epoch_10.pth'
    return dict(
        setting=setting.name,
        seed=seed,
        ce_weight=config.model.get('ce_weight', 1.0),
        distill=config.model.get('distill', []),
        rate=config.optim_wrapper.optimizer.lr,
        teacher=hashlib.sha256(weights.read_bytes()).hexdigest()[:16] if teaches else None,
        scores=scores,
        **_of_run(found),
    )


def of_teacher(setting: Teacher) -> dict:
    """Train the teacher; it has learnt all images that a student may be chosen by."""
    found = train(REPOSITORY / 'configs' / 'cifar100_short' / 'resnet56.py', TEACHER, 0)
    return dict(setting=setting.name, seed=0, scores={REPORT: _shares(found['metrics']['last'])}, **_of_run(found))


def train(config: Path, folder: Path, seed: int, *options: str) -> dict:
    """The result.json of a run in bf16, after training if there is none."""
    result = folder / 'result.json'
    if not result.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, 'tools/train.py', str(config), '--work-dir', str(folder), '--amp', *options]
        command += ['--seed', str(seed), '--resume', 'auto']
        # One thread adds up in one order: the scores are the same on any number of cores.
        environment = {'OMP_NUM_THREADS': '1', **os.environ}
        with (folder / 'output.txt').open('a') as output:
            subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=True)
    return json.loads(result.read_text())


def _of_run(found: dict) -> dict:
    kept = ('train_images', 'epochs', 'iterations', 'batch_size', 'history', 'seconds', 'versions', 'hardware')
    return {key: found[key] for key in kept} | dict(commit=commit())


def _shares(metrics: dict[str, float]) -> dict[str, float]:
    return {name: round(metrics[f'accuracy/{name}'] / 100, 6) for name in ('top1', 'top5')}
