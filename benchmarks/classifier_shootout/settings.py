"""The methods of the shoot-out and the settings tried for each."""

from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from benchmarks.study.setting import REPOSITORY
from benchmarks.study.shootout import FACTORS
from luminet_det.classification.data.transform_settings import views_of
from luminet_det.distillation.loss_setting import build_loss

CONFIGS = REPOSITORY / 'configs'
STUDENT, PAIR = 'resnet20', 'resnet20-resnet56'  # of the configs
# Their replacements, so that any CPU can train them: fewer blocks of the same widths, so that everything that a method
# assumes about channels and stages holds, and images of half the size.
SMALLER = {'resnet20': 'resnet8', 'resnet32': 'resnet14', 'resnet56': 'resnet20'}
PIXELS = 16
TEACHER_EPOCHS = 10
TEACHER_WEIGHTS = f'work_dirs/teachers/{SMALLER["resnet56"]}-0/epoch_{TEACHER_EPOCHS}.pth'
PLAIN, AND, CHAIN, ASSISTANT = 'plain', '+', 'takd', 'takd_assistant'
BETWEEN = 'kd_resnet32-resnet56'  # the config of TAKD's assistant
# Methods without their own configs.
UNPUBLISHED = {'mcld': dict(tap='logits', loss=dict(type='luminet_det.MCLDLoss'))}
TOGETHER = ('luminet+reviewkd', 'luminet+crd')

# A quarter of the training images is used, and a fifth of these is held out to choose by: 10,000 to train on.
USED, HELD_OUT, IMAGES = 0.25, 0.2, 10_000
EPOCHS, DROPS = 5, [3, 4]
FULL_IMAGES, FULL_EPOCHS = 50_000, 240  # of configs/cifar100


@dataclass(frozen=True)
class Teacher:
    """The teacher of configs/cifar100_short, but smaller; it was trained on all training images."""

    study, name, metric = 'teachers', SMALLER['resnet56'], 'top1'

    @property
    def teacher(self) -> 'Teacher':
        return self

    @property
    def files(self) -> list[Path]:
        """The config file that it is built from."""
        return [CONFIGS / 'cifar100_short' / 'resnet56.py']

    def build(self) -> Config:
        config = smaller(Config.fromfile(*self.files))
        config.model.compile = False  # for so small a network compiling takes as long as it saves
        return config


@dataclass(frozen=True)
class Setting:
    """The student with a method's terms, all their weights times a factor.

    Args:
        method: The config's name before the pair, 'plain', a key of `UNPUBLISHED`, 'takd_assistant', or two joined by
            '+': the first one's config with the other's terms added.
        factor: Factor on every term's `loss_weight`.
    """

    method: str
    factor: float = 1

    study, metric, teacher = 'classifier_shootout', 'top1', Teacher()

    @property
    def name(self) -> str:
        return self.method if self.method == PLAIN else f'{self.method}_times-{self.factor:g}'

    @property
    def files(self) -> list[Path]:
        """The config files that it is built from, one for each of its methods."""
        return [file_of(method) for method in self.method.split(AND)]

    def build(self) -> Config:
        """The whole config, except for the images that are held out."""
        config = smaller(together(*map(stock, self.method.split(AND))))
        for term in config.model.get('distill', []):
            term.loss.loss_weight = build_loss(term.loss).loss_weight * self.factor
            if 'warmup' in term:
                term.warmup = shorter(term.warmup)
            if term.loss.type.endswith('FCFDLoss'):
                term.loss.feature_warmup = in_proportion(build_loss(term.loss).feature_warmup)
            if term.loss.type.endswith('CRDLoss'):
                memory = build_loss(term.loss)
                term.loss.num_samples = IMAGES
                term.loss.num_negatives = round(memory.num_negatives * IMAGES / FULL_IMAGES)
        config.train_dataloader.dataset.fraction = USED
        config.train_cfg.update(max_epochs=EPOCHS, val_interval=EPOCHS)
        config.param_scheduler.milestones = DROPS
        config.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1, max_keep_ckpts=1)
        # The teacher's accuracy is known, and each start would measure it again.
        config.custom_hooks = [hook for hook in config.custom_hooks if 'TeacherEvaluation' not in hook.type]
        if self.method == CHAIN:
            config.model.teacher.checkpoint = assistant_weights()
        elif 'teacher' in config.model and not config.model.teacher.get('trainable'):
            config.model.teacher.checkpoint = TEACHER_WEIGHTS
        return config


def stock(method: str) -> Config:
    """The config of a method as it is published, for 240 epochs of all images."""
    config = Config.fromfile(file_of(method))
    if method in UNPUBLISHED:
        config.model.distill = [UNPUBLISHED[method]]
    return config


def file_of(method: str) -> Path:
    """The file that `stock` reads."""
    if method == PLAIN:
        return CONFIGS / 'cifar100' / f'{STUDENT}.py'
    if method == ASSISTANT:
        return CONFIGS / 'cifar100' / CHAIN / f'{BETWEEN}.py'
    if method in UNPUBLISHED:
        return CONFIGS / '_base_' / 'cifar100_pairs' / f'{PAIR}.py'
    return _files()[method]


def together(config: Config, *others: Config) -> Config:
    """The first config with the others' terms added."""
    for other in others:
        config.model.distill += other.model.distill
        config.custom_hooks += [hook for hook in other.custom_hooks if hook not in config.custom_hooks]
    return config


def smaller(config: Config) -> Config:
    """The config with a smaller network, teacher and images."""
    models = [config.model]
    if teacher := config.model.get('teacher'):
        of_teacher = Config.fromfile(REPOSITORY / teacher.config).model
        alone = {key: of_teacher[key] for key in ('network', 'data_preprocessor', 'channels_last')}
        teacher.config = dict(type='luminet_det.Classifier', **alone)
        models.append(teacher.config)
    for model in models:
        model.network.type = f'luminet_det.{SMALLER[model.network.type.removeprefix("luminet_det.")]}'
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.transforms = [
            [*view, dict(type='Resize', size=PIXELS)] for view in views_of(loader.dataset.get('transforms'))
        ]
    return config


def shorter(warmup: str) -> str:
    """A published warm-up, shortened in proportion."""
    number, unit = warmup.split()
    return f'{in_proportion(int(number))} {unit}'


def in_proportion(epochs: float) -> int:
    """The same share of these epochs as of the published 240, at least one epoch."""
    return max(1, round(epochs * EPOCHS / FULL_EPOCHS))


def methods() -> list[str]:
    """The names of all methods: those with a config for the pair, those without, and two together."""
    return sorted([*_files(), *UNPUBLISHED, *TOGETHER])


def tries(method: str) -> list[Setting]:
    """The settings to try for a method, from the smallest weight to the largest."""
    return [Setting(method, factor) for factor in FACTORS]


def assistant_weights() -> str:
    """The checkpoint of TAKD's assistant."""
    assistant = Setting(ASSISTANT)
    return f'work_dirs/{assistant.study}/{assistant.name}-0/epoch_{EPOCHS}.pth'


def _files() -> dict[str, Path]:
    found = (CONFIGS / 'cifar100').rglob(f'*_{PAIR}.py')
    return {path.stem.removesuffix(f'_{PAIR}'): path for path in found}
