"""Runs of the study: each is trained, in as many calls as it takes, scored, and stored as one JSON file."""

import contextlib
import io
import json
import math
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from mmengine.config import Config
from pycocotools.coco import COCO

from benchmarks.digits_study.scores import score
from benchmarks.natural_images.study import PLAIN, ROOT, TEACHER, Study
from benchmarks.study.deadline import stopped_at
from benchmarks.study.kept import have_teacher, options, weights_digest
from luminet_det import run_log
from luminet_det.sweep.jobs import INTERRUPTED, Job, python_script, work_off
from luminet_det.whole_file import write_text

TRAIN = python_script(ROOT / 'tools' / 'train.py')
RESULT, ASKED = 'result.json', 'asked.json'


def finish(study: Study, runs: Sequence[tuple[str, int]], at_once: int = 1, deadline: float = math.inf) -> bool:
    """Train the runs that have no result yet, and store each result.

    On Ctrl-C or SIGTERM, and when the time is up, the running trainings save and stop.

    Args:
        study: What all runs share.
        runs: Methods, 'teacher' or some of METHODS, and seeds.
        at_once: How many train at a time.
        deadline: By `time.monotonic()`.

    Returns:
        Whether all are done.

    Raises:
        SystemExit: A training failed, a folder is that of a run with other options or data, or the teacher came out as
            another one than the results' students have heard.
    """
    jobs, failed = {}, []
    for method, seed in runs:
        folder = study.folder / study.stem(method, seed)
        # A teacher's students need its weights, which are not stored with the results.
        if study.result(method, seed).is_file() and (method != TEACHER or study.weights(method, seed).is_file()):
            continue
        claim(folder, study.asked())
        if (folder / RESULT).is_file():
            keep(study, method, seed)
        else:
            jobs[folder.name] = method, seed

    def ended(job: Job, code: int) -> None:
        if code == 0:
            keep(study, *jobs[job.name])
        elif code not in INTERRUPTED:
            failed.append(f'{job.name} ended with exit code {code}: {job.log}')

    with stopped_at(deadline):
        stopped = work_off([training(study, *run) for run in jobs.values()], ended, at_once)
    if not stopped and not failed and TEACHER in (method for method, _ in runs):
        try:
            have_teacher(study.result(TEACHER, 0), study.weights(TEACHER, 0))
        except RuntimeError as error:
            failed.append(f'{error} Or train one with students of its own: --series and a name.')
    if failed:
        sys.exit('\n'.join(failed))
    return not stopped


def claim(folder: Path, asked: dict) -> None:
    """Record the options and data of a run in its folder; refuse a folder whose run has others."""
    record = folder / ASKED
    if record.is_file() and json.loads(record.read_text()) != asked:
        sys.exit(f'{folder} holds a run with other options or data ({record}); move it away.')
    folder.mkdir(parents=True, exist_ok=True)
    write_text(record, json.dumps(asked))


def training(study: Study, method: str, seed: int) -> Job:
    """The job that trains a run, continuing where it stopped."""
    folder = study.folder / study.stem(method, seed)
    command = [*TRAIN, str(study.recipe.config_of(method)), '--work-dir', str(folder), '--seed', str(seed), '--resume']
    command += [*['--amp'] * study.amp, '--cfg-options', *study.changes(method, seed)]
    return Job(folder.name, command, folder / 'output.txt')


def keep(study: Study, method: str, seed: int) -> None:
    """Write the result of a finished run."""
    folder, path = study.folder / study.stem(method, seed), study.result(method, seed)
    for checkpoint in folder.glob('interrupted_*.pth'):
        checkpoint.unlink()
    content = described(study, method, folder)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content, indent=1) + '\n')
    print(f'{path.stem}: AP {content["metrics"]["last"]["coco/bbox_mAP"]:.3f}', flush=True)


def described(study: Study, method: str, folder: Path) -> dict:
    """The stored result of a run: its settings, the scores of each validation, and the last AP by VOC's rule."""
    found = json.loads((folder / RESULT).read_text())
    predictions = json.loads((folder / 'predictions.bbox.json').read_text())
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(study.data / 'val.json')
    # VOC neither requires difficult boxes nor counts them as errors; in pycocotools only crowds are treated so.
    for box in truth.dataset['annotations']:
        box['iscrowd'] = int(box['iscrowd'] or box.get('ignore', 0))
    config = study.recipe.config_of(method)
    heard = {} if method in (TEACHER, PLAIN) else dict(teacher=weights_digest(study.weights(TEACHER, 0)))
    return found | dict(
        method=method,
        config=str(config.relative_to(ROOT)),
        # As the run had it, with the changes of the command line.
        distill=options(Config.fromfile(folder / config.name)),
        options=study.asked(),
        versions=found['versions'] | {name: version(name) for name in ('mmdet', 'luminet_det')},
        without_difficult=score(truth, predictions, list(truth.imgs)),
        seconds=round(sum(step_seconds(folder)), 1),
        **heard,
    )


def step_seconds(folder: Path) -> Iterator[float]:
    """Seconds of each logged stretch of training, whichever process ran it."""
    done = 0
    for entry in run_log.entries(folder):
        if 'loss' in entry and entry['step'] > done:
            yield entry['time'] * (entry['step'] - done)  # `time` is per step
            done = entry['step']
