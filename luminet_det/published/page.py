"""The page of all tables."""

from collections.abc import Sequence

from luminet_det.published import cifar100, imagenet
from luminet_det.published.ablation_tables import ensemble, sweep
from luminet_det.published.figure import Row
from luminet_det.published.measured import Measured
from luminet_det.published.paper_tables import (
    accuracies,
    chains,
    imagenet_pair,
    rows_of_other_methods,
    rows_of_our_own,
    sources,
    strong_augmentation,
    vit,
)
from luminet_det.published.probe import Probe
from luminet_det.published.probe_tables import other_probes, transfer
from luminet_det.published.run import Run
from luminet_det.published.short_tables import short_tables

COMMAND = 'python tools/results.py --write'
MARKS = """\
Top-1 accuracy in percent, published / measured. For "not run" the command is below; "no config" means that there is
none here. The literature quotes the best epoch on the test set, so our best epoch is shown next to the published
figure; our last epoch is given too. Measured: mean ± sample sd over n seeds.

Marks of published numbers:

- none: read in the source named.
- [R]: recalled, to be checked before it is quoted.
- [I]: the number is in the source, its column is our reading.
- `?`: there is a number in the source, but it could not be read.
- `-`: nothing published."""
TRANSFER_COMMAND = (
    'python tools/linear_probe.py CONFIG CHECKPOINT --data tiny-imagenet --out benchmarks/results/transfer/<name>.json'
)
TRANSFER_COUNTS = """\
Measured, from the files in `../transfer`: top-1, mean ± sample sd over the seeds of the linear layer, or over the means
of n networks if more than one was probed. A probe counts here if its config is in configs/cifar100, and it used all
images, at 32 pixels, with no additional options and the tool's default settings. How its weights were trained is not
recorded in its file."""

ABLATIONS = """\
The paper does not say which pair its figures 4b and 4c are for; the settings of this one are published. A run counts if
it differs from those of table 1 only in the batch size (the learning rate stays), or only in tau and an alpha of 8.25
times tau. configs/cifar100/ablations says why, and how the ensemble is made."""


def make_page(runs: Sequence[Run], probes: Sequence[Probe] = ()) -> str:
    """Write every table of the classification half, for benchmarks/results/cifar100/README.md.

    Args:
        runs: All measured runs.
        probes: All linear probes.

    Returns:
        Markdown, with a newline at its end.
    """
    cifar, image = Measured(runs, 'CIFAR-100'), Measured(runs, 'ImageNet')
    (resnet, rows18), (mobile, rows1), (genuine, _) = imagenet.PAIRS.items()
    parts = [
        '# Classification: published and measured',
        f'Written by `{COMMAND}` from the result files in this folder and in `../imagenet`; not by hand.',
        MARKS,
        '## CIFAR-100, same architecture (table 1a)',
        accuracies(cifar, cifar100.SAME_ARCHITECTURE),
        '## CIFAR-100, other architecture (table 1b)',
        accuracies(cifar, cifar100.OTHER_ARCHITECTURE),
        "## CIFAR-100, pairs beyond the paper's",
        accuracies(cifar, cifar100.BEYOND_THE_PAPER),
        'A run counts here if its config is in configs/cifar100, and it used all 50,000 training images, 240 epochs, '
        'batches of 64 and no additional options.',
        'Where the published numbers were read:',
        sources(cifar100.TOP1),
        '## The rows that have configs',
        rows_of_our_own(cifar),
        '## The other methods that have configs',
        'Each has its own folder of configs. Those of MLLD count with the epochs of their settings, up to 960.',
        rows_of_other_methods(cifar),
        '## Teacher assistants (TAKD)',
        'One command trains teacher, assistant and student in turn. The papers state neither their assistants nor '
        'their settings, so those in configs/cifar100/takd are our choice.',
        chains(cifar),
        '## CIFAR-100 with strong augmentation (table 5)',
        'The paper names AutoAugment, but says neither whether it uses one view or two nor for how many epochs. '
        "MLLD's code applies RandAugment and Cutout in a second view.",
        strong_augmentation(cifar),
        '## Vision transformer (table 6)',
        'The settings behind the published row are not published. A run counts if it used all images and 240 epochs or '
        'more.',
        vit(cifar),
        f'Published: {_source(cifar100.VIT)}.',
        '## Linear probe on other data (figure 4a)',
        f'{cifar100.TRANSFER_PAIR} on CIFAR-100, frozen, then a linear layer on images of 32 pixels. No optimiser is '
        f'published. To run a row, put its last column in place of CONFIG CHECKPOINT, and for STL-10 write stl10 in '
        f'place of tiny-imagenet: `{TRANSFER_COMMAND}`.',
        transfer(probes),
        *_about(probes),
        '## Ablations (figure 4, b to d)',
        ABLATIONS,
        f'### Batch size (figure 4b): {cifar100.SWEPT_PAIR}',
        sweep(runs, 'batch size'),
        f'Published: {_source(cifar100.BATCH_SIZE)}.',
        f'### Tau (figure 4c): {cifar100.SWEPT_PAIR}',
        sweep(runs, 'tau'),
        f'Published: {_source(cifar100.TAU)}.',
        f'### Ensemble of teachers (figure 4d): {cifar100.ENSEMBLE_PAIR}, and with {cifar100.ENSEMBLE_TEACHER}',
        ensemble(cifar),
        f'Published: {_source(cifar100.ENSEMBLE)}.',
        '## ImageNet (table 2)',
        'A run counts if it used all images and 100 epochs.',
        f'### {resnet}',
        imagenet_pair(image, resnet),
        sources(rows18),
        f'### {mobile}',
        'The papers print "ResNet50 → MobileNetV2" over these numbers; the student is MobileNet-**V1**.',
        imagenet_pair(image, mobile),
        sources(rows1),
        f'### {genuine}',
        'A genuine MobileNet-V2. Not comparable with the table above, and nothing comparable is published.',
        imagenet_pair(image, genuine),
    ]
    if short := short_tables(runs):
        parts += [
            '## Short protocols',
            'Runs without a published counterpart: fewer images or epochs, additional options, other pairs. "vs plain" '
            'is the mean difference from the plain student of the same seed, with its 95% interval (t) from three '
            'seeds on.',
            short,
        ]
    return '\n\n'.join(parts) + '\n'


def _source(rows: Sequence[Row]) -> str:
    """The source of rows that share one."""
    return sources(rows).partition(': ')[2]


def _about(probes: Sequence[Probe]) -> list[str]:
    """What follows figure 4a's table once something was measured."""
    others = other_probes(probes)
    return [*([TRANSFER_COUNTS] if probes else []), *(['### Other probes', others] if others else [])]
