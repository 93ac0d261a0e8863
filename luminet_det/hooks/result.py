"""ResultHook: writes the best and the last scores of a run to one JSON file."""

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.runner import FlexibleRunner, Runner
from mmengine.utils import get_git_hash
from torch.utils.data import DataLoader

from luminet_det.class_name import is_of
from luminet_det.classification.classifier import Classifier
from luminet_det.classification.data import LabelledImages
from luminet_det.compat import checkpoints
from luminet_det.registry import DATASETS, HOOKS
from luminet_det.unwrapped import unwrapped
from luminet_det.whole_file import write_text

METRIC = 'accuracy/top1'
INFO = 'result'
HISTORY = 'history.json'
HELD_OUT_BY = ('val_fraction', 'fraction', 'subset_seed')  # settings of a dataset that divides its images


@HOOKS.register_module()
class ResultHook(Hook):
    """Write `result.json` to the work dir when training ends, and print the best and the last epoch.

    The literature quotes the best epoch on the test set, which is chosen with the answers in hand; the last epoch is
    not. Both are reported. If part of the training set is held out (`tools/train.py --val-split`), or the config
    validates a classifier on another split than it tests on, the epochs are scored on those images, and the test set is
    used only after training, for the best and the last weights.

    The history survives a resume: checkpoints contain it, and `history.json` also has the validation after the last
    checkpoint.

    Args:
        metric: The metric by which the best epoch is chosen; higher is better.
        test: Whether the epochs are scored on held-out images, so that the test set has to be scored at the end.
        config: Path of the config, written to the file; default: the Runner's own.
        options: What the command line changed, written to the file.
    """

    # After the CheckpointHook, whose best weights are tested.
    priority = 'LOWEST'

    def __init__(
        self, metric: str = METRIC, test: bool = False, config: str | None = None, options: dict | None = None
    ) -> None:
        self.metric = metric
        self.test = test
        self.config = config
        self.options = options or {}
        self._training = False

    def before_train(self, runner: Runner) -> None:
        """Restore the history of the checkpoint that is resumed.

        Raises:
            ValueError: The checkpoint was scored on other images than this run will be, or the best weights could not
                be tested.
        """
        self._training = True
        if isinstance(runner, FlexibleRunner) and (self.test or _tests_elsewhere(runner)):
            raise ValueError(
                '--fsdp cannot load the best weights for the test after training. Remove --fsdp or --val-split, or '
                'give val_dataloader and test_dataloader the same images.'
            )
        kept = runner.message_hub.get_info(INFO, {})
        now = self._selection(runner)
        before = {name: value for name, value in kept.items() if name in now}
        if runner.iter and not before.items() <= now.items():
            before, now = (', '.join(map(str, each.values())) for each in (before, now))
            raise ValueError(
                f'The resumed run chose its best epoch by the {before}, this one would choose it by the {now}: use '
                'the same --val-split and val_dataloader, or start a new run in another --work-dir.'
            )
        for which in ('val', 'test'):
            if _is_trained_on(runner, which):
                runner.logger.warning(
                    f'{which}_dataloader reads the training images, so its scores say nothing about new ones. '
                    f'Set {which}_dataloader.dataset.split, or hold images out: set val_fraction in both datasets, and '
                    "part='held-out' in this one."
                )
        self._history = self._resumed(runner, kept.get('history', []))
        self._began = time.monotonic() - kept.get('seconds', 0.0)
        self._keep(runner)
        # Written at once: what another run left in this folder is not the history of this one.
        self._write(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Note the metrics of an epoch."""
        if not self._training:
            return
        scalars = {name: float(value) for name, value in (metrics or {}).items() if isinstance(value, (int, float))}
        # mmdet reports no metric for a validation without detections.
        if (measured := [name for name in scalars if '/' in name]) and self.metric not in scalars:
            raise ValueError(f'ResultHook.metric={self.metric!r} is not measured; choose one of {", ".join(measured)}.')
        before = [scores for scores in self._history if scores['iteration'] != runner.iter]
        self._history = [*before, {'epoch': runner.epoch, 'iteration': runner.iter, **scalars}]
        self._keep(runner)
        self._write(runner)

    def after_train(self, runner: Runner) -> None:
        """Test if it is due, print the summary and write the file."""
        self._training = False
        if not self._history:
            return
        scored = [epoch for epoch in self._history if self.metric in epoch]
        if not scored:
            runner.logger.warning(f'No validation has measured {self.metric}, so there is no result.json.')
            return
        seconds = time.monotonic() - self._began
        best, last = max(scored, key=lambda epoch: epoch[self.metric]), scored[-1]
        where = self._selected_on(runner)
        tested = self._test(runner) if self.test or _tests_elsewhere(runner) else None
        for which, scores in (('best', best), ('last', last)):
            when = f'epoch {scores["epoch"]}' if scores['epoch'] else f'iteration {scores["iteration"]}'
            runner.logger.info(f'{which} {when} on the {where} images: {_listed(scores)}')
        for which, scores in (tested or {}).items():
            runner.logger.info(f'{which} on the test set: {_listed(scores)}')
        if is_main_process():
            found = self._describe(runner) | dict(
                metrics=dict(best=best, last=last),
                history=self._history,
                selected_on=where,
                test=tested,
                seconds=round(seconds, 1),
            )
            path = Path(runner.work_dir) / 'result.json'
            write_text(path, json.dumps(found, indent=1) + '\n')
            runner.logger.info(f'Written to {path}')

    def _keep(self, runner: Runner) -> None:
        # The hub is saved in checkpoints.
        seconds = time.monotonic() - self._began
        runner.message_hub.update_info(INFO, dict(history=self._history, seconds=seconds, **self._selection(runner)))

    def _write(self, runner: Runner) -> None:
        if is_main_process():
            write_text(Path(runner.work_dir) / HISTORY, json.dumps(self._history))

    @staticmethod
    def _resumed(runner: Runner, kept: list[dict]) -> list[dict]:
        """The history up to the resumed checkpoint; the file may have one validation more than the checkpoint."""
        path = Path(runner.work_dir) / HISTORY
        written = json.loads(path.read_text(encoding='utf-8')) if runner.iter and path.is_file() else []
        of_iteration = {scores['iteration']: scores for scores in [*written, *kept]}
        return [of_iteration[iteration] for iteration in sorted(of_iteration) if iteration <= runner.iter]

    def _selected_on(self, runner: Runner) -> str:
        if self.test:
            return 'held-out part of the training set'
        dataset = runner.val_loop and runner.val_loop.dataloader.dataset
        return getattr(dataset, 'split', None) or 'validation'

    def _selection(self, runner: Runner) -> dict[str, str]:
        """The images by which the best epoch is chosen: their split, and which of them are held out."""
        found = dict(selected_on=self._selected_on(runner))
        if self.test:
            dataset = runner.cfg.val_dataloader.dataset
            found['held_out'] = ', '.join(f'{name}={dataset[name]}' for name in HELD_OUT_BY if name in dataset)
        return found

    def _describe(self, runner: Runner) -> dict[str, Any]:
        loader = runner.train_dataloader
        config = self.config or runner.cfg.filename or runner.experiment_name
        return dict(
            config=str(config),
            name=Path(str(config)).stem,
            dataset=getattr(loader.dataset, 'metainfo', {}).get('dataset'),
            train_images=len(loader.dataset),
            epochs=runner.max_epochs,
            iterations=runner.max_iters,
            batch_size=_images_a_step(loader) * get_world_size(),
            seed=runner.seed,
            options={key: value for key, value in self.options.items()},
            commit=get_git_hash(),
            versions={name: version(name) for name in ('torch', 'torchvision', 'mmengine')},
            hardware=_hardware(),
        )

    @staticmethod
    def _test(runner: Runner) -> dict[str, dict[str, float]]:
        """Test scores of the weights that scored best on the held-out images, and of the last ones."""
        loop = runner.build_test_loop(runner._test_loop) if isinstance(runner._test_loop, dict) else runner._test_loop
        scores = {'last': loop.run()}
        saver = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
        if path := getattr(saver, 'best_ckpt_path', None):
            best = checkpoints.load(path)['state_dict']
            # EMAHook swaps its averaged weights in before a test, so they are replaced by the best ones too.
            models = [unwrapped(runner.model)]
            models += [hook.ema_model.module for hook in runner.hooks if isinstance(hook, EMAHook)]
            last = [{key: value.clone() for key, value in model.state_dict().items()} for model in models]
            for model in models:
                model.load_state_dict(best)
            scores = {'best': loop.run()} | scores
            for model, weights in zip(models, last, strict=True):
                model.load_state_dict(weights)
        return scores


def _images_a_step(loader: DataLoader) -> int:
    """Of one process; a loader with a custom batch sampler, such as mmdet's by aspect ratio, has no batch size."""
    return loader.batch_size or getattr(loader.batch_sampler, 'batch_size', 0)


def _tests_elsewhere(runner: Runner) -> bool:
    """Whether the config tests on other labelled images than those that it validates on."""
    val, test = (_images(runner, which) for which in ('val', 'test'))
    return runner._test_loop is not None and bool(test) and val[:3] != test[:3]


def _is_trained_on(runner: Runner, which: str) -> bool:
    """Whether a loader of labelled images reads the training images, with none of them held out."""
    return bool(trained := _images(runner, 'train')) and trained == _images(runner, which)


def _images(runner: Runner, which: str) -> tuple:
    """Type, folder, split and part of a loader's `LabelledImages`; all settings of a classifier's other datasets."""
    dataset = (runner.cfg.get(f'{which}_dataloader') or {}).get('dataset') or {}
    if not is_of(DATASETS, dataset, LabelledImages):
        return (str(dataset),) if dataset and isinstance(unwrapped(runner.model), Classifier) else ()
    defaults = dict(type=None, data_root=None, split='train', part='train')
    return tuple(dataset.get(key, default) for key, default in defaults.items())


def _listed(scores: dict[str, float]) -> str:
    return ', '.join(f'{name} {value:.2f}' for name, value in scores.items() if '/' in name)


def _hardware() -> str:
    if torch.cuda.is_available():
        return f'{torch.cuda.device_count()} x {torch.cuda.get_device_name()}'
    return f'CPU ({platform.machine()}), {torch.get_num_threads()} threads'
