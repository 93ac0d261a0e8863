import copy
import os
from datetime import timedelta

import numpy as np
import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing

from luminet_det.losses.crd import CRDLoss
from luminet_det.losses.negatives import Negatives

# Twelve images in three classes of four: with eight negatives, each image is compared with all of the other classes.
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 2, 1, 0, 0, 1, 2])
SETTINGS = dict(num_samples=12, dim=4, num_negatives=8)
INDEX = torch.tensor([3, 7, 0, 11, 5])


def embeddings(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def adapted(widths=(3, 5), seed=0, dtype=torch.float64, **settings):
    loss = CRDLoss(**{**SETTINGS, **settings})
    torch.manual_seed(seed)
    loss.adapt(*(torch.zeros(1, width, dtype=dtype) for width in widths))
    return loss


def batch(rows=5, seed=0):
    return embeddings(rows, 3, seed=seed), embeddings(rows, 5, seed=seed + 100)


def call(loss, student, teacher, index=INDEX, labels=LABELS, seed=0):
    torch.manual_seed(seed)
    return loss(student, teacher, index=index, training_labels=labels)


def unit(vectors):
    return vectors / np.sqrt((vectors**2).sum(-1, keepdims=True))


class ByTheBook:
    """CRD in numpy, as its formula is written, with plain exponentials."""

    def __init__(self, loss):
        parts = {name: value.detach().numpy().copy() for name, value in loss.state_dict().items()}
        self.layers = [(parts[f'embed.{i}.weight'], parts[f'embed.{i}.bias']) for i in (0, 1)]
        self.teacher, self.student = parts['memory.embeddings'].transpose(1, 0, 2)
        self.z = None
        self.loss = loss

    def __call__(self, student, teacher, index, negatives):
        v_s, v_t = (unit(g.numpy() @ w.T + b) for g, (w, b) in zip((student, teacher), self.layers, strict=True))
        n, k = self.loss.num_samples, self.loss.num_negatives
        places = [[i, *row] for i, row in zip(index, negatives, strict=True)]
        scores = [
            np.array([np.exp(memory[row] @ v[i] / self.loss.tau) for i, row in enumerate(places)])
            for v, memory in ((v_s, self.teacher), (v_t, self.student))
        ]
        if self.z is None:
            self.z = [score.mean() * n for score in scores]
        total = 0.0
        for score, z in zip(scores, self.z, strict=True):
            o = score / z
            right = np.log(o[:, 0] / (o[:, 0] + k / n + 1e-7))
            wrong = np.log((k / n) / (o[:, 1:] + k / n + 1e-7)).sum(1)
            total -= (right + wrong).mean()
        for memory, v in ((self.student, v_s), (self.teacher, v_t)):
            memory[index] = unit(self.loss.momentum * memory[index] + (1 - self.loss.momentum) * v)
        return self.loss.loss_weight * total


def others(index):
    return [[j for j in range(len(LABELS)) if LABELS[j] != LABELS[i]] for i in index]


@pytest.mark.parametrize('changed', [{}, dict(tau=0.5), dict(momentum=0.9), dict(loss_weight=2.0), dict(dim=7)])
def test_loss_z_and_memories_are_those_of_the_formula_for_several_batches(changed):
    loss = adapted(**changed)
    expected = ByTheBook(loss)
    for step, index in enumerate(([3, 7, 0, 11, 5], [1, 3, 2], [5, 6, 7, 8])):
        student, teacher = batch(len(index), seed=step)
        wanted = expected(student, teacher, index, others(index))
        assert call(loss, student, teacher, torch.tensor(index)).item() == pytest.approx(wanted, rel=1e-9)
        np.testing.assert_allclose(loss.memory.embeddings[:, 0], expected.teacher, rtol=1e-9)
        np.testing.assert_allclose(loss.memory.embeddings[:, 1], expected.student, rtol=1e-9)
    np.testing.assert_allclose(loss.memory.log_z.exp(), expected.z, rtol=1e-9)


@pytest.mark.parametrize('count', [5, 10])
def test_the_negatives_are_those_drawn_from_other_classes(count):
    loss = adapted(num_negatives=count)
    expected = ByTheBook(loss)
    student, teacher = batch()
    torch.manual_seed(3)
    candidates, times = Negatives(LABELS, count).draw(INDEX)
    negatives = [candidates.repeat_interleave(row.long()).tolist() for row in times]
    found = call(loss, student, teacher, seed=3).item()
    assert found == pytest.approx(expected(student, teacher, INDEX.tolist(), negatives), rel=1e-9)


def test_it_learns_as_many_parameters_and_keeps_as_many_buffers_as_published():
    loss = CRDLoss()
    loss.adapt(torch.zeros(1, 256), torch.zeros(1, 256))
    assert sum(p.numel() for p in (*loss.parameters(), *loss.buffers())) == 12_865_797
    assert sum(p.numel() for p in loss.parameters()) == 2 * (256 * 128 + 128)


def test_the_defaults_are_the_published():
    loss = CRDLoss()
    found = (loss.num_samples, loss.dim, loss.num_negatives, loss.tau, loss.momentum, loss.loss_weight)
    assert found == (50000, 128, 16384, 0.07, 0.5, 0.8)


def test_memories_begin_uniform_with_an_expected_norm_of_one():
    loss = adapted(num_samples=2000, dim=128)
    bound = (3 / 128) ** 0.5
    assert 0.99 * bound < loss.memory.embeddings.abs().max() <= bound
    assert loss.memory.embeddings.square().sum(2).mean().item() == pytest.approx(1, rel=0.01)


def test_scale_of_the_embedded_features_does_not_matter():
    first, second = adapted(), adapted()
    for layer in second.embed:
        layer.weight.data *= 3
        layer.bias.data *= 3
    torch.testing.assert_close(call(first, *batch()), call(second, *batch()), rtol=1e-9, atol=0)


# Gradients


def test_the_gradient_is_that_of_finite_differences():
    loss = adapted().eval()
    student, teacher = batch()
    call(loss, student, teacher)
    student.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: call(loss, s, teacher), student)
    parameters = tuple(p.detach().clone().requires_grad_() for p in loss.parameters())
    names = [name for name, _ in loss.named_parameters()]

    def of(*values):
        needs = dict(index=INDEX, training_labels=LABELS)
        return torch.func.functional_call(loss, dict(zip(names, values, strict=True)), (student, teacher), needs)

    assert torch.autograd.gradcheck(of, parameters)


