"""What a call of the study trains: which configs, with which changes, and where results are stored."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'benchmarks' / 'results' / 'natural_images'
WORK = ROOT / 'work_dirs' / 'natural_images'
TEACHER, PLAIN, KD = 'teacher', 'plain', 'kd'
METHODS = (
    PLAIN,
    KD,
    'kd_all_rois',
    'dkd',
    'luminet',
    'reviewkd',
    'reviewkd_luminet',
    'fgfi_luminet',
    'fgfi_standardized',
    'fgfi_standardized_luminet',
)
REHEARSED = 4  # epochs of a rehearsal

# What a rehearsal changes in every config: 16 images, and a log line for each step.
FEW_IMAGES = {
    'model.test_cfg.rcnn.score_thr': 0.0,  # no score is high after 16 steps
    'train_dataloader.batch_size': 4,
    'train_dataloader.dataset.indices': 16,
    'val_dataloader.dataset.indices': 16,
    'train_cfg.val_interval': 2,
    'param_scheduler.0.end': 4,
    'default_hooks.checkpoint.interval': 1,
    'default_hooks.logger.interval': 1,
}
# The detectors from scratch with an eighth of their widths.
THIN = {
    'model.backbone.base_channels': 8,
    'model.backbone.stem_channels': 8,
    'model.backbone.norm_cfg.num_groups': 8,
    'model.neck.norm_cfg.num_groups': 8,
    'model.neck.out_channels': 32,
    'model.rpn_head.in_channels': 32,
    'model.rpn_head.feat_channels': 32,
    'model.roi_head.bbox_roi_extractor.out_channels': 32,
    'model.roi_head.bbox_head.in_channels': 32,
    'model.roi_head.bbox_head.conv_out_channels': 32,
    'model.roi_head.bbox_head.fc_out_channels': 64,
    'model.roi_head.bbox_head.norm_cfg.num_groups': 8,
}
UNTRAINED = {'model.backbone.pretrained': False}


@dataclass(frozen=True)
class Recipe:
    """Two detectors and how both are trained: a folder of configs.

    Args:
        name: Name of the folders of configs, runs and results.
        backbones: Teacher's and student's, as in the names of the configs.
        titles: Teacher's and student's, as in the tables.
        epochs: Epochs in the configs, after which the cosine reaches zero.
        validated: Epochs between two validations.
        command: The command that trains everything without a result.
        thin: What a rehearsal changes in the teacher and in the student, besides the number of images.
        pretrained: Backbones that start from ImageNet weights, which are fetched before the first run.
    """

    name: str
    backbones: tuple[str, str]
    titles: tuple[str, str]
    epochs: int
    validated: int
    command: str
    thin: tuple[Mapping[str, object], Mapping[str, object]]
    pretrained: tuple[str, ...] = ()

    @property
    def configs(self) -> Path:
        return ROOT / 'configs' / self.name

    @property
    def results(self) -> Path:
        return RESULTS / self.name

    def config_of(self, method: str) -> Path:
        """The config of the teacher or of a method."""
        (found,) = self.configs.glob(f'{method}_{self.backbones[method != TEACHER]}-*.py')
        return found


RECIPES = dict(
    finetune=Recipe(
        name='voc07_small_lite',
        backbones=('lite2', 'lite0'),
        titles=('Lite2', 'Lite0'),
        epochs=4,
        validated=2,
        command='python -m benchmarks.natural_images finetune --jobs 2',
        thin=(UNTRAINED, UNTRAINED),
        pretrained=('tf_efficientnet_lite0', 'tf_efficientnet_lite2'),
    ),
    scratch=Recipe(
        name='voc07_small',
        backbones=('r50', 'r18'),
        titles=('R50', 'R18'),
        epochs=72,
        validated=6,
        command='python -m benchmarks.natural_images scratch --amp --minutes 8.5',
        thin=(
            THIN | {'model.neck.in_channels': [32, 64, 128, 256]},
            THIN | {'model.neck.in_channels': [8, 16, 32, 64]},
        ),
    ),
)


@dataclass(frozen=True)
class Study:
    """The options of the command line.

    Args:
        recipe: Which detectors.
        data: Folder with train.json, val.json and images/.
        epochs: Length of every run, at the end of which the cosine reaches zero.
        amp: Whether to train in mixed precision.
        options: More config values, KEY=VALUE.
        rehearsal: Whether to use thin networks and few images.
        series: Name of another teacher's runs, which have separate folders; empty for the first teacher's.
    """

    recipe: Recipe
    data: Path
    epochs: int
    amp: bool = False
    options: tuple[str, ...] = ()
    rehearsal: bool = False
    series: str = ''

    @property
    def folder(self) -> Path:
        return WORK / self.recipe.name / self.series / ('rehearsal' if self.rehearsal else f'{self.epochs}_epochs')

    def stem(self, method: str, seed: int) -> str:
        return f'{method}_{self.epochs}_epochs-{seed}'

    def result(self, method: str, seed: int) -> Path:
        """The JSON file of a run."""
        folder = self.folder if self.rehearsal else self.recipe.results / self.series
        return folder / f'{self.stem(method, seed)}.json'

    def weights(self, method: str, seed: int) -> Path:
        """The last checkpoint of a run."""
        return self.folder / self.stem(method, seed) / f'epoch_{self.epochs}.pth'

    def asked(self) -> dict:
        """What determines the outcome of all runs, besides their configs."""
        return dict(amp=self.amp, options=list(self.options), rehearsal=self.rehearsal, data=self.digest)

    @cached_property
    def digest(self) -> str:
        """Digest of the annotations, and of the images' names and sizes in bytes."""
        files = [self.data / 'train.json', self.data / 'val.json']
        images = [f'{path.name} {path.stat().st_size}' for path in sorted(self.data.glob('images/*'))]
        parts = [*(path.read_bytes() for path in files), '\n'.join(images).encode()]
        return hashlib.sha256(b''.join(parts)).hexdigest()[:16]

    def changes(self, method: str, seed: int) -> list[str]:
        """Where a run differs from its config file, as words for `--cfg-options`."""
        changed = {f'{name}_dataloader.dataset.data_root': f'{self.data}/' for name in ('train', 'val', 'test')}
        changed |= {f'{name}_evaluator.ann_file': self.data / 'val.json' for name in ('val', 'test')}
        changed['val_evaluator.outfile_prefix'] = self.folder / self.stem(method, seed) / 'predictions'
        changed |= {'train_cfg.max_epochs': self.epochs, 'param_scheduler.1.T_max': self.epochs}
        changed['train_cfg.val_interval'] = min(self.recipe.validated, self.epochs)
        if self.rehearsal:
            changed |= FEW_IMAGES | self.recipe.thin[method != TEACHER]
        if method not in (TEACHER, PLAIN):
            checkpoint = self.weights(TEACHER, 0)
            # The config that its run left in the folder: thin in a rehearsal.
            changed['model.teacher.config'] = checkpoint.with_name(self.recipe.config_of(TEACHER).name)
            changed['model.teacher.checkpoint'] = checkpoint
        return [f'{key}={value}'.replace(', ', ',') for key, value in changed.items()] + list(self.options)
