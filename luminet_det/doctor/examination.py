"""All checks of a config, in order; one that fails does not stop those that do not need it."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed

from luminet_det import annotation_file, config
from luminet_det.doctor import data, model, ops, pixels, platform, precision, step, teachers
from luminet_det.doctor.findings import Finding, Report
from luminet_det.training_set import config_sources


def examine(args: Namespace, tell: Callable[[Finding], None] = lambda finding: None) -> Report:
    """Look at everything that a training run of a config needs.

    Args:
        args: The tool's flags: `config`, `cfg_options`, `checkpoint`.
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


class _Examination:
    """The checks of a config that could be read, and what they leave for each other."""

    def __init__(self, report: Report, cfg: Config, checkpoint: str | None) -> None:
        self.report, self.cfg, self.checkpoint = report, cfg, checkpoint
        self.device = platform.device()
        self.model = self.step = None
        self.datasets: dict[str, Any] = {}
        self.files: dict[str, annotation_file.Contents] = {}

    def run(self) -> None:
        """Every check, in the order in which their findings help to understand each other."""
        run, cfg = self.report.run, self.cfg
        # The same config gives the same report.
        set_random_seed((cfg.get('randomness') or {}).get('seed') or 0)
        run('model', self._build_model, 'model')
        no_model = None if self.model is not None else 'the model could not be built'
        run('ops', lambda: ops.check(self.model, cfg.model, self.device), 'model', no_model)
        run('optimizer', lambda: model.check_optimizer(self.model, cfg), 'optim_wrapper', no_model)
        readable = {name: self._data(name) for name in data.LOADERS if cfg.get(name)}
        no_train = None if 'train_dataloader' in self.datasets else 'the training set could not be read'
        both = all(name in self.datasets for name in data.LOADERS)
        if cfg.get('val_dataloader'):
            run('evaluator', lambda: data.check_evaluator(cfg), 'val_evaluator')
            lacking = None if both else 'a data set could not be read'
            run('shared images', lambda: data.check_shared(self.datasets), 'val_dataloader.dataset', lacking)
        dataset = self.datasets.get('train_dataloader')
        metainfo = getattr(dataset, 'metainfo', {})
        classes = metainfo.get('classes')
        place = 'train_dataloader'
        learnable = readable[place]
        learnable &= run('classes', lambda: model.check_classes(self.model, classes, place), '', no_model or no_train)
        distils = teachers.distils(self.model)
        run('class order', lambda: model.check_order(self.files, dataset, distils), '', no_train)
        learnable &= run(
            'student weights',
            lambda: model.check_weights(self.model, cfg, self.checkpoint),
            'Name the checkpoint of this config.' if self.checkpoint else 'init_cfg of the model, or load_from',
            no_model,
        )
        if distils:
            teachers.enter_training(cfg, metainfo)
            taught = run('teacher weights', lambda: teachers.check_weights(self.model), 'model.teacher')
            lacking = no_train or (None if taught else 'a teacher could not be built')
            learnable &= run(
                'teacher', lambda: teachers.check_wiring(self.model), 'model.teacher, or what that names', lacking
            )
        self._pixels(no_model or no_train)
        all_teachers = self.model.teachers if distils else []
        run('precision', lambda: precision.check(cfg, all_teachers, self.device), 'optim_wrapper')
        lacking = None if learnable else 'model, training set or teacher failed'
        run('step', self._take_step, 'train_dataloader and model', lacking)
        no_step = None if self.step else 'no step could be taken'
        run('memory', lambda: step.check_memory(self.step, self.model, cfg, self.device), '', no_step)

    def _build_model(self) -> Iterator[Finding]:
        self.model = model.build(self.cfg)
        millions = sum(p.numel() for p in self.model.parameters()) / 1e6
        yield Finding('model', 'OK', f'{type(self.model).__name__}, {millions:.2f} M parameters')

    def _data(self, name: str) -> bool:
        """Look at a loader's data set, and keep it if it can be read; whether nothing failed."""
        run, sound = self.report.run, True
        for place, settings in config_sources(self.cfg[name].get('dataset'), f'{name}.dataset'):
            sound &= run('annotations', lambda p=place, s=settings: data.check_file(p, s), f'{place}.ann_file')
            sound &= run('images', lambda p=place, s=settings: data.check_folder(p, s), f'{place}.data_prefix')
        lacking = None if sound else f'the files of {name} are not sound'

        def check() -> Iterator[Finding]:
            with annotation_file.watched() as files:
                dataset = data.build(name, self.cfg[name])
            self.files |= files
            yield from data.check_images(name, dataset)
            self.datasets[name] = dataset

        return run('images', check, f'{name}.dataset', lacking)

    def _pixels(self, lacking: str | None) -> None:
        paths = data.image_paths(self.datasets['train_dataloader']) if not lacking else []
        self.report.run(
            'pixels', lambda: pixels.check(self.model.data_preprocessor, paths), 'model.data_preprocessor', lacking
        )

    def _take_step(self) -> Iterator[Finding]:
        moved = self.model.to(self.device)
        self.step = step.check(moved, step.batch(self.cfg, self.datasets['train_dataloader']), self.cfg, self.device)
        yield from step.check_losses(self.step)
