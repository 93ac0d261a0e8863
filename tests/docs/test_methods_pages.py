"""docs/methods_*.md and mutual_learning.md: their config lines train, their numbers match configs and code."""

import ast
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub

from luminet_det import losses
from luminet_det.classification import DistillClassifier, models
from luminet_det.classification.given import comparable, given, parts
from luminet_det.compat import checkpoints
from luminet_det.detection import DistillSingleStageDetector, DistillTwoStageDetector
from luminet_det.distillation.terms import Term
from tests import dense, pairs, tiny
from tests.classification import small

DOCS = Path(__file__).parents[2] / 'docs'
PAGES = {path.stem: path.read_text() for path in sorted(DOCS.glob('methods_*.md'))}
MUTUAL = (DOCS / 'mutual_learning.md').read_text()
TAPS = DistillSingleStageDetector.taps | DistillTwoStageDetector.taps | DistillClassifier.taps
WIDE = dict(type='luminet_det.resnet8x4', num_classes=4)
LEARN = ('FitNet', 'CRD', 'OFD', 'ReviewKD', 'FCFD', 'MGD')


def calls(page, *keys):
    """The values of every `dict(...)` with these keys in the page's Python blocks, in order."""
    for block in re.findall(r'```python\n(.*?)```', page, re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Call) and {each.arg for each in node.keywords} >= set(keys):
                yield eval(compile(ast.Expression(node), 'page', 'eval'), {'dict': dict})


def kind(setting):
    return setting['loss']['type'].removeprefix('luminet_det.')


LINES = {page: list(calls(text, 'tap', 'loss')) for page, text in (*PAGES.items(), ('mutual_learning', MUTUAL))}
TERMS = [pytest.param(term, id=f'{page}-{kind(term)}') for page, terms in LINES.items() for term in terms]


def rows(page, start):
    """The cells of the table whose header begins with `start`."""
    table = page[page.index(f'| {start} |') :].partition('\n\n')[0]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()[2:]]


def test_every_exported_loss_has_a_config_line():
    shown = {kind(term) for terms in LINES.values() for term in terms}
    exported = {name for name in losses.__all__ if name.endswith('Loss')}
    assert not exported - shown, 'add a section to one of the pages'
    assert not shown - exported


@pytest.fixture(scope='module')
def teachers(tmp_path_factory):
    folder = tmp_path_factory.mktemp('teachers')
    return dict(
        classifier=small.save_teacher(folder / 'classifier.pth', small.setting(network=WIDE)),
        two_stage=pairs.save_teacher(folder / 'two_stage.pth', tiny.faster_rcnn(base_channels=16)),
        single_stage=pairs.save_teacher(folder / 'single_stage.pth', dense.model('retinanet')),
    )


def step(setting, teachers):
    """The model, and the losses and total loss of one training step."""
    if setting['tap'] in DistillClassifier.taps:
        hub = MessageHub.get_instance('pages')
        hub.update_info('loop_stage', 'train')
        hub.update_info('training_labels', torch.arange(50000) % 4)
        model = small.build(small.distilling(teachers['classifier'], [setting], network=WIDE))
        data = small.batch(4, views=2 if model.terms[0].takes_views else 1)
        found = small.losses(model, data)
        return model, found, model.parse_losses(found)[0]
    if setting['tap'] == 'dense_cls':
        student, teacher = dict(dense.model('retinanet'), distill=setting), teachers['single_stage']
        model = pairs.build(student | dict(type='luminet_det.DistillSingleStageDetector', teacher=teacher))
    else:
        model = pairs.build(pairs.distilling(tiny.faster_rcnn(), teachers['two_stage'], setting))
    found = pairs.step(model)
    return model, found, pairs.total(model, found)


@pytest.mark.parametrize('setting', TERMS)
def test_every_config_line_takes_a_step(setting, teachers):
    model, found, total = step(setting, teachers)
    total.backward()
    assert found[f'loss_{model.term_names[0]}'] != 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_what_is_learned_has_the_names_that_the_page_tells(teachers):
    model, *_ = step(LINES['methods_features'][0], teachers)
    own = {name for name, _ in model.named_parameters() if not name.startswith('adaptors.0.')}
    assert own == {name for name, _ in small.build(small.setting(network=WIDE)).named_parameters()}


@pytest.mark.parametrize('name', PAGES)
def test_every_method_has_its_equation_its_config_line_and_its_publication(name):
    for section in re.split(r'\n### ', PAGES[name].partition('## The methods')[2].partition('\n## ')[0])[1:]:
        title = section.splitlines()[0]
        assert re.search(r'\n```\n.*?```', section, re.S) or title == 'TAKD', f'{title} has no equation'
        assert f"'luminet_det.{title.split()[0]}" in section or title in ('DML', 'TAKD'), f'{title} has no config line'
        assert re.search(r' et al\., "| and \w+, "', section), f'{title} names no publication'


