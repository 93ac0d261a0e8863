"""What the doctor says of the numbers of classes of a detector's parts."""

from torch import nn

from luminet_det.doctor import model

CLASSES = ('ant', 'bee', 'cat')


def counting(num_classes):
    part = nn.Identity()
    part.num_classes = num_classes
    return part


def levels(**parts):
    return [finding.level for finding in model.check_classes(nn.ModuleDict(parts), CLASSES, 'train_dataloader')]


def test_heads_must_have_those_of_the_data():
    assert levels(bbox_head=counting(3)) == ['OK']
    assert levels(bbox_head=counting(4)) == ['FAIL']


def test_a_backbone_and_an_rpn_count_what_they_like():
    """timm's networks count those that they were made for, or none, SSD's backbone -1, a cascade of RPNs one each."""
    backbone = nn.ModuleDict(dict(network=counting(1000)))
    rpn_head = nn.ModuleDict(dict(stages=nn.ModuleList([counting(1)])))
    assert levels(backbone=backbone, rpn_head=rpn_head, other=counting(-1), bbox_head=counting(3)) == ['OK']
