"""One run of a study: trained, scored on both sets, and saved as one JSON file."""

import contextlib
import hashlib
import io
import json
import os
import platform
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from mmengine.config import Config
from pycocotools.coco import COCO

from benchmarks.digits_study.scenes import SPLITS, images_of
from benchmarks.digits_study.scores import score
from benchmarks.study.found import SEARCHED
from benchmarks.study.kept import commit, have_teacher, options, read, weights_digest
from benchmarks.study.setting import REPOSITORY, Setting, result_file
from benchmarks.study.train import ONE_AT_A_TIME, curve, train
from luminet_det.quickstart import runs

QUICKSTART = REPOSITORY / 'configs' / 'quickstart'
DATA, STUDIED = Path('data/digits'), Path('data/digits_study')
WORK = Path('work_dirs')
PREDICTIONS = 'predictions'
STEPS = 750  # as in configs/quickstart


class DigitsSetting(Setting, Protocol):
    """What a study trains on the digits.

    Attributes:
        stock: The same detector without a teacher: a file of configs/quickstart.
        uneven: Whether it trains on the set with few examples of three classes.
    """

    stock: str
    uneven: bool

    def build(self) -> Config:
        """The config, except for a study's own data and the teacher's weights."""


class Heard(DigitsSetting, Protocol):
    """What a student learns from: a teacher, or an assistant.

    Attributes:
        steps: How long it trains.
        seed: The seed that it is trained with.
    """

    steps: int
    seed: int


@dataclass(frozen=True)
class Teacher:
    """The quickstart's teacher, which all studies share.

    Args:
        uneven: Whether it trains on the set with few examples of three classes.
        length: How many times as long as the quickstart's teacher it trains.
        seed: The seed that it is trained with. Students are compared seed by seed, so one block of their seeds may have
            another teacher than the other blocks.
    """

    uneven: bool = False
    length: int = 1
    seed: int = SEARCHED

    study, stock, metric = 'teachers', 'teacher.py', 'AP'

    @property
    def name(self) -> str:
        return ('uneven' if self.uneven else 'even') + (f'_length-{self.length}' if self.length != 1 else '')

    @property
    def steps(self) -> int:
        return STEPS * self.length

    @property
    def teacher(self) -> 'Teacher':
        return self

    def build(self) -> Config:
        config = Config.fromfile(QUICKSTART / self.stock)
        config.merge_from_dict(schedule(self.steps))
        return config


def schedule(steps: int) -> dict:
    """Config values for a training of this number of steps, by dotted key."""
    return {'train_cfg.max_iters': steps, 'train_cfg.val_interval': steps, 'param_scheduler.1.end': steps}


def finish(setting: DigitsSetting, seed: int) -> dict:
    """The result of a setting and seed, after training if there is none yet; run from the project's folder.

    Raises:
        CalledProcessError: The training failed.
        RuntimeError: The result under this name is from other options, data or teacher.
    """
    return kept(setting, seed) or made(setting, seed)


def kept(setting: DigitsSetting, seed: int) -> dict | None:
    """The saved result, if there is one.

    Raises:
        RuntimeError: It is from other options, data or teacher.
    """
    if not result_file(setting, seed).is_file():
        return None
    with ONE_AT_A_TIME:
        config = setting.build()
        found = read(result_file(setting, seed), distill=options(config), data=data_fingerprint(), **recipe(config))
        if listens(config) and (known := digests(heard_by(setting))) and found['teacher'] not in known:
            raise RuntimeError(
                f'{result_file(setting, seed).name} is from a student of a teacher that has no result in '
                f"{result_file(heard_by(setting), SEARCHED).parent}: add the teacher's, or delete the student's."
            )
        return found


def ready(teacher: Heard) -> None:
    """Train a teacher unless its weights are here; result files come without them.

    Raises:
        RuntimeError: It is not the teacher of the saved students.
    """
    kept(teacher, teacher.seed)
    have_teacher(result_file(teacher, teacher.seed), weights(teacher), partial(made, teacher, teacher.seed))


