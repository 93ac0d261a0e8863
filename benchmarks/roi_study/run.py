"""One run of the study: trained, scored on both sets, and kept as one JSON file."""

import hashlib
import json
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mmengine.config import Config
from pycocotools.coco import COCO

from benchmarks.roi_study.scenes import SPLITS, images_of
from benchmarks.roi_study.scores import score
from benchmarks.roi_study.settings import TEACHER, Setting
from luminet_det.quickstart import runs

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / 'benchmarks' / 'results' / 'roi_study'
QUICKSTART = REPOSITORY / 'configs' / 'quickstart'
STUDENT = Path(__file__).parent / 'student.py'
DATA, STUDIED = Path('data/digits'), Path('data/digits_study')
WORK = Path('work_dirs/roi_study')
PREDICTIONS = 'predictions'


def finish(setting: Setting, seed: int) -> dict:
    """The result of a setting and seed, trained if there is none yet; run from the project's folder.

    Raises:
        CalledProcessError: The training failed.
    """
    kept = result_file(setting, seed)
    if kept.is_file():
        return json.loads(kept.read_text())
    # Every student listens to one teacher.
    teacher = finish(Setting(TEACHER, uneven=setting.uneven), 0) if setting.distill else None
    folder = WORK / kept.stem
    path = write_config(setting, folder)
    run = runs.Run(path, QUICKSTART / stock(setting), folder, seed, {'log_level': 'INFO'}, (data_fingerprint(),))
    trained = runs.finish(run, train)
    content = dict(
        setting=setting.name,
        method=setting.method,
        seed=seed,
        config=f'configs/quickstart/{stock(setting)}',
        distill=setting.distill,
        recipe=setting.recipe,
        uneven=setting.uneven,
        steps=trained['steps'],
        seconds=trained['seconds'],
        scores=scores(folder),
        curve=curve(folder),
        data=data_fingerprint(),
        teacher=teacher and teacher['fingerprint'],
        fingerprint=trained['fingerprint'],
        commit=commit(),
        versions={name: version(name) for name in ('torch', 'torchvision', 'mmdet', 'mmengine', 'luminet_det')},
        hardware=f'one thread of {os.cpu_count()} {platform.machine()} cores',
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(content, indent=1) + '\n')
    return content


def result_file(setting: Setting, seed: int) -> Path:
    return RESULTS / f'{setting.name}-{seed}.json'


def stock(setting: Setting) -> str:
    """The quickstart's config of the detector that is trained."""
    return 'teacher.py' if setting.method == TEACHER else 'student.py'


def write_config(setting: Setting, folder: Path) -> Path:
    """Write the whole config of a run that will live in a folder, beside that folder."""
    config = Config.fromfile(STUDENT if setting.distill else QUICKSTART / stock(setting))
    if setting.distill:
        config.model.type = 'luminet_det.StudiedDetector'
        config.model.distill = setting.distill
        teacher = Setting(TEACHER, uneven=setting.uneven)
        config.model.teacher.checkpoint = f'{WORK}/{result_file(teacher, 0).stem}/iter_{config.train_cfg.max_iters}.pth'
    config.merge_from_dict(setting.recipe)
    if setting.uneven:
        train_set = config.train_dataloader.dataset
        train_set.data_root, train_set.ann_file = f'{STUDIED}/', 'annotations/uneven.json'
        train_set.data_prefix.img = 'uneven/'
    scored = config.val_dataloader.dataset
    scored.data_root, scored.ann_file, scored.data_prefix.img = f'{STUDIED}/', 'annotations/both.json', ''
    config.val_evaluator.ann_file = f'{STUDIED}/annotations/both.json'
    config.val_evaluator.outfile_prefix = str(folder / PREDICTIONS)
    path = folder.parent / 'configs' / f'{folder.name}.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path


def train(run: runs.Run) -> None:
    """Run tools/train.py with this package in sight."""
    command = [sys.executable, 'tools/train.py', str(run.config), '--work-dir', str(run.work_dir)]
    command += ['--seed', str(run.seed), '--resume', 'auto']
    # One thread adds up in one order: the scores are the same on any number of cores.
    environment = {'OMP_NUM_THREADS': '1', **os.environ, 'PYTHONPATH': str(REPOSITORY)}
    with (run.work_dir / 'output.txt').open('a') as output:
        subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=True)


def scores(folder: Path) -> dict[str, dict]:
    """Of each set, what the predictions in a run's folder score."""
    predictions = json.loads((folder / f'{PREDICTIONS}.bbox.json').read_text())
    return {split: score(truth(), predictions, images_of(split)) for split in SPLITS}


def curve(folder: Path) -> list[dict]:
    """Every 50 steps, the losses' means over them."""
    logs = sorted(folder.glob('*/vis_data/scalars.json'))
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    kept = ('loss', 'raw_', 'share_', 'gradient_share_', 'agreement', 'step')
    return [
        {key: round(value, 5) for key, value in line.items() if key.startswith(kept)}
        for line in lines
        if 'loss' in line
    ]


@cache
def truth() -> COCO:
    return COCO(STUDIED / 'annotations' / 'both.json')


@cache
def data_fingerprint() -> str:
    """Of all annotations, which the seeds of the scenes have drawn with the pictures."""
    files = [DATA / 'annotations' / 'train.json', *sorted((STUDIED / 'annotations').glob('*.json'))]
    return hashlib.sha256(b''.join(path.read_bytes() for path in files)).hexdigest()[:16]


@cache
def commit() -> str:
    """The commit that is checked out."""
    command = ['git', '-C', str(REPOSITORY), 'rev-parse', '--short=12', 'HEAD']
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