def test_the_gradient_reaches_the_student_and_both_layers_but_not_the_teacher():
    loss = adapted()
    student, teacher = (x.requires_grad_() for x in batch())
    call(loss, student, teacher).backward()
    assert student.grad.abs().sum() > 0
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss.parameters())
    assert len(list(loss.parameters())) == 4
    assert teacher.grad is None
    assert not any(buffer.requires_grad for buffer in loss.buffers())


def test_training_lowers_the_loss():
    loss = adapted()
    student, teacher = embeddings(12, 3).requires_grad_(), embeddings(12, 5, seed=1)
    optimizer = torch.optim.SGD([student, *loss.parameters()], lr=0.05, momentum=0.9)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        value = call(loss, student, teacher, torch.arange(12))
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.7 * values[0]


def test_a_zero_embedding_and_one_row_and_no_rows_give_finite_values_and_gradients():
    loss = adapted()
    for layer in loss.embed:
        torch.nn.init.zeros_(layer.bias)
    for student, teacher in (
        (torch.zeros(5, 3).double(), torch.zeros(5, 5).double()),
        batch(1),
        batch(0),
    ):
        loss.zero_grad()
        student.requires_grad_()
        value = call(loss, student, teacher, INDEX[: len(student)])
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(student.grad).all()
        assert all(torch.isfinite(p.grad).all() and p.grad.abs().max() < 1e4 for p in loss.parameters())
        assert torch.isfinite(loss.memory.embeddings).all()
    assert value == 0


def test_a_first_batch_without_rows_leaves_z_to_the_next():
    loss, expected = adapted(), adapted()
    call(loss, *batch(0), INDEX[:0])
    assert loss.memory.log_z.isnan().all()
    assert call(loss, *batch()) == call(expected, *batch())
    assert torch.equal(loss.memory.log_z, expected.memory.log_z)


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_the_layers_follow_autocast_and_all_after_them_is_in_float32(half):
    loss = adapted(dtype=torch.float32)
    # The same loss with identity layers: called with embeddings, it compares exactly those.
    bare = adapted((4, 4), dtype=torch.float32)
    identity = {'weight': torch.eye(4), 'bias': torch.zeros(4)}
    layers = {f'embed.{i}.{name}': value for i in (0, 1) for name, value in identity.items()}
    bare.load_state_dict({**loss.state_dict(), **layers})
    student, teacher = (x.to(half) for x in batch())
    student.requires_grad_()
    with torch.autocast('cpu', dtype=half):
        embedded = [layer(g).detach() for layer, g in zip(loss.embed, (student, teacher), strict=True)]
        value = call(loss, student, teacher)
    value.backward()
    assert {g.dtype for g in embedded} == {half}
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(call(bare, *(g.float() for g in embedded)).item(), rel=1e-6)
    torch.testing.assert_close(loss.memory.embeddings, bare.memory.embeddings)
    assert torch.isfinite(student.grad).all()


