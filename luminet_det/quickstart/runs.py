"""One training run of the quickstart: reused if it is done, resumed if it was cut short, else started."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import luminet_det
from luminet_det import run_log

RECORD = 'run.json'  # written before training: whose folder this is
RESULT = 'result.json'  # written after the evaluation: what came out


@dataclass(frozen=True)
class Run:
    """One call of ``tools/train.py``.

    Args:
        config: What is trained.
        stock_config: The same detector without a teacher, by which parameters are counted and checkpoints are loaded.
        work_dir: Folder of logs, checkpoints, record and result.
        seed: Passed on to the training.
        options: Config values that replace those of the file, by dotted key.
        context: Whatever else the outcome depends on: the data's stamp, the teacher's fingerprint.
    """

    config: Path
    stock_config: Path
    work_dir: Path
    seed: int = 0
    options: dict[str, object] = field(default_factory=dict)
    context: tuple[str, ...] = ()

    @property
    def checkpoint(self) -> Path:
        return self.work_dir / f'iter_{self.settings.train_cfg.max_iters}.pth'

    @cached_property
    def settings(self):
        """The config as the training will see it."""
        return _load(self.config, self.options)

    def fingerprint(self) -> str:
        """Digest everything that decides the outcome, so that only a run of the same kind is reused."""
        digest = hashlib.sha256(self.settings.pretty_text.encode())
        digest.update(repr((self.seed, self.context, version('torch'), version('mmdet'))).encode())
        if 'teacher' in self.settings.model:
            package = Path(luminet_det.__file__).parent
            for folder in ('losses', 'distillation', 'detection'):
                for source in sorted((package / folder).glob('*.py')):
                    digest.update(source.read_bytes())
        return digest.hexdigest()[:16]


def finish(run: Run, train: Callable[[Run], None]) -> dict:
    """Finish a run and return its result.

    Args:
        run: What to train.
        train: Trains it in ``run.work_dir``, resuming from the last checkpoint there; raises if that fails.

    Returns:
        The content of ``result.json``: ``config``, ``seed``, ``steps``, ``AP``, ``AP50``, ``seconds`` (of
        training steps, over all resumes), ``parameters`` and ``fingerprint``.

    Raises:
        FileExistsError: If the folder holds something that the quickstart did not write.
        RuntimeError: If the training left no evaluation of its last step.
    """
    fingerprint = run.fingerprint()
    done = _read(run.work_dir / RESULT)
    if done.get('fingerprint') == fingerprint and run.checkpoint.is_file():
        return done
    _claim_folder(run, fingerprint)
    evaluated, saved = bool(_evaluation(run)), run.checkpoint.is_file()
    if evaluated and not saved:
        # The checkpoint was deleted: resuming would not restore it.
        _start_over(run, fingerprint)
    if not (evaluated and saved):
        train(run)
    scores = _evaluation(run)
    if not scores:
        raise RuntimeError(
            f'{run.work_dir} holds no evaluation of step {run.settings.train_cfg.max_iters}, the last one; '
            'keep train_cfg.val_interval equal to train_cfg.max_iters'
        )
    result = dict(
        config=f'{run.config.parent.name}/{run.config.name}',
        seed=run.seed,
        steps=run.settings.train_cfg.max_iters,
        # mmdet measures nothing where nothing was detected.
        AP=scores.get('coco/bbox_mAP', 0.0),
        AP50=scores.get('coco/bbox_mAP_50', 0.0),
        seconds=round(_train_seconds(run), 1),
        parameters=_count_parameters(run),
        fingerprint=fingerprint,
    )
    (run.work_dir / RESULT).write_text(json.dumps(result, indent=1))
    return result


def _claim_folder(run: Run, fingerprint: str) -> None:
    """Keep the folder of an unfinished run of the same kind, empty one of another kind, and refuse any other folder."""
    if run.work_dir.is_dir() and any(run.work_dir.iterdir()):
        record = _read(run.work_dir / RECORD)
        if not record:
            raise FileExistsError(
                f'{run.work_dir} is not empty and was not written by the quickstart (it has no {RECORD}); '
                'move it away or give another --work-dir'
            )
        if record['fingerprint'] == fingerprint:
            return
    _start_over(run, fingerprint)


def _start_over(run: Run, fingerprint: str) -> None:
    shutil.rmtree(run.work_dir, ignore_errors=True)
    run.work_dir.mkdir(parents=True)
    (run.work_dir / RECORD).write_text(json.dumps(dict(fingerprint=fingerprint)))


def _evaluation(run: Run) -> dict:
    """Return the logged scores of the last step, or an empty dict if it was not reached."""
    steps = run.settings.train_cfg.max_iters
    found = [entry for entry in run_log.entries(run.work_dir) if 'loss' not in entry and entry.get('step') == steps]
    return found[-1] if found else {}


def _train_seconds(run: Run) -> float:
    """Add up the step times that the log holds, whichever process took the steps."""
    interval = run.settings.default_hooks.logger.interval
    logged = [entry for entry in run_log.entries(run.work_dir) if 'loss' in entry]
    # An entry's `time` is the mean over the steps since the one before; the last may cover fewer.
    return sum(entry['time'] * (entry['step'] % interval or interval) for entry in logged)


def _count_parameters(run: Run) -> int:
    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope

    init_default_scope('mmdet')
    stock = _load(run.stock_config, {})
    return sum(parameter.numel() for parameter in MODELS.build(stock.model).parameters())


def _load(config: Path, options: dict[str, object]):
    from mmengine.config import Config

    loaded = Config.fromfile(config)
    loaded.merge_from_dict(dict(options))
    return loaded


def _read(path: Path) -> dict:
    return _parse(path.read_text()) if path.is_file() else {}


def _parse(text: str) -> dict:
    try:
        return json.loads(text)
    except ValueError:  # a process was killed while it wrote
        return {}
