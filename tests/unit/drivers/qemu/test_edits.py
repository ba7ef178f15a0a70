"""What a call makes of a description, and which calls are refused."""

from __future__ import annotations

import pytest

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.edits import SetMemory, SetMetadata, SetStatsPeriod, SetVcpus, edited
from embervirt.drivers.xml import parse
from embervirt.errors import InvalidArgument, OperationInvalid

BODY = "<os><type arch='x86_64' machine='pc'>hvm</type></os>"


def domain(more: str = "", devices: str = "<memballoon model='virtio'/>") -> Domain:
    """64 MiB and 4 CPUs."""
    text = f"<domain type='qemu'><name>a</name><memory unit='MiB'>64</memory><vcpu>4</vcpu>{BODY}{more}"
    return parse(Domain, f"{text}<devices>{devices}</devices></domain>")


def test_memory_is_at_most_its_maximum() -> None:
    """A lower maximum takes the present amount down with it; a higher one leaves it."""
    less = edited(domain(), SetMemory(30_000))
    assert (less.memory, less.current_memory) == (65_536, 30_000)
    lower = edited(less, SetMemory(20_000, maximum=True))
    assert (lower.memory, lower.current_memory) == (20_000, 20_000)
    higher = edited(lower, SetMemory(90_000, maximum=True))
    assert (higher.memory, higher.current_memory) == (90_000, 20_000)
    with pytest.raises(InvalidArgument, match="higher than max memory"):
        edited(less, SetMemory(65_537))


def test_cpus_are_at_most_their_maximum() -> None:
    """All of them is no number of its own, as libvirt writes it."""
    two = edited(domain(), SetVcpus(2))
    assert (two.vcpu.count, two.vcpu.current, two.vcpus) == (4, 2, 2)
    assert edited(two, SetVcpus(4)).vcpu.current is None
    assert edited(two, SetVcpus(8, maximum=True)).vcpu.current == 2
    assert edited(two, SetVcpus(1, maximum=True)).vcpus == 1
    with pytest.raises(InvalidArgument, match="5 > 4"):
        edited(two, SetVcpus(5))


def test_the_maximum_of_cpus_fits_the_topology() -> None:
    """Sockets times cores times threads, as the guest will see them."""
    cpu = "<cpu mode='custom'><model>qemu64</model><topology sockets='2' cores='2' threads='1'/></cpu>"
    with pytest.raises(InvalidArgument, match="topology"):
        edited(domain(cpu), SetVcpus(6, maximum=True))
    assert edited(domain(cpu), SetVcpus(4, maximum=True)).vcpu.count == 4


def test_statistics_need_a_balloon() -> None:
    """Without a virtio balloon there is nobody to tell them; a period of 0 is no period."""
    told = edited(domain(), SetStatsPeriod(5))
    assert [balloon.stats and balloon.stats.period for balloon in told.devices.memballoons] == [5]
    assert [balloon.stats for balloon in edited(told, SetStatsPeriod(0)).devices.memballoons] == [None]
    with pytest.raises(OperationInvalid, match="must be virtio"):
        edited(domain(devices="<memballoon model='none'/>"), SetStatsPeriod(5))


def test_title_and_description_come_and_go() -> None:
    """An empty text takes them away too."""
    titled = edited(edited(domain(), SetMetadata(1, "t")), SetMetadata(0, "d"))
    assert (titled.title, titled.description, titled.metadata) == ("t", "d", None)
    assert edited(titled, SetMetadata(1, None)).title is None
    assert edited(titled, SetMetadata(0, "")).description is None


def test_an_element_of_metadata_comes_and_goes() -> None:
    """The description itself is left alone."""
    with_element = edited(domain(), SetMetadata(2, "<a/>", "k", "http://x"))
    assert with_element.metadata == '<metadata>\n    <k:a xmlns:k="http://x"/>\n  </metadata>'
    assert edited(with_element, SetMetadata(2, None, "", "http://x")) == domain()


def test_cpus_that_are_listed_one_by_one_follow() -> None:
    """Those that are not there can only be plugged; the list is as long as the maximum."""
    single = "<vcpu id='{}' enabled='{}' hotpluggable='{}' {}/>"
    listed = "".join(
        [single.format(0, "yes", "no", "order='1'"), single.format(1, "yes", "yes", "order='2'")]
        + [single.format(number, "no", "yes", "") for number in (2, 3)]
    )
    before = edited(domain(f"<vcpus>{listed}</vcpus>"), SetVcpus(2))
    assert before.single_vcpus is not None
    for count, expected in ((1, [True, False, False, False]), (3, [True, True, True, False])):
        after = edited(before, SetVcpus(count)).single_vcpus
        assert after is not None
        assert [each.enabled for each in after.vcpus] == expected
        assert all(each.hotpluggable for each in after.vcpus if not each.enabled)
    longer = edited(before, SetVcpus(6, maximum=True)).single_vcpus
    assert longer is not None
    assert [each.id for each in longer.vcpus] == list(range(6))


def test_memory_of_numa_nodes_is_not_changed() -> None:
    """Nobody said which node has more of it."""
    cells = "<numa><cell id='0' cpus='0-3' memory='65536' unit='KiB'/></numa>"
    with pytest.raises(OperationInvalid, match="NUMA nodes"):
        edited(domain(f"<cpu>{cells}</cpu>"), SetMemory(131_072, maximum=True))
