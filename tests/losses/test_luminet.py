import os
from datetime import timedelta

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributed as dist
from torch import multiprocessing, nn
from torch.testing._internal.distributed.fake_pg import FakeStore

from luminet_det.losses import LumiNetLoss, perception


def by_the_book(logits, eps=1e-5):
    """Eq. 3 as written, with the gradient left to autograd."""
    return (logits - logits.mean(0)) / (logits.var(0, correction=0) + eps).sqrt()


def random_logits(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient_of(loss, student, teacher):
    student = student.detach().requires_grad_()
    return torch.autograd.grad(loss(student, teacher), student)[0]


# Perception, Eq. 3


def test_the_perception_of_the_first_class_equals_the_reference(student):
    expected = torch.tensor([1.184382, 0.673611, -0.472159, -1.385834], dtype=torch.float64)
    torch.testing.assert_close(perception(student)[:, 0], expected, rtol=0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 40), classes=st.integers(1, 20), magnitude=st.integers(-4, 4), offset=st.integers(-99, 99))
def test_perception_and_its_gradient_are_eq_3_for_all_sizes(rows, classes, magnitude, offset):
    logits = (random_logits(rows, classes) * 10.0**magnitude + offset).requires_grad_()
    weights = random_logits(rows, classes, seed=1)
    found, expected = perception(logits), by_the_book(logits)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(
        torch.autograd.grad((found * weights).sum(), logits)[0],
        torch.autograd.grad((expected * weights).sum(), logits)[0],
        rtol=1e-5,
        atol=1e-7 * 10.0**-magnitude,
    )


