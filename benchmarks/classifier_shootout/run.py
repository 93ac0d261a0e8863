"""One run of the shoot-out: trained, scored on held-out and on test images, and kept as one JSON file."""

import json
from pathlib import Path

from mmengine.config import Config

from benchmarks.classifier_shootout.settings import HELD_OUT, PLAIN, STOCK, Setting, Teacher
from benchmarks.study.kept import commit, read, resolved, weights_digest
from benchmarks.study.setting import REPORT, TUNE, result_file
from benchmarks.study.train import ONE_AT_A_TIME, train
from luminet_det.classification import DistillClassifier

WORK = Path('work_dirs')
# Where the students' configs look for its weights.
TEACHER, EPOCHS = WORK / 'cifar100_short' / 'resnet56', 10
COPIED = ('train_images', 'epochs', 'iterations', 'batch_size', 'history', 'seconds', 'versions', 'hardware')


def finish(setting: Setting | Teacher, seed: int) -> dict:
    """The result of a setting and seed, trained if there is none yet; run from the project's folder.

    Raises:
        CalledProcessError: The training failed.
        RuntimeError: There is a result of other options under this name.
    """
    kept = result_file(setting, seed)
    with ONE_AT_A_TIME:
        config = setting.build()
        options = resolved(config.model.get('distill', []), DistillClassifier.taps)
        if content := read(kept, distill=options):
            return content
    run = dict(setting=setting.name, seed=seed, distill=options, commit=commit())
    if isinstance(setting, Teacher):
        found = trained(STOCK, TEACHER, seed)
        # It has learnt the images that students are chosen by.
        scores = {REPORT: _shares(found['metrics']['last'])}
    else:
        found = trained(written(setting, config, seed), WORK / setting.study / kept.stem, seed, '--val-split', HELD_OUT)
        scores = {TUNE: _shares(found['metrics']['last']), REPORT: _shares(found['test']['last'])}
        teaches = setting.method != PLAIN and not config.model.teacher.get('trainable')
        run['teacher'] = weights_digest(Path(config.model.teacher.checkpoint)) if teaches else None
    run |= dict(ce_weight=config.model.get('ce_weight', 1.0), rate=config.optim_wrapper.optimizer.lr, scores=scores)
    run |= {key: found[key] for key in COPIED}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(run, indent=1) + '\n')
    return run


def written(setting: Setting, config: Config, seed: int) -> Path:
    """A run's whole config as a file."""
    path = WORK / setting.study / 'configs' / f'{result_file(setting, seed).stem}.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path


def trained(config: Path, folder: Path, seed: int, *options) -> dict:
    """The result.json of a run in bf16, after training if there is none."""
    result = folder / 'result.json'
    if not result.is_file():
        train(config, folder, seed, '--amp', *map(str, options))
    return json.loads(result.read_text())


def _shares(metrics: dict[str, float]) -> dict[str, float]:
    return {name: round(metrics[f'accuracy/{name}'] / 100, 6) for name in ('top1', 'top5')}
