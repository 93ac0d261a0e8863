"""The tables of linear probes: figure 4a's, and those of other pairs and datasets."""

from collections.abc import Sequence

from luminet_det.published import cifar100, config_path
from luminet_det.published.markdown import table
from luminet_det.published.measured import config_file, config_name, named
from luminet_det.published.probe import Probe, accuracy


def transfer(probes: Sequence[Probe]) -> str:
    """Figure 4a's table, with the numbers of earlier papers, and what to probe for each row."""
    columns = cifar100.TRANSFER_COLUMNS
    head = ['', *(f'{column}, {kind}' for column in columns for kind in ('published', 'measured')), 'CONFIG CHECKPOINT']
    lines = []
    for row in cifar100.TRANSFER:
        cells = []
        for column, figure in zip(columns, row.figures, strict=True):
            cells += [str(figure), accuracy([probe for probe in probes if _place(probe) == (row.key, column)])]
        network = row.key, cifar100.TRANSFER_PAIR
        # Every config of these trains for 240 epochs.
        probed = f'{config_file("CIFAR-100", *network)} work_dirs/{config_name(*network)}/epoch_240.pth'
        lines.append([row.method, *cells, f'`{probed}`'])
    return table(head, lines)


def other_probes(probes: Sequence[Probe]) -> str:
    """The probes outside figure 4a's table, one row per config, dataset and settings; '' if there are none."""
    groups: dict[tuple[str, ...], list[Probe]] = {}
    for probe in probes:
        if _place(probe) is None:
            groups.setdefault(_row(probe), []).append(probe)
    lines = [[*row, str(len(of)), accuracy(of), accuracy(of, 'top5')] for row, of in sorted(groups.items())]
    head = ['config', 'network', 'data', 'images', 'pixels', 'settings', 'n', 'top-1', 'top-5']
    return table(head, lines) if lines else ''


def _place(probe: Probe) -> tuple[str, str] | None:
    """The row and the column of a probe in figure 4a's table."""
    for row in cifar100.TRANSFER:
        if probe.full and probe.name == named(row.key, cifar100.TRANSFER_PAIR):
            return row.key, probe['data']
    return None


def _row(probe: Probe) -> tuple[str, ...]:
    # All image folders have the same value of 'data'.
    data = probe['data'] if probe['data'] != 'image folder' else f'folder {probe["data_name"]}'
    images = ' + '.join(f'{count:,}' for count in probe['images'])
    settings = ', '.join(probe.changed) or 'usual'
    return config_path.shown(probe['config']), probe['network'], data, images, str(probe['resize']), settings