def test_perceptions_have_mean_zero_and_population_variance_one():
    perceived = perception(random_logits(50, 6) * 3 + 7)
    torch.testing.assert_close(perceived.mean(0), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(perceived.var(0, correction=0), torch.ones(6, dtype=torch.float64), atol=1e-5, rtol=0)


def test_eps_is_inside_the_root():
    column = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    assert perception(column, eps=3.0)[1].item() == pytest.approx(1 / (1 + 3) ** 0.5)


def test_the_gradient_of_perception_is_that_of_finite_differences():
    logits = random_logits(5, 4).requires_grad_()
    assert torch.autograd.gradcheck(perception, logits)


def test_one_row_and_a_constant_column_are_perceived_as_zeros():
    assert torch.equal(perception(torch.tensor([[4.0, -2.0]])), torch.zeros(1, 2))
    logits = torch.randn(64, 3)
    logits[:, 1] = 4.0
    assert torch.equal(perception(logits)[:, 1], torch.zeros(64))


def test_no_rows_are_perceived_as_no_rows():
    assert perception(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_half_precision_is_perceived_in_float32(half):
    logits = random_logits(32, 5).to(half)
    with torch.autocast('cpu', dtype=half):
        perceived = perception(logits)
    assert perceived.dtype == torch.float32
    assert torch.equal(perceived, perception(logits.float()))


def test_large_logits_keep_their_variance():
    logits = random_logits(64, 5)
    large = (logits + 1e4).float()
    torch.testing.assert_close(perception(large).double(), perception(logits), rtol=0, atol=5e-3)


# The loss, Eq. 4


def test_the_loss_equals_the_reference_with_the_published_weight(student, teacher):
    loss = LumiNetLoss(tau=4.0, loss_weight=33.0**2)
    assert loss(student, teacher).item() == pytest.approx(36.256292, rel=1e-7)
    assert loss(student.float(), teacher.float()).item() == pytest.approx(36.256292, rel=1e-4)
    assert LumiNetLoss(tau=4.0, loss_weight=1.0)(student, teacher).item() == pytest.approx(0.03329320, rel=1e-6)


def test_the_defaults_are_those_for_detection():
    loss = LumiNetLoss()
    assert (loss.tau, loss.loss_weight, loss.eps, loss.sync) == (2.0, 16.0, 1e-5, False)
    dense = LumiNetLoss(use_sigmoid=True)
    assert (dense.tau, dense.loss_weight, dense.eps) == (1.0, 1.0, 1.0)
    assert LumiNetLoss(use_sigmoid=True, eps=1e-3).eps == 1e-3


def test_scale_and_offset_of_a_class_do_not_matter():
    student, teacher = random_logits(20, 6), random_logits(20, 6, seed=1)
    scale = torch.tensor([0.5, 1.0, 2.0, 5.0, 0.2, 10.0], dtype=torch.float64)
    offset = torch.tensor([-50.0, 3.0, 0.0, 100.0, -1.0, 7.0], dtype=torch.float64)
    loss = LumiNetLoss(eps=1e-12)
    plain = loss(student, teacher)
    torch.testing.assert_close(loss(student * scale + offset, teacher), plain, rtol=1e-8, atol=0)
    torch.testing.assert_close(loss(student, teacher * scale + offset), plain, rtol=1e-8, atol=0)
    assert loss(-student, teacher).item() != pytest.approx(plain.item(), rel=1e-2)


def test_the_gradient_flows_through_the_students_statistics():
    student, teacher = random_logits(12, 5), random_logits(12, 5, seed=1)

    def with_statistics_of(of):
        def loss(student, teacher):
            mean, variance = of(student).mean(0), of(student).var(0, correction=0)
            found = ((student - mean) / (variance + 1e-5).sqrt()).log_softmax(1)
            wanted = by_the_book(teacher).log_softmax(1)
            return 4.0 * (wanted.exp() * (wanted - found)).sum() / len(student)

        return loss

    gradient = gradient_of(LumiNetLoss(tau=1.0, loss_weight=4.0), student, teacher)
    attached = gradient_of(with_statistics_of(lambda logits: logits), student, teacher)
    detached = gradient_of(with_statistics_of(torch.Tensor.detach), student, teacher)
    torch.testing.assert_close(gradient, attached)
    assert (gradient - detached).abs().max() > 0.1 * gradient.abs().max()


def test_eps_changes_the_value_and_is_refused_unless_positive(student, teacher):
    plain = LumiNetLoss()(student, teacher).item()
    assert LumiNetLoss(eps=1.0)(student, teacher).item() != pytest.approx(plain, rel=1e-2)
    with pytest.raises(ValueError, match='eps must be .*got eps=0'):
        LumiNetLoss(eps=0)


def test_one_row_costs_nothing():
    student = torch.tensor([[1.0, 5.0, -2.0]], requires_grad=True)
    value = LumiNetLoss()(student, torch.tensor([[0.0, 1.0, 2.0]]))
    value.backward()
    assert value == 0
    assert torch.equal(student.grad, torch.zeros(1, 3))


def test_the_target_is_accepted_and_not_read(student, teacher, target):
    assert LumiNetLoss()(student, teacher, target) == LumiNetLoss()(student, teacher)


def test_eps_and_sync_are_printed():
    assert 'eps=1e-05, sync=True' in repr(LumiNetLoss(sync=True))


@pytest.mark.parametrize('use_sigmoid', [False, True])
def test_one_tensor_of_the_logits_size_is_kept_for_backward(use_sigmoid):
    def kept(loss):
        found = {}
        student = random_logits(32, 100).float().requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: found.update({t.data_ptr(): t.numel()}) or t, lambda t: t
        ):
            value = loss(student, random_logits(32, 100, seed=1).float())
        value.backward()
        return sum(size >= student.numel() for size in found.values())

    assert kept(LumiNetLoss(use_sigmoid=use_sigmoid)) == 1
    assert (
        kept(lambda student, teacher: (by_the_book(student).log_softmax(1) - by_the_book(teacher)).square().sum()) > 1
    )


# Several processes

CLASSES = 6
ROWS = {2: [(5, 11), (9, 0)], 3: [(4, 1, 7), (6, 0, 3), (0, 0, 0)], 4: [(5, 3, 8, 1), (0, 6, 2, 9)]}


def student_head():
    head = nn.Linear(3, CLASSES)
    with torch.no_grad():
        head.weight.copy_(random_logits(CLASSES, 3, seed=2))
        head.bias.copy_(random_logits(CLASSES, seed=3))
    return head


def batch(rows):
    """Features for the student's head and the teacher's logits; both drift, so each process has other statistics."""
    drift = torch.arange(rows)[:, None] / 4
    return (random_logits(rows, 3) + drift).float(), (random_logits(rows, CLASSES, seed=1) - drift).float()


def train_step(head, rows, features, teacher, sync):
    value = LumiNetLoss(tau=2.0, sync=sync)(head(features[rows]), teacher[rows])
    value.backward()
    return value.item(), [parameter.grad.clone() for parameter in head.parameters()]


def one_of_many(rank, world, folder):
    torch.set_num_threads(1)
    meeting = f'file://{folder}/meeting'
    # The timeout ends the test if a process misses a collective.
    dist.init_process_group('gloo', meeting, timedelta(seconds=60), rank=rank, world_size=world)
    found = {}
    for counts in ROWS[world]:
        begin = sum(counts[:rank])
        rows = slice(begin, begin + counts[rank])
        for sync in (True, False):
            head = nn.parallel.DistributedDataParallel(student_head())
            found[counts, sync] = train_step(head, rows, *batch(sum(counts)), sync)
    torch.save(found, f'{folder}/{rank}.pt')
    # A normal exit of the interpreter could hang: gloo's destructor waits for a thread that waits for the GIL.
    os._exit(0)


@pytest.mark.parametrize('world', ROWS)
def test_with_sync_many_processes_equal_one(tmp_path, world):
    # Forked, as starting new processes takes a hundred times longer than the steps.
    multiprocessing.start_processes(one_of_many, (world, str(tmp_path)), nprocs=world, start_method='fork')
    ranks = [torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in range(world)]
    for counts in ROWS[world]:
        value, gradients = train_step(student_head(), slice(None), *batch(sum(counts)), sync=False)
        assert sum(rank[counts, True][0] for rank in ranks) / world == pytest.approx(value, rel=1e-5)
        for rank in ranks:
            for found, expected in zip(rank[counts, True][1], gradients, strict=True):
                torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        if value:
            assert sum(rank[counts, False][0] for rank in ranks) / world != pytest.approx(value, rel=1e-2)
            assert not torch.allclose(ranks[0][counts, False][1][0], gradients[0], rtol=1e-2, atol=1e-2)


@pytest.fixture
def group_of_one():
    dist.init_process_group('fake', store=FakeStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_without_a_process_group_sync_changes_nothing():
    features, teacher = batch(8)
    found = train_step(student_head(), slice(None), features, teacher, sync=True)
    expected = train_step(student_head(), slice(None), features, teacher, sync=False)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_in_a_group_of_one_sync_changes_nothing(group_of_one):
    features, teacher = batch(8)
    found = train_step(student_head(), slice(None), features, teacher, sync=True)
    expected = train_step(student_head(), slice(None), features, teacher, sync=False)
    torch.testing.assert_close(found, expected)


def test_sync_meets_three_times_on_the_way_forward_and_never_on_the_way_back(group_of_one, monkeypatch):
    meetings = []
    monkeypatch.setattr(dist, 'all_reduce', lambda tensor: meetings.append(tensor.numel()))
    features, teacher = batch(8)
    value = LumiNetLoss(sync=True)(student_head()(features), teacher)
    value.backward()
    assert meetings == [2 * CLASSES + 1, 2 * CLASSES, 2 * CLASSES]


def test_compiling_with_sync_changes_neither_value_nor_gradient(group_of_one):
    torch._dynamo.reset()
    student, teacher = random_logits(8, CLASSES), random_logits(8, CLASSES, seed=1)
    loss = LumiNetLoss(sync=True)
    compiled = torch.compile(loss, backend='aot_eager')
    torch.testing.assert_close(compiled(student, teacher), loss(student, teacher))
    torch.testing.assert_close(gradient_of(compiled, student, teacher), gradient_of(loss, student, teacher))
