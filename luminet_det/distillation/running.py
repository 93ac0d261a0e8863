"""What the Runner that trains now says of its run."""

from mmengine.logging import MessageHub


def training_hub() -> MessageHub | None:
    """The message hub of the Runner that trains now; None outside a Runner.

    mmengine's current one is that of the Runner built last, whether it trains or not. A Runner whose run raised an
    error counts until another is built, as mmengine does not say that it has ended.
    """
    hubs = reversed(MessageHub._instance_dict.values())
    # A hub outlives its run, so that one that ended would answer for the next.
    return next((hub for hub in hubs if hub.get_info('loop_stage') == 'train'), None)


def current_hub() -> MessageHub:
    """The message hub of the Runner that trains now; outside a Runner mmengine's current one."""
    return training_hub() or MessageHub.get_current_instance()


def run_info(name: str, default=None):
    """What the Runner that trains now has published under `name`; `default` outside a Runner."""
    hub = training_hub()
    return hub.get_info(name, default) if hub else default
