"""The tables of the replication, for the pages of the studies that it repeats."""

from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.replication.settings import LOGITS, MAPS, asked
from benchmarks.study.found import difference, gap_closed, spread_of, values
from luminet_det.published.markdown import table

TITLES = DETECTORS.titles | dict(plain='student alone')


def of_logits() -> str:
    """KD and LumiNet."""
    return _compared(LOGITS, ('plain', 'kd'))


def of_all() -> str:
    """The losses on maps as well."""
    return _compared((*LOGITS, *MAPS), ('plain', 'kd', 'luminet', 'fgfi'))


def _compared(methods: tuple[str, ...], others: tuple[str, ...]) -> str:
    settings = asked()
    lines = []
    for method in ('plain', *methods):
        setting = settings[method]
        before = others[: others.index(method)] if method in others else others
        cells = [difference(setting, settings[other]) for other in before]
        cells += [''] * (len(others) - len(cells))
        closed = gap_closed(setting, settings['plain']) if method != 'plain' else ''
        lines.append([TITLES[method], str(len(values(setting))), spread_of(setting), *cells, closed])
    return table(['', 'seeds', 'AP', *(f'vs {TITLES[other]}' for other in others), 'gap closed'], lines)