def test_every_file_that_the_pages_name_is_there():
    for page in (*PAGES.values(), MUTUAL):
        for target in re.findall(r'\]\(([\w./]+\.md)', page):
            assert (DOCS / target).is_file(), target
        for config in re.findall(r'configs/[\w/-]+\.py|tools/\w+\.py', page):
            assert (DOCS.parent / config).is_file(), config


def configured(method, pair):
    return Config.fromfile(DOCS.parent / 'configs' / 'cifar100' / f'{method}_{pair}.py').model


def test_the_weights_of_dkd_are_those_of_the_configs():
    found = {p: float(weight) for names, weight in rows(PAGES['methods_logits'], 'pair') for p in names.split(', ')}
    assert len(found) == 11
    for pair, weight in found.items():
        assert configured('dkd', pair).distill[0].loss.non_target_weight == weight, pair


def test_the_settings_of_luminet_are_those_of_the_configs():
    table = rows(PAGES['methods_logits'].partition('### LumiNet')[2], 'pair')
    assert len(table) == 11
    for pair, tau, alpha, ce_weight in table:
        model = configured('luminet', pair.split()[0])
        loss = model.distill[0].loss
        assert (loss.tau, loss.loss_weight, model.ce_weight) == (float(tau), float(alpha) ** 2, float(ce_weight)), pair


def learned(setting, student, teacher):
    """The term's loss, adapted to the outputs of two networks for 32-pixel images."""
    stages = len(teacher.features)
    if kind(setting) in ('OFDLoss', 'ReviewKDLoss'):
        setting = dict(setting, stages=list(range(1, stages)))
    term = Term.from_setting(setting, TAPS)
    both = [given(outputs, term, part) for outputs, part in zip((student, teacher), parts(term), strict=True)]
    term.loss.adapt(*comparable(*both, term))
    return term.loss


def test_the_numbers_of_parameters_are_those_of_the_layers():
    lines = {kind(term): term for term in LINES['methods_features']}
    told = {row[0]: row[2] for row in rows(PAGES['methods_features'], 'method')}
    with torch.device('meta'), torch.no_grad():
        for pair, *counts in rows(PAGES['methods_features'], 'student-teacher'):
            outputs = [getattr(models, name)().eval()(torch.zeros(1, 3, 32, 32)) for name in pair.split('-')]
            for name, count in zip(LEARN, counts, strict=True):
                if count == '-':
                    with pytest.raises(ValueError, match='no adaptor'):
                        learned(lines[f'{name}Loss'], *outputs)
                    continue
                loss = learned(lines[f'{name}Loss'], *outputs)
                assert f'{sum(p.numel() for p in loss.parameters()):,}' == count, (pair, name)
                if pair == 'resnet8x4-resnet32x4':
                    assert told[name].startswith(count)
                if pair == 'resnet8x4-resnet32x4' and name == 'CRD':
                    kept = sum(buffer.numel() for buffer in loss.buffers())
                    assert told[name].endswith(f'{kept:,}')
                    assert f'{kept + sum(p.numel() for p in loss.parameters()):,}' in PAGES['methods_features']


def test_a_peer_is_taken_out_of_a_checkpoint_as_the_page_says(tmp_path, monkeypatch):
    model = small.build(small.distilling(dict(config=small.setting(width=12), trainable=True)))
    small.losses(model)
    (tmp_path / 'work_dirs' / 'dml').mkdir(parents=True)
    hub = MessageHub.get_current_instance()
    torch.save(dict(message_hub=hub.state_dict()), tmp_path / 'work_dirs' / 'dml' / 'epoch_240.pth')
    monkeypatch.chdir(tmp_path)
    (block,) = [each for each in re.findall(r'```python\n(.*?)```', MUTUAL, re.S) if 'luminet_det.peers' in each]
    exec(block, {})
    small.build(small.setting(width=12)).load_state_dict(checkpoints.load('peer.pth')['state_dict'], strict=True)


def test_what_mutual_learning_logs_is_what_the_page_lists():
    peers = [dict(config=small.setting(), trainable=True)] * 2
    (term,) = [each for each in LINES['mutual_learning'] if each['tap'] == 'logits']
    found = small.losses(small.build(small.distilling(peers, [term])))
    listed = {name for cell, _ in rows(MUTUAL, 'entry') for name in re.findall(r'`(\w+)`', cell)}
    assert listed <= found.keys()
    assert {name for name in found if 'peer1' in name} <= listed
    detector = pairs.distilling(tiny.faster_rcnn(), dict(config=tiny.faster_rcnn(), trainable=True))
    assert set(re.findall(r'`(peer1_loss_\w+)`', MUTUAL)) - listed <= pairs.step(pairs.build(detector)).keys()
