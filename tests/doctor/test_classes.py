"""What the doctor says about the numbers of classes of a detector's parts."""

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
    """A timm network has its original classes, or none; SSD's backbone has -1, each stage of a cascade RPN one."""
    backbone = nn.ModuleDict(dict(network=counting(1000)))
    rpn_head = nn.ModuleDict(dict(stages=nn.ModuleList([counting(1)])))
    assert levels(backbone=backbone, rpn_head=rpn_head, other=counting(-1), bbox_head=counting(3)) == ['OK']
