"""What the pictures of an analysis show, and the page that holds them."""

import re
import sys

import pytest
import torch

from luminet_det.classification.analysis import Answers, pictures
from luminet_det.classification.analysis.gallery import Picture, gallery, shown_classes
from luminet_det.classification.analysis.page import cells, write_page
from luminet_det.classification.analysis.pictures.style import MOST_CLASSES, class_style
from luminet_det.classification.analysis.subjects import Subjects
from luminet_det.extra import require
from luminet_det.losses import LumiNetLoss, perception

CLASSES = tuple(f'class_{i}' for i in range(6))


def answers(seed, embedding=True):
    draw = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(60, 6, generator=draw)
    return Answers(logits, torch.randn(60, 4, generator=draw) if embedding else None, torch.arange(60) % 6)


def subjects(teacher=True, embedding=True):
    networks = {'teacher: big': answers(0, embedding)} if teacher else {}
    return Subjects(
        networks=networks | {'student: small': answers(1)},
        teacher='teacher: big' if teacher else None,
        classes=CLASSES,
        dataset='six',
        batch_size=20,
        loss=LumiNetLoss(tau=2.0),
        facts={},
    )


def drawn(picture):
    figure = picture.draw()
    figure.canvas.draw()
    return figure


def named(found, teacher=True, embedding=True):
    return {picture.name: picture for picture in gallery(subjects(teacher, embedding), {0: 'a', 1: 'b'})}[found]


def test_the_perceptions_are_those_of_the_batch_divided_by_tau_with_rows_ordered_by_class():
    given = answers(0)
    rows = torch.tensor([7, 0, 13, 2])
    figure = pictures.draw_perceptions({'net': given}, rows, tau=2.0)
    raw, perceived = (axes.images[0].get_array() for axes in figure.axes[:2])
    ordered = torch.tensor([0, 7, 13, 2])
    assert given.labels[ordered].tolist() == [0, 1, 1, 2]
    torch.testing.assert_close(torch.from_numpy(raw.data).float(), given.logits[ordered])
    torch.testing.assert_close(torch.from_numpy(perceived.data).float(), perception(given.logits[ordered]) / 2)


def test_one_scale_serves_all_networks_of_a_comparison():
    networks = {'one': answers(0), 'ten times': answers(0)._replace(logits=10 * answers(0).logits)}
    for figure in (
        pictures.draw_perceptions(networks, torch.arange(20)),
        pictures.draw_correlations(networks, answers(3)),
        pictures.draw_class_scores(networks, {0: 'a', 1: 'b'}),
    ):
        first, second = (axes.images[0].get_clim() for axes in figure.axes[:2])
        assert first == second


def test_the_column_averages_are_over_all_images():
    given = answers(0)
    figure = pictures.draw_class_scores({'net': given}, {4: 'd', 1: 'b'})
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert heights == pytest.approx(given.logits[:, [4, 1]].mean(0).tolist())
    rows = torch.stack([given.logits[given.labels == label][:, [4, 1]].mean(0) for label in (4, 1)])
    torch.testing.assert_close(torch.from_numpy(figure.axes[0].images[0].get_array().data).float(), rows)


def test_after_perception_the_boxes_of_a_rescaled_network_are_the_same():
    networks = {'one': answers(0), 'ten times': answers(0)._replace(logits=10 * answers(0).logits)}
    figure = pictures.draw_intra_class(networks, {0: 'a', 1: 'b'})
    boxes = [[box.get_path().vertices[:, 1] for box in axes.patches] for axes in figure.axes]
    assert not torch.allclose(*(torch.tensor(boxes[0][i]) for i in (0, 2)), atol=0.1)
    assert torch.allclose(*(torch.tensor(boxes[1][i]) for i in (0, 2)), atol=1e-4)


def test_the_tsne_shows_so_many_images_of_the_classes_that_are_asked_for():
    figure = pictures.draw_embeddings({'net': answers(0)}, {3: 'c', 5: 'e'}, most=7)
    points = [len(collection.get_offsets()) for collection in figure.axes[0].collections]
    assert points == [7, 7]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['c', 'e']


def test_no_two_classes_of_a_picture_look_alike():
    styles = {tuple(class_style(place).values()) for place in range(MOST_CLASSES)}
    assert len(styles) == MOST_CLASSES >= 20


@pytest.mark.parametrize('name', ['correlations', 'class_scores', 'intra_class', 'perceptions', 'reliability'])
def test_every_picture_can_be_drawn(name):
    titles = [axes.get_title() for axes in drawn(named(name)).axes]
    assert any(titles)


def test_without_a_teacher_only_what_needs_one_is_left_out_and_says_so():
    made = list(gallery(subjects(teacher=False), {0: 'a', 1: 'b'}))
    assert [picture.name for picture in made if picture.draw is None] == ['correlations']
    assert 'it needs a teacher' in named('correlations', teacher=False).text


def test_a_network_without_an_embedding_is_named_and_the_others_are_shown():
    picture = named('embeddings', embedding=False)
    assert 'Left out: teacher: big' in picture.text
    assert len(drawn(picture).axes) == 1


def test_classes_are_spread_over_the_data_set_or_named():
    assert list(shown_classes(subjects(), 3)) == [0, 2, 5]
    assert shown_classes(subjects(), names=['class_4', 'class_1']) == {4: 'class_4', 1: 'class_1'}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(count=1), '1 classes were chosen; pictures show 2 to 21. Change --classes'),
        (dict(count=22), '22 classes were chosen'),
        (dict(names=['class_1', 'dog']), r'names dog, which six does not have. It has class_0, class_1'),
    ],
)
def test_classes_that_cannot_be_shown_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        shown_classes(subjects(), **arguments)


def test_the_page_needs_no_other_file_and_shows_names_as_they_are(tmp_path):
    png = tmp_path / 'a.png'
    drawn(named('reliability')).savefig(png)
    numbers = {'teacher: <b>': dict(top1=70.0), 'one': dict(top1=60.0, agreement=50.0), 'two': dict(top1=65.0)}
    one, lacking = Picture('a', 'A', 'Read it.', print), Picture('b', 'B', 'There is no teacher.', None)
    page = tmp_path / 'index.html'
    write_page(page, 'title', numbers, [(one, png), (lacking, None)], {'config': 'c.py'}, 'teacher: <b>')
    text = page.read_text()
    assert re.findall(r'(?:src|href)="(.{22})', text) == ['data:image/png;base64,']
    assert 'http' not in text
    assert '<b>' not in text
    assert 'There is no teacher.' in text
    assert re.findall(r'class="best">([^<]*)', text) == ['65.00']


def test_a_number_that_a_network_has_not_is_a_dash():
    found = cells({'teacher': dict(top1=70.0), 'student': dict(top1=60.0, agreement=50.0)})
    assert found == [
        ['', 'top-1, %', 'agrees with teacher, %'],
        ['teacher', '70.00', '-'],
        ['student', '60.00', '50.00'],
    ]


@pytest.mark.parametrize('module', ['matplotlib', 'sklearn'])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"{module} is not installed; run pip install '\.\[quickstart\]'"):
        require('the pictures are drawn', 'matplotlib', 'sklearn')
