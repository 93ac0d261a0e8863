"""DeferredRuntimeInfoHook: a checkpoint has the losses of all steps, including those not read yet."""

from types import SimpleNamespace

import torch
from mmengine.logging import MessageHub

from luminet_det.hooks import DeferredRuntimeInfoHook


def test_a_checkpoint_between_two_readings_lacks_no_step():
    hook = DeferredRuntimeInfoHook(interval=10)
    hub, checkpoint = MessageHub('saved'), {}
    runner = SimpleNamespace(message_hub=hub, train_dataloader=range(10), iter=0)
    hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(0.5)))
    assert not hub.log_scalars
    checkpoint['message_hub'] = hub.state_dict()
    hook.before_save_checkpoint(runner, checkpoint)
    resumed = MessageHub('resumed')
    resumed.load_state_dict(checkpoint['message_hub'])
    assert resumed.get_scalar('train/loss').current() == 0.5