def test_very_low_temperatures_do_not_overflow():
    loss = adapted(dtype=torch.float32, tau=0.005)
    student, teacher = (x.float() for x in batch())
    student.requires_grad_()
    value = call(loss, student, teacher)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


# Settings and state


def test_num_negatives_changes_the_loss():
    values = [call(adapted(num_negatives=k), *batch()).item() for k in (4, 8)]
    assert values[0] != pytest.approx(values[1], rel=0.01)


def test_in_eval_mode_the_memories_stay():
    loss = adapted()
    before = loss.memory.embeddings.clone()
    call(loss.eval(), *batch())
    assert torch.equal(loss.memory.embeddings, before)
    call(loss.train(), *batch())
    assert not torch.equal(loss.memory.embeddings, before)


def test_an_image_twice_in_a_batch_is_updated_by_the_first():
    loss, expected = adapted(), adapted()
    student, teacher = batch()
    call(loss, student, teacher, torch.tensor([3, 7, 3, 7, 3]))
    call(expected, student[:2], teacher[:2], torch.tensor([3, 7]))
    # Not exactly equal, as a batch of another size may be summed in another order.
    torch.testing.assert_close(loss.memory.embeddings, expected.memory.embeddings, rtol=1e-12, atol=1e-12)


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped():
    loss = adapted()
    for step in range(3):
        call(loss, *batch(seed=step))
    resumed = adapted(seed=9)
    resumed.load_state_dict({name: value.clone() for name, value in loss.state_dict().items()})
    assert torch.equal(resumed.memory.log_z, loss.memory.log_z)
    for step in range(3, 5):
        assert call(resumed, *batch(seed=step)) == call(loss, *batch(seed=step))
    assert torch.equal(resumed.memory.embeddings, loss.memory.embeddings)
    assert torch.equal(resumed.memory.log_z, loss.memory.log_z)


def test_a_state_from_before_the_first_batch_still_gets_its_z_from_it():
    loss, fresh = adapted(), adapted(seed=9)
    call(loss, *batch())
    loss.load_state_dict(fresh.state_dict())
    assert call(loss, *batch()) == call(fresh, *batch())


def test_a_state_of_other_settings_is_refused():
    state = adapted(tau=0.1).state_dict()
    with pytest.raises(ValueError, match='belong to num_negatives=8, tau=0.1, momentum=0.5; the loss has .*tau=0.07'):
        adapted().load_state_dict(state)


def test_the_layers_are_built_beside_the_examples_in_at_least_single_precision():
    assert {value.dtype for value in adapted(dtype=torch.bfloat16).state_dict().values()} == {torch.float32}
    assert {value.dtype for value in adapted().state_dict().values()} == {torch.float64}
    loss = CRDLoss(**SETTINGS)
    loss.adapt(torch.zeros(1, 3, device='meta'), torch.zeros(1, 5, device='meta'))
    assert {value.device.type for value in loss.state_dict().values()} == {'meta'}


def test_it_survives_a_copy():
    loss = adapted()
    call(loss, *batch())
    twin = copy.deepcopy(loss)
    assert call(twin, *batch(seed=1)) == call(loss, *batch(seed=1))


def test_other_training_labels_are_taken_note_of():
    loss, twin = adapted().eval(), adapted().eval()
    before = call(loss, *batch(), labels=LABELS)
    twin.load_state_dict(loss.state_dict())
    labels = LABELS.flip(0)
    assert before != call(loss, *batch(), labels=labels) == call(twin, *batch(), labels=labels)


def test_the_settings_are_printed():
    assert 'num_samples=12, dim=4, num_negatives=8, tau=0.07, momentum=0.5, loss_weight=0.8' in repr(adapted())


# Errors


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(num_samples=0), 'num_samples must be an integer, 1 or above, got num_samples=0'),
        (dict(dim=1.5), 'dim must be an integer'),
        (dict(num_negatives=True), 'num_negatives must be an integer'),
        (dict(tau=0), 'tau must be .*got tau=0'),
        (dict(momentum=-0.1), 'momentum must be .*got momentum=-0.1'),
        (dict(momentum=1.0), 'momentum must be below 1, .*got momentum=1.0'),
        (dict(loss_weight=-1), 'loss_weight must be'),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        CRDLoss(**settings)


def test_before_adapt_it_says_what_to_call():
    with pytest.raises(RuntimeError, match='call adapt'):
        call(CRDLoss(**SETTINGS), *batch())


def test_no_index_says_where_one_comes_from():
    for index in (None, INDEX[:2]):
        with pytest.raises(ValueError, match='needs index, the place of each of the 5 images.*LabelledImages gives it'):
            call(adapted(), *batch(), index=index)