def recipe(config: Config) -> dict:
    """The part of a config's recipe that a result file contains."""
    return dict(
        images=config.train_dataloader.batch_size,
        rate=config.optim_wrapper.optimizer.lr,
        steps=config.train_cfg.max_iters,
    )


def made(setting: DigitsSetting, seed: int) -> dict:
    """Train, score, and save the result."""
    file = result_file(setting, seed)
    with ONE_AT_A_TIME:
        config = setting.build()
        data = data_fingerprint()
        run = dict(setting=setting.name, seed=seed, distill=options(config), data=data, commit=commit())
    if listens(config):
        ready(heard_by(setting))
        run['teacher'] = weights_digest(weights(heard_by(setting)))
    folder = WORK / setting.study / file.stem
    with ONE_AT_A_TIME:
        path = write_config(setting, config, folder)
        planned = runs.Run(path, QUICKSTART / setting.stock, folder, seed, {'log_level': 'INFO'}, (data,))
    trained = trained_by(planned)
    with ONE_AT_A_TIME:
        run |= dict(
            config=f'configs/quickstart/{setting.stock}',
            **recipe(config),
            uneven=setting.uneven,
            seconds=trained['seconds'],
            scores=scores(folder),
            curve=curve(folder),
            fingerprint=trained['fingerprint'],
            versions={name: version(name) for name in ('torch', 'torchvision', 'mmdet', 'mmengine', 'luminet_det')},
            hardware=f'one thread of {os.cpu_count()} {platform.machine()} cores',
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(run, indent=1) + '\n')
    return run


def trained_by(run: runs.Run) -> dict:
    """What the quickstart saves of a run; less of one that ends in a detector without detections."""
    try:
        return runs.finish(run, lambda run: train(run.config, run.work_dir, run.seed))
    except RuntimeError:
        predictions = run.work_dir / f'{PREDICTIONS}.bbox.json'
        if not run.checkpoint.is_file() or not predictions.is_file() or json.loads(predictions.read_text()):
            raise
        return dict(steps=run.settings.train_cfg.max_iters, seconds=None, fingerprint=run.fingerprint())


def listens(config: Config) -> bool:
    """Whether the student has a teacher, which peers are not."""
    return bool(config.model.get('distill')) and not config.model.teacher.get('trainable')


def heard_by(setting: DigitsSetting) -> Heard:
    """What a student learns from: the teacher, or an assistant that the teacher has taught."""
    return getattr(setting, 'assistant', setting.teacher)


def digests(teacher: Heard) -> set[str]:
    """Digests of the teacher's weights with each of its seeds that has a result."""
    files = result_file(teacher, SEARCHED).parent.glob(f'{teacher.name}-*.json')
    return {found for path in files if (found := json.loads(path.read_text()).get('weights'))}


def weights(teacher: Heard) -> Path:
    """A teacher's checkpoint."""
    return WORK / teacher.study / f'{teacher.name}-{teacher.seed}' / f'iter_{teacher.steps}.pth'


def write_config(setting: DigitsSetting, config: Config, folder: Path) -> Path:
    """Write the whole config of a run next to the folder of that run."""
    if listens(config):
        config.model.teacher.checkpoint = str(weights(heard_by(setting)))
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


def scores(folder: Path) -> dict[str, dict]:
    """The scores of the predictions in a run's folder, on each set."""
    predictions = json.loads((folder / f'{PREDICTIONS}.bbox.json').read_text())
    return {split: score(truth(), predictions, images_of(split)) for split in SPLITS}


@cache
def truth() -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(STUDIED / 'annotations' / 'both.json')


@cache
def data_fingerprint() -> str:
    """Digest of all annotations, which the seeds of the scenes determine together with the images."""
    files = [DATA / 'annotations' / 'train.json', *sorted((STUDIED / 'annotations').glob('*.json'))]
    return hashlib.sha256(b''.join(path.read_bytes() for path in files)).hexdigest()[:16]
