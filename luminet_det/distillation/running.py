"""What the Runner that is training has published about its run."""

from mmengine.logging import MessageHub


def training_hub() -> MessageHub | None:
    """The message hub of the Runner that is training; None outside a Runner.

    mmengine's own current hub is that of the Runner built last, whether it trains or not. A Runner whose run raised an
    error still counts as training unless a later one trains, because mmengine does not record that it has ended.
    """
    hubs = reversed(MessageHub._instance_dict.values())
    # Hubs outlive their runs, so the loop stage has to tell which run is in progress.
    return next((hub for hub in hubs if hub.get_info('loop_stage') == 'train'), None)


def current_hub() -> MessageHub:
    """The message hub of the Runner that is training; outside a Runner, mmengine's current one."""
    return training_hub() or MessageHub.get_current_instance()


def run_info(name: str, default=None):
    """What the Runner that is training has published under `name`; `default` outside a Runner."""
    hub = training_hub()
    return hub.get_info(name, default) if hub else default