def test_training_labels_of_another_length_say_which_num_samples_to_set():
    with pytest.raises(ValueError, match=r'num_samples=12 training images; got \(9,\). Set num_samples=9 in the loss'):
        call(adapted(), *batch(), labels=LABELS[:9])
    with pytest.raises(ValueError, match='needs training_labels.*got None'):
        call(adapted(), *batch(), labels=None)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r'compares embeddings.*\(5, 3\) and teacher \(4, 5\)'):
        call(adapted(), embeddings(5, 3), embeddings(4, 5))
    with pytest.raises(ValueError, match='compares embeddings'):
        CRDLoss(**SETTINGS).adapt(torch.zeros(1, 3, 2, 2), torch.zeros(1, 5))
    with pytest.raises(ValueError, match=r'adapted to embeddings of sizes \(3, 5\).*got \(5, 5\)'):
        call(adapted(), embeddings(5, 5), embeddings(5, 5))


# Several processes

# For each step, the images of the two processes' batches; in the second step, image 3 is in both batches.
STEPS = [([3, 7, 0], [11, 5, 1]), ([3, 2, 4], [8, 3, 9]), ([6, 7, 10], [0]), ([], [2, 1])]


def one_step(loss, step, rows):
    index = [i for part in STEPS[step] for i in part]
    student, teacher = batch(len(index), seed=step)
    value = call(loss, student[rows], teacher[rows], torch.tensor(index, dtype=torch.int64)[rows])
    return value.item(), loss.memory.embeddings.clone(), loss.memory.log_z.clone()


def one_of_two(rank, folder):
    torch.set_num_threads(1)
    # The timeout ends the test if a process misses a collective.
    dist.init_process_group('gloo', f'file://{folder}/meeting', timedelta(seconds=60), rank=rank, world_size=2)
    loss = adapted()
    if rank:
        loss.memory.embeddings.normal_()
    found = []
    for step, parts in enumerate(STEPS):
        begin = len(parts[0]) * rank
        found.append(one_step(loss, step, slice(begin, begin + len(parts[rank]))))
    # Resumed just before an epoch's last batch, which is the smallest.
    again = adapted(seed=rank)
    again.load_state_dict(loss.state_dict())
    one_step(again, 3, slice(0, rank))
    found.append(one_step(again, 0, slice(3 * rank, 3 * rank + 3)))
    resumed = adapted(seed=rank)
    resumed.load_state_dict(loss.state_dict())
    found.append(one_step(resumed, 0, slice(3 * rank, 3 * rank + 3)))
    found.append(one_step(adapted(), 3, slice(0, 2 * rank)))
    try:
        loss.memory.update(torch.zeros(2, 4, 4), torch.arange(4))
    except ValueError as error:
        found.append(str(error))
    torch.save(found, f'{folder}/{rank}.pt')
    # A normal exit of the interpreter could hang: gloo's destructor waits for a thread that waits for the GIL.
    os._exit(0)


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp('two')
    # Forked, as starting new processes takes a hundred times longer than the steps.
    multiprocessing.start_processes(one_of_two, (str(folder),), nprocs=2, start_method='fork')
    return [torch.load(folder / f'{rank}.pt', weights_only=True) for rank in range(2)]


def test_two_processes_keep_equal_memories_and_z_even_with_batches_of_different_sizes(two):
    for (_, *first), (_, *second) in zip(two[0][:-1], two[1][:-1], strict=True):
        for one, other in zip(first, second, strict=True):
            assert torch.equal(one, other)


def test_two_processes_equal_one_with_all_rows(two):
    loss = adapted()
    for step, parts in enumerate(STEPS):
        value, memories, log_z = one_step(loss, step, slice(None))
        counts = [len(part) for part in parts]
        found = sum(rank[step][0] * count for rank, count in zip(two, counts, strict=True)) / sum(counts)
        assert found == pytest.approx(value, rel=1e-9)
        torch.testing.assert_close(two[0][step][1], memories)
        torch.testing.assert_close(two[0][step][2], log_z)
    value, memories, _ = one_step(loss, 0, slice(None))
    assert (two[0][-3][0] + two[1][-3][0]) / 2 == pytest.approx(value, rel=1e-9)
    torch.testing.assert_close(two[0][-3][1], memories)


def test_a_process_whose_first_batch_is_empty_gets_its_z_and_memories_from_the_other(two):
    loss = adapted()
    value, memories, log_z = one_step(loss, 3, slice(None))
    assert [rank[-2][0] for rank in two] == [0, pytest.approx(value)]
    for rank in two:
        torch.testing.assert_close(rank[-2][1], memories)
        torch.testing.assert_close(rank[-2][2], log_z)


def test_a_batch_larger_than_all_first_ones_is_refused_in_several_processes(two):
    told = 'a batch of 4 images after first batches of at most 3. The first batch must be the largest: set train_data'
    assert all(told in rank[-1] for rank in two)
