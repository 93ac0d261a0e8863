"""One run of the study: trained, in as many pieces as it takes, scored, and kept as one JSON file."""

import contextlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from mmengine.config import Config
from pycocotools.coco import COCO

from benchmarks.digits_study.scores import score
from benchmarks.natural_images.study import ROOT, Study, config_of
from benchmarks.study.kept import options
from benchmarks.study.train import ONE_AT_A_TIME

TRAIN = [sys.executable, str(ROOT / 'tools' / 'train.py')]
RESULT, ASKED = 'result.json', 'asked.json'
SAVING = 25  # seconds that a run has to save in when the time is up; a validation may take longer
LEAST = 20  # seconds left for which a run is started: what is stopped before its first step has saved nothing


def finish(study: Study, method: str, seed: int, deadline: float = math.inf) -> bool:
    """Train a config to its end and keep the result, unless that was done; False if the time was up before.

    Args:
        study: What all runs share.
        method: 'teacher', or one of METHODS.
        seed: The run's.
        deadline: By `time.monotonic()`.

    Raises:
        SystemExit: The training failed, or its folder is that of a run with other options or data.
    """
    kept = study.results / f'{study.stem(method, seed)}.json'
    if kept.is_file():
        return True
    folder = study.folder / study.stem(method, seed)
    claim(folder, study.asked())
    if not (folder / RESULT).is_file() and not train(study, method, seed, folder, deadline):
        return False
    for checkpoint in folder.glob('interrupted_*.pth'):
        checkpoint.unlink()
    with ONE_AT_A_TIME:
        content = described(study, method, folder)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(content, indent=1) + '\n')
    print(f'{kept.stem}: AP {content["metrics"]["last"]["coco/bbox_mAP"]:.3f}', flush=True)
    return True


def claim(folder: Path, asked: dict) -> None:
    """Note in the folder what its run was asked to be; refuse one of another kind."""
    record = folder / ASKED
    if record.is_file() and json.loads(record.read_text()) != asked:
        sys.exit(f'{folder} holds a run with other options or data ({record}); move it away.')
    folder.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(asked))


def train(study: Study, method: str, seed: int, folder: Path, deadline: float) -> bool:
    """Run tools/train.py to its end, or have it save and stop when the time is up; whether it has ended."""
    if deadline - time.monotonic() < LEAST:
        return False
    command = [*TRAIN, str(config_of(method)), '--work-dir', str(folder), '--seed', str(seed), '--resume']
    command += [*['--amp'] * study.amp, '--cfg-options', *study.changes(method, seed)]
    # Several runs share the cores; the work is the GPU's.
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    with (folder / 'output.txt').open('a') as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            process.wait(None if deadline == math.inf else max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            # As a scheduler does it: the run saves, and resumes within its epoch.
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(SAVING)
            except subprocess.TimeoutExpired:
                # The next one goes on from its last checkpoint.
                process.kill()
                process.wait()
            return (folder / RESULT).is_file()
    if process.returncode:
        sys.exit(f'{method}, seed {seed}, ended with exit code {process.returncode}: {folder / "output.txt"}')
    return True


def described(study: Study, method: str, folder: Path) -> dict:
    """What is kept of a run: what it was, what it scored at each validation, and its last AP by VOC's rule."""
    found = json.loads((folder / RESULT).read_text())
    predictions = json.loads((folder / 'predictions.bbox.json').read_text())
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(study.data / 'val.json')
    # VOC neither asks for difficult boxes nor punishes who finds them. pycocotools has crowds for that alone.
    for box in truth.dataset['annotations']:
        box['iscrowd'] = int(box['iscrowd'] or box.get('ignore', 0))
    config = config_of(method)
    return found | dict(
        method=method,
        config=str(config.relative_to(ROOT)),
        # As it ran, with what the command line has changed.
        distill=options(Config.fromfile(folder / config.name)),
        options=study.asked(),
        versions=found['versions'] | {name: version(name) for name in ('mmdet', 'luminet_det')},
        without_difficult=score(truth, predictions, list(truth.imgs)),
        seconds=round(sum(step_seconds(folder)), 1),
    )


def step_seconds(folder: Path) -> Iterator[float]:
    """Of each logged stretch of training, whichever process took it."""
    done = 0
    for log in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in map(json.loads, log.read_text().splitlines()):
            if 'loss' in line and line['step'] > done:
                yield line['time'] * (line['step'] - done)  # `time` is that of a step
                done = line['step']
