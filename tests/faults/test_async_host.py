"""A host program with event loops of its own: several, closed in the middle, their tasks cancelled."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.testing import FakeQemu, waits
from guest.domain import SECONDS, qemus, small, wait_until, watching
from guest.host import Host

RUNNING, PAUSED = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED
SLOW = 2.0
"""Seconds that a command takes whose caller is not there any more when it ends."""


async def live(domain: libvirt.virDomain, times: int) -> int:
    """Suspends and resumes from a loop, whose own thread never waits."""
    for _ in range(times):
        await asyncio.to_thread(domain.suspend)
        await asyncio.to_thread(domain.resume)
    return domain.state()[0]


def test_n04_a_loop_that_is_closed_in_the_middle_disturbs_no_other(
    embervirt_connection: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """Four loops in four threads and one without: the first is closed while its call is under way."""
    conn = embervirt_connection
    domains = [conn.createXML(small(name)) for name in "abcd"]
    fake_qemu.on("stop", waits(SLOW), guest="a", times=1)
    with ThreadPoolExecutor(5) as pool, ThreadPoolExecutor(1) as orphaned:
        closed = asyncio.new_event_loop()
        abandoned = orphaned.submit(domains[0].suspend)
        waiting = closed.create_task(_wrapped(abandoned, closed))
        closed.run_until_complete(asyncio.sleep(0))
        fake_qemu.wait(lambda each: each.guest == "a" and each.name == "stop")
        others = [pool.submit(asyncio.run, live(domain, 10)) for domain in domains[1:]]
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            closed.run_until_complete(waiting)
        closed.close()
        plain = pool.submit(lambda: [domain.state()[0] for domain in domains[1:] for _ in range(100)])
        assert [each.result(SECONDS) for each in others] == [RUNNING] * 3
        assert set(plain.result(SECONDS)) <= {RUNNING, PAUSED}
        assert abandoned.result(SECONDS) == 0
    assert domains[0].state()[0] == PAUSED
    for domain in domains:
        domain.destroy()


async def _wrapped(future: Future[int], loop: asyncio.AbstractEventLoop) -> None:
    await asyncio.wrap_future(future, loop=loop)


def test_n05_a_cancelled_await_cancels_no_start(
    embervirt_connection: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """The task is gone, the guest is started; the operation can be looked up meanwhile and afterwards."""
    conn = embervirt_connection
    domain = conn.defineXML(small("a"))
    fake_qemu.on("cont", waits(SLOW), guest="a", times=1)

    async def main() -> str:
        task = asyncio.create_task(asyncio.to_thread(domain.create))
        await asyncio.to_thread(fake_qemu.wait, lambda each: each.name == "cont")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [begun] = [each for each in conn.root.journal.values() if each.subject == domain.UUIDString()]
        assert (begun.what, begun.state) == ("start", "open")
        return begun.id

    with watching(conn.root) as events:
        id_ = asyncio.run(main())
        events.wait(lambda event: isinstance(event, Lifecycle) and event.event == 2)
    wait_until(lambda: conn.root.operation(id_).state == "done")
    assert domain.state()[0] == RUNNING
    assert len(fake_qemu.running("a")) == 1
    domain.destroy()


TRACED = """
import threading
settings = {"supervision.operation_limit": 0.3, "supervision.operation_grace": 0.1}
def trace(frame, event, argument):
    for _ in range(50):
        pass
    return trace
threading.settrace(trace)
sys.settrace(trace)
conn = libvirt.open(uri(ROOT), settings=settings)
domain = conn.createXML(small("a"))
over = time.monotonic() + 3
while time.monotonic() < over:
    domain.suspend()
    domain.resume()
    conn.listAllDomains()
def generations(node):
    return [node.generation] + [each for child in node.children for each in generations(child)]
say(generations=generations(conn.root.tree()), state=domain.state()[0], health=conn.root.health().zombies)
domain.destroy()
conn.close()
sys.settrace(None)
"""


def test_n09_a_host_that_traces_every_line_makes_nobody_hung(tmp_path: Path) -> None:
    """As a debugger does, many times slower: nobody is given up for that, and all calls work."""
    root = tmp_path / "root"
    host = Host(root, TRACED)
    said = host.hear()
    assert set(said["generations"]) == {1}
    assert (said["state"], said["health"]) == (RUNNING, {})
    host.end()
    assert qemus(root) == []
