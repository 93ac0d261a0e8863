"""All checks of a config, in order; one that fails does not stop those that do not need it."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed

from luminet_det import config, run_settings
from luminet_det.doctor import model, ops, pixels, platform, precision, step, teachers
from luminet_det.doctor.classification import ClassificationTask
from luminet_det.doctor.data import LOADERS
from luminet_det.doctor.detection import DetectionTask
from luminet_det.doctor.findings import Finding, Report

# The first that serves a config is used.
TASKS = (ClassificationTask, DetectionTask)


def examine(args: Namespace, tell: Callable[[Finding], None] = lambda finding: None) -> Report:
    """Look at everything that a training run of a config needs.

    Args:
        args: The tool's flags: `config`, `cfg_options`, `checkpoint`, and optionally `amp` and `auto_scale_lr`.
        tell: Called with each finding as soon as it is there.

    Raises:
        FileNotFoundError: There is no such config.
    """
    config.find(args.config)
    report = Report(tell=tell)
    report.run('versions', platform.check_versions, 'Install the versions that README.md lists.')
    found: dict[str, Any] = {}
    report.run('config', lambda: _read(args, found), 'Correct the config file.')
    if 'cfg' in found:
        _Examination(report, found['cfg'], args.checkpoint).run()
    return report


def _read(args: Namespace, found: dict) -> Iterator[Finding]:
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    cfg = config.load(args)
    DefaultScope.get_instance('doctor', scope_name=cfg.get('default_scope') or 'mmdet')
    yield from model.check_keys(cfg)
    found['cfg'] = cfg
    run_settings.check(cfg)


class _Examination:
    """The checks of a config that could be read, and the results that they share."""

    def __init__(self, report: Report, cfg: Config, checkpoint: str | None) -> None:
        self.report, self.cfg, self.checkpoint = report, cfg, checkpoint
        self.device = platform.device()
        self.model = self.step = self.batch = None
        self.task = next(task for task in TASKS if task.serves(cfg))(report, cfg)

    def run(self) -> None:
        """Run every check, in an order in which earlier findings explain later ones."""
        run, cfg = self.report.run, self.cfg
        # The same config gives the same report.
        set_random_seed((cfg.get('randomness') or {}).get('seed') or 0)
        run('model', self._build_model, 'model')
        no_model = None if self.model is not None else 'the model could not be built'
        run('ops', lambda: ops.check(self.model, cfg.model, self.device), 'model', no_model)
        run('optimizer', lambda: model.check_optimizer(self.model, cfg), 'optim_wrapper', no_model)
        readable = {name: self.task.look_at_data(name) for name in LOADERS if cfg.get(name)}
        no_train = self.task.lacking('train_dataloader')
        if cfg.get('val_dataloader'):
            run('evaluator', self.task.check_evaluator, 'val_evaluator')
            run('shared images', self.task.check_shared, 'val_dataloader.dataset', self.task.lacking_images(*LOADERS))
        learnable = readable['train_dataloader']
        learnable &= run('classes', lambda: self.task.check_classes(self.model), '', no_model or no_train)
        distils = teachers.distils(self.model)
        self.task.look_at_order(distils, no_train)
        self.task.look_at_recipe(self.model, no_model or no_train)
        learnable &= run(
            'student weights',
            lambda: model.check_weights(self.model, cfg, self.checkpoint),
            'Give a checkpoint of this config.' if self.checkpoint else 'init_cfg of the model, or load_from',
            no_model,
        )
        teachers.enter_training(cfg, self.task.datasets.get('train_dataloader'))
        if distils:
            taught = run('teacher weights', lambda: teachers.check_weights(self.model), 'model.teacher')
            lacking = no_train or (None if taught else 'a teacher could not be built')
            learnable &= run(
                'teacher',
                lambda: teachers.check_wiring(self.model),
                'model.teacher, or the files that it names',
                lacking,
            )
        run(
            'pixels',
            lambda: pixels.check(self.model.data_preprocessor, self.task.statistics()),
            'model.data_preprocessor',
            no_model or self.task.lacking_images('train_dataloader'),
        )
        all_teachers = self.model.teachers if distils else []
        run('precision', lambda: precision.check(cfg, all_teachers, self.device), 'optim_wrapper')
        lacking = None if learnable else 'model, training set or teacher failed'
        run('step', self._take_step, 'What the message names, in model or train_dataloader.', lacking)
        no_step = None if self.step else 'no step could be taken'
        self.task.look_at_answers(self.model, self.batch, no_step)
        run('memory', lambda: step.check_memory(self.step, self.model, cfg, self.device), '', no_step)

    def _build_model(self) -> Iterator[Finding]:
        self.model = model.build(self.cfg)
        # Adaptors of losses and peers are trained too, but are not part of the student.
        own = [p for name, p in self.model.named_parameters() if not name.startswith(('adaptors.', 'peers.'))]
        millions = sum(p.numel() for p in own) / 1e6
        yield Finding('model', 'OK', f'{type(self.model).__name__}, {millions:.2f} M parameters')

    def _take_step(self) -> Iterator[Finding]:
        moved = self.model.to(self.device)
        self.batch = step.batch(self.cfg.train_dataloader, self.task.datasets['train_dataloader'])
        self.step = step.check(moved, self.batch, self.cfg, self.device)
        yield from step.check_losses(self.step)
