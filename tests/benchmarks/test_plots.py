"""The plots in the docs show the current results."""

import json

import pytest

from benchmarks import plots
from tools import results


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, 'DOCS', tmp_path)
    return tmp_path


def test_every_table_and_plot_of_the_project_is_what_its_results_give(capsys):
    assert results.main(['--check']) == 0, capsys.readouterr().err


def test_a_plot_is_drawn_once_and_again_when_its_figures_change(folder, monkeypatch):
    assert {path.parent for path in plots.draw()} == {folder}
    assert plots.draw() == []
    (name, (shown, make)), *others = plots.roi_study.plots().items()
    changed = json.loads(json.dumps(shown))
    changed[-1][0] = 99.0
    monkeypatch.setattr(plots.roi_study, 'plots', lambda: {name: (changed, make), **dict(others)})
    assert plots.stale() == [folder / f'{name}.png']


def test_every_plot_is_shown_by_a_page():
    pages = ''.join(path.read_text() for path in plots.DOCS.glob('*.md'))
    assert all(f'({path.name})' in pages for path in plots.plots())
