"""What a call of the study trains: which configs, with which changes, and where it is kept."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs' / 'voc07_small'
RESULTS = ROOT / 'benchmarks' / 'results' / 'natural_images'
WORK = ROOT / 'work_dirs' / 'natural_images'
TEACHER, PLAIN, KD = 'teacher', 'plain', 'kd'
METHODS = (PLAIN, KD, 'dkd', 'luminet', 'reviewkd', 'reviewkd_luminet', 'fgfi_luminet')
EPOCHS, REHEARSED = 72, 4  # of the configs, of a rehearsal
VALIDATED = 6  # every so many epochs

# The detectors of the configs with an eighth of their widths, and 16 images.
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
    'model.test_cfg.rcnn.score_thr': 0.0,  # nothing is sure after 16 steps
    'train_dataloader.batch_size': 4,
    'train_dataloader.dataset.indices': 16,
    'val_dataloader.dataset.indices': 16,
    'train_cfg.val_interval': 2,
    'param_scheduler.0.end': 4,
    'default_hooks.checkpoint.interval': 1,
    'default_hooks.logger.interval': 1,
}
THIN_LEVELS = {True: [32, 64, 128, 256], False: [8, 16, 32, 64]}  # of a ResNet-50, of a ResNet-18


@dataclass(frozen=True)
class Study:
    """What the command line asks for.

    Args:
        data: Folder with train.json, val.json and images/.
        epochs: Length of every run; the cosine ends with it.
        amp: Whether in mixed precision.
        options: More config values, KEY=VALUE.
        rehearsal: Whether with thin nets and few images.
    """

    data: Path
    epochs: int = EPOCHS
    amp: bool = False
    options: tuple[str, ...] = ()
    rehearsal: bool = False

    @property
    def folder(self) -> Path:
        return WORK / ('rehearsal' if self.rehearsal else f'{self.epochs}_epochs')

    @property
    def results(self) -> Path:
        return self.folder if self.rehearsal else RESULTS

    def stem(self, method: str, seed: int) -> str:
        return f'{method}_{self.epochs}_epochs-{seed}'

    def asked(self) -> dict:
        """What decides the outcome of all runs, beside their configs."""
        return dict(amp=self.amp, options=list(self.options), rehearsal=self.rehearsal, data=self.digest)

    @cached_property
    def digest(self) -> str:
        """Of the annotations, and of the images' names and sizes in bytes."""
        files = [self.data / 'train.json', self.data / 'val.json']
        images = [f'{path.name} {path.stat().st_size}' for path in sorted(self.data.glob('images/*'))]
        parts = [*(path.read_bytes() for path in files), '\n'.join(images).encode()]
        return hashlib.sha256(b''.join(parts)).hexdigest()[:16]

    def changes(self, method: str, seed: int) -> list[str]:
        """What a run's config says otherwise than its file, as words for `--cfg-options`."""
        changed = {f'{name}_dataloader.dataset.data_root': f'{self.data}/' for name in ('train', 'val', 'test')}
        changed |= {f'{name}_evaluator.ann_file': self.data / 'val.json' for name in ('val', 'test')}
        changed['val_evaluator.outfile_prefix'] = self.folder / self.stem(method, seed) / 'predictions'
        changed |= {'train_cfg.max_epochs': self.epochs, 'param_scheduler.1.T_max': self.epochs}
        changed['train_cfg.val_interval'] = min(VALIDATED, self.epochs)
        if self.rehearsal:
            changed |= THIN | {'model.neck.in_channels': THIN_LEVELS[method == TEACHER]}
        if method not in (TEACHER, PLAIN):
            teacher = self.folder / self.stem(TEACHER, 0)
            # The config that its run has left: thin if that was.
            changed['model.teacher.config'] = teacher / config_of(TEACHER).name
            changed['model.teacher.checkpoint'] = teacher / f'epoch_{self.epochs}.pth'
        return [f'{key}={value}'.replace(', ', ',') for key, value in changed.items()] + list(self.options)


def config_of(method: str) -> Path:
    """The config of the teacher or of a method."""
    (found,) = CONFIGS.glob(f'{method}_r[0-9]*.py')
    return found
