"""A guest that is found again: its QEMU was started by a root that closed."""

from __future__ import annotations

from pathlib import Path

import embervirt as libvirt
from embervirt.actors.messages import Numbered
from embervirt.drivers.root import sockets
from embervirt.supervisor.report import ChildFailed
from guest.domain import pid_of, small, uri, wait_until


def test_an_adoption_that_fails_is_tried_again(tmp_path: Path) -> None:
    """While another client holds the monitor the actor fails; once that is gone it adopts the guest."""
    with libvirt.open(uri(tmp_path)) as conn:
        conn.defineXML(small("held")).create()
        pid, directory = pid_of(tmp_path, "held"), conn.root.paths.domain_dir(1, "held")
    holder = sockets.connect(directory / "monitor.sock")
    with libvirt.open(uri(tmp_path), settings={"qemu.qmp_timeout": 0.2}) as conn:
        with conn.root.subscribe(since=0) as events:
            happened = (each.event() for each in iter(events.get, None) if isinstance(each, Numbered))
            failed = next(event for event in happened if isinstance(event, ChildFailed))
        assert (failed.child, failed.decision[:7]) == ("1-held", "restart")
        holder.close()
        domain = conn.lookupByName("held")
        wait_until(lambda: domain.isActive() == 1)
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        assert pid_of(tmp_path, "held") == pid
        domain.destroy()
