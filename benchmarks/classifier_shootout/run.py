"""One run of the shoot-out: trained, scored on held-out and on test images, and saved as one JSON file."""

import hashlib
import json
from functools import cache, partial
from pathlib import Path

from mmengine.config import Config

from benchmarks.classifier_shootout.settings import (
    HELD_OUT,
    TEACHER_WEIGHTS,
    Setting,
    Teacher,
    assistant_weights,
)
from benchmarks.study.found import SEARCHED
from benchmarks.study.kept import commit, have_teacher, options, read, weights_digest
from benchmarks.study.setting import REPORT, REPOSITORY, TUNE, result_file
from benchmarks.study.train import ONE_AT_A_TIME, curve, train
from luminet_det.registry import DATASETS

WORK = Path('work_dirs')
COPIED = ('train_images', 'iterations', 'history', 'seconds', 'versions', 'hardware')


def finish(setting: Setting | Teacher, seed: int) -> dict:
    """The result of a setting and seed, after training if there is none yet; run from the project's folder.

    Raises:
        CalledProcessError: The training failed.
        RuntimeError: The result under this name is from other options or another teacher.
    """
    return kept(setting, seed) or made(setting, seed)


def kept(setting: Setting | Teacher, seed: int) -> dict | None:
    """The saved result, if there is one.

    Raises:
        RuntimeError: It is from other options or another teacher.
    """
    if not result_file(setting, seed).is_file():
        return None
    with ONE_AT_A_TIME:
        config = setting.build()
        expected = dict(distill=options(config), data=data_fingerprint(), **recipe(config))
        if (weights := heard(config)) and weights.is_file():
            expected['teacher'] = weights_digest(weights)
        return read(result_file(setting, seed), **expected)


def ready(teacher: Setting | Teacher) -> None:
    """Train a teacher unless its weights are here; result files come without them.

    Raises:
        RuntimeError: It is not the teacher of the saved students.
    """
    kept(teacher, SEARCHED)
    weights = TEACHER_WEIGHTS if isinstance(teacher, Teacher) else assistant_weights()
    have_teacher(result_file(teacher, SEARCHED), Path(weights), partial(made, teacher, SEARCHED))


def recipe(config: Config) -> dict:
    """The part of a config's recipe that a result file contains."""
    return dict(
        ce_weight=config.model.get('ce_weight', 1.0),
        rate=config.optim_wrapper.optimizer.lr,
        epochs=config.train_cfg.max_epochs,
        batch_size=config.train_dataloader.batch_size,
    )


@cache
def data_fingerprint() -> str:
    """Digest of all images and labels, in their order."""
    digest = hashlib.sha256()
    for loader in ('train_dataloader', 'test_dataloader'):
        dataset = Teacher().build()[loader].dataset
        for image in DATASETS.build(dataset | dict(transforms=None, device_resident=False)):
            digest.update(image['inputs'].numpy().tobytes() + bytes([image['labels']]))
    return digest.hexdigest()[:16]


def heard(config: Config) -> Path | None:
    """The weights of a student's teacher; None without one, and for peers."""
    teacher = config.model.get('teacher')
    return Path(teacher.checkpoint) if teacher and not teacher.get('trainable') else None


def made(setting: Setting | Teacher, seed: int) -> dict:
    """Train, score, and save the result."""
    file = result_file(setting, seed)
    with ONE_AT_A_TIME:
        config = setting.build()
        data = data_fingerprint()
        run = dict(setting=setting.name, seed=seed, distill=options(config), data=data, commit=commit())
    folder = WORK / setting.study / file.stem
    if isinstance(setting, Teacher):
        found = trained(written(setting, config, seed), folder, seed)
        # It was also trained on the images that settings are chosen by.
        scores = {REPORT: _shares(found['metrics']['last'])}
    else:
        found = trained(written(setting, config, seed), folder, seed, '--val-split', HELD_OUT)
        scores = {TUNE: _shares(found['metrics']['last']), REPORT: _shares(found['test']['last'])}
        run['teacher'] = weights_digest(heard(config)) if heard(config) else None
    run['config'] = [str(path.relative_to(REPOSITORY)) for path in setting.files]
    run |= dict(scores=scores, curve=curve(folder), **recipe(config)) | {key: found[key] for key in COPIED}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(run, indent=1) + '\n')
    return run


def written(setting: Setting, config: Config, seed: int) -> Path:
    """A run's whole config as a file."""
    path = WORK / setting.study / 'configs' / f'{result_file(setting, seed).stem}.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path


def trained(config: Path, folder: Path, seed: int, *options) -> dict:
    """The result.json of a run, after training if there is none."""
    result = folder / 'result.json'
    if not result.is_file():
        train(config, folder, seed, *map(str, options))
    return json.loads(result.read_text())


def _shares(metrics: dict[str, float]) -> dict[str, float]:
    return {name: round(metrics[f'accuracy/{name}'] / 100, 6) for name in ('top1', 'top5')}
