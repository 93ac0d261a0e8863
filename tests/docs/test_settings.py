"""docs/settings.md: its keys, defaults, taps and options match the code, and none is missing."""

import inspect
import re
from contextlib import suppress
from pathlib import Path

import pytest
from mmengine.config import Config

from luminet_det import losses
from luminet_det.classification.distill_classifier import DistillClassifier
from luminet_det.detection.single_stage import DistillSingleStageDetector
from luminet_det.detection.two_stage import DistillTwoStageDetector
from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.terms import Term

DOCS = Path(__file__).parents[2] / 'docs'
PAGE = (DOCS / 'settings.md').read_text()
STUDENTS = (DistillTwoStageDetector, DistillSingleStageDetector, DistillClassifier)
TAPS = {name: tap for student in STUDENTS for name, tap in student.taps.items()}
LOSSES = sorted(name for name in losses.__all__ if inspect.isclass(getattr(losses, name)))
# Settings with which a tap accepts a loss that it refuses at its defaults.
WITH = {'OFDLoss': ({}, dict(relu='before')), 'MLLDLoss': (dict(views=1), {})}  # settings of the loss, of the term


def rows(title):
    """The rows of a section's tables: the other cells by the first, which comes without its backticks."""
    text = re.search(rf'^## {re.escape(title)}\n(.*?)(?=^## |\Z)', PAGE, re.S | re.M)[1]
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line[:1] == '|']
    return {cells[0].strip('`'): cells[1:] for cells in lines if cells[0].startswith('`')}


def defaults(of):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(of.__init__).parameters.items()
        if name != 'self' and parameter.kind is not parameter.VAR_KEYWORD
    }


def test_a_teachers_keys_and_defaults_are_all_there():
    shown = {name: cells[0].strip('`') for name, cells in rows('`teacher`').items()}
    missing = inspect.Parameter.empty
    assert shown == {name: '' if value is missing else repr(value) for name, value in defaults(Teacher).items()}


def test_a_terms_keys_and_defaults_are_all_there():
    section = rows('A term of `distill`')
    found = {name: section[name][0].strip('`') for name in ('tap', 'loss', 'warmup', 'stop')}
    assert found == {'tap': '', 'loss': '', 'warmup': '0', 'stop': 'None'}
    assert [defaults(Term)[name] for name in ('warmup', 'stop')] == [0, None]


def test_every_tap_is_there_with_its_options_the_default_first():
    section = rows('A term of `distill`')
    shown = {}
    for names, cells in section.items():
        if len(cells) == 3:
            shown |= dict.fromkeys(re.findall(r'\w+', names), cells[2])
    assert shown.keys() == TAPS.keys()
    for name, tap in TAPS.items():
        for option, choices in tap.options.items():
            assert f'`{option}={choices[0]!r}`' in shown[name]
            assert all(repr(choice) in shown[name] for choice in choices[1:] if isinstance(choice, str))


@pytest.mark.parametrize('name', LOSSES)
def test_a_losss_settings_have_the_defaults_that_the_page_says(name):
    cells = rows('Losses')[name]
    shown = dict(re.findall(r'`(\w+)=([^`]+)`', cells[0].split('With `')[0]))
    built = getattr(losses, name)()
    expected = {
        key: repr(getattr(built, key) if value is None and key != 'mid_channels' else value)
        for key, value in defaults(getattr(losses, name)).items()
    }
    assert {key: shown.get(key) for key in expected} == expected
    assert not shown.keys() - expected.keys()


def accepted(loss, tap, settings=None, options=None):
    """Whether some student accepts the loss on the tap."""
    for student in STUDENTS:
        if tap in student.taps:
            term = dict(tap=tap, loss=dict(type=f'luminet_det.{loss}', **settings or {}), **options or {})
            with suppress(ValueError):
                Term.from_setting(term, student.taps)
                return True
    return False


@pytest.mark.parametrize('name', LOSSES)
def test_a_loss_runs_on_the_taps_that_the_page_says_and_on_no_other(name):
    text = rows('Losses')[name][1]
    logits, maps = {'roi_cls', 'dense_cls', 'logits'}, {'neck', 'backbone', 'features'}
    groups = {'logits': logits, 'maps': maps, 'maps of detectors': maps - {'features'}}
    said = groups.get(text) or {word for word in re.findall(r'`(\w+)`', text) if word in TAPS}
    assert said == {tap for tap in TAPS if accepted(name, tap) or accepted(name, tap, *WITH.get(name, ()))}


def test_its_example_is_a_config():
    (block,) = re.findall(r'```python\n(.*?)```', PAGE, re.S)
    config = Config.fromstring(block, '.py')
    assert config.model.backbone.depth == 50
    for term in config.model.distill:
        Term.from_setting(term.to_dict(), DistillTwoStageDetector.taps)


def test_losses_for_dense_heads_have_the_defaults_that_the_page_says():
    loss = losses.LumiNetLoss(use_sigmoid=True)
    assert (
        'With `use_sigmoid=True`, for dense heads: `tau` 1, `loss_weight` 1, `eps` 1.'
        in rows('Losses')['LumiNetLoss'][0]
    )
    assert (loss.tau, loss.loss_weight, loss.eps) == (1, 1, 1)
