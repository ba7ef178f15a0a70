"""What libvirt keeps of a domain outside its devices, what follows from it, and what QEMU is told of it."""

from __future__ import annotations

import pytest

from described import RUN, defined
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.cpu.resolve import resolved
from embervirt.drivers.qemu.parts import argv, compile
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError

UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
TEXT = (
    "<domain type='qemu'><name>a</name><uuid>{uuid}</uuid><memory unit='MiB'>64</memory>"
    "<os><type machine='pc'>hvm</type>{os}</os>{body}<devices>"
    "<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>"
)


def text(body: str, os: str = "") -> str:
    """A domain's XML."""
    return TEXT.format(uuid=UUID, body=body, os=os)


def words(xml: str, caps: Capabilities) -> str:
    """The command line, an option and its value on each line."""
    found = argv(compile(resolved(defined(xml, caps), caps), caps, RUN))
    return "".join(f"\n{word}" if word.startswith("-") else f" {word}" for word in found) + "\n"


SAID = {
    "<vcpu placement='auto' cpuset='0'>1</vcpu><numatune><memory nodeset='0'/></numatune>": (
        *("<vcpu placement='auto'>1</vcpu>", "cpuset"),
    ),
    "<iothreads>2</iothreads><iothreadids/>": ("<iothreads>2</iothreads>", "iothreadids"),
    "<cputune><period>0</period><quota>0</quota><shares>0</shares></cputune>": ("<shares>0", "period"),
    "<cputune><vcpusched vcpus='0' scheduler='idle' priority='1'/></cputune>": ("vcpus='0'", "priority"),
    "<cputune><emulatorsched scheduler='batch' priority='1'/></cputune>": ("scheduler='batch'", "priority"),
    "<memoryBacking><source/><access/><allocation threads='0'/></memoryBacking>": ("", "memoryBacking"),
    "<memoryBacking><hugepages><page size='2048' nodeset='0'/></hugepages></memoryBacking>": (
        *("<page size='2048' unit='KiB'/>", "nodeset"),
    ),
    "<features><tcg/><ioapic/></features>": ("", "features"),
    "<features><viridian/><privnet/></features>": ("<privnet/>", "apic"),
    "<clock><timer name='rtc' tickpolicy='catchup'><catchup limit='0'/></timer></clock>": (
        *("<timer name='rtc' tickpolicy='catchup'/>", "limit"),
    ),
    "<clock><timer name='tsc' frequency='0'/></clock>": ("<timer name='tsc'/>", "frequency"),
    "<cpu mode='maximum'><model>a</model><vendor>Intel</vendor></cpu>": ("mode='maximum'", "vendor"),
    "<cpu><model/></cpu>": ("<model fallback='forbid'>qemu64</model>", "fallback='allow'"),
    "<numatune><memory/></numatune>": ("", "numatune"),
    "<resource><partition>/a</partition><fibrechannel/></resource>": ("<partition>/a", "fibrechannel"),
    "<idmap><uid start='5' target='1' count='1'/><uid start='0' target='9' count='1'/>"
    "<gid start='0' target='1' count='1'/></idmap>": ("\n    <uid start='5'", "<idmap>\n    <uid start='5'"),
    "<sysinfo type='smbios'><bios/><system><entry name='foo'>a</entry><entry name='sku'/>"
    f"<entry name='uuid'>{UUID.upper().replace('-', '')}</entry></system></sysinfo>": (
        *(f"<entry name='uuid'>{UUID}</entry>", "foo"),
    ),
    "<sysinfo type='fwcfg'><entry name='opt/a' file='/b'>c</entry></sysinfo>": ("file='/b'/>", ">c<"),
    "<seclabel model='dac'/>": ("", "seclabel"),
    "<seclabel type='static' model='none'/>": ("<seclabel type='none' model='none'/>", "relabel"),
    "<seclabel type='dynamic'/>": ("<seclabel type='none' model='none'/>", "dynamic"),
    "<seclabel type='static' model='none'><label>a</label></seclabel>": ("<seclabel type='none'", "<label>"),
    "<seclabel type='dynamic' model='dac'><label>a</label></seclabel>": (
        *("<seclabel type='dynamic' model='dac' relabel='yes'/>", "<label>"),
    ),
    "<seclabel type='static' model='dac'><label>a</label><baselabel>b</baselabel></seclabel>": (
        *("<label>a</label>", "baselabel"),
    ),
    "<metadata><a xmlns='http://a'/><b xmlns='http://a'/><c/></metadata>": ('<a xmlns="http://a"/>', "<c/>"),
}


@pytest.mark.parametrize("body", SAID)
def test_what_says_nothing_is_not_kept(body: str, caps: Capabilities) -> None:
    """As in libvirt: what is 0, empty, twice or of no meaning is gone, what stands beside it is there."""
    kept, gone = SAID[body]
    written = render(defined(text(body), caps))
    assert kept in written
    assert gone not in written.replace("<domain type", "").replace(UUID, "")


def test_distances_are_told_both_ways_and_each_to_qemu(caps: Capabilities) -> None:
    """The XML has what follows from what was said; QEMU hears of every pair, with the usual distances."""
    cells = "".join(
        f"<cell id='{n}' cpus='{n}' memory='1024'>{inside}</cell>"
        for n, inside in enumerate(("<distances><sibling id='1' value='30'/></distances>", "", ""))
    )
    xml = text(f"<vcpu>3</vcpu><cpu><numa>{cells}</numa></cpu>")
    known = (cell.distances for cell in defined(xml, caps).cells)
    rows = [[(each.id, each.value) for each in row.siblings] if row else [] for row in known]
    assert rows == [[(0, 10), (1, 30)], [(0, 30), (1, 10)], []]
    told = words(xml, caps)
    assert all(f"-numa dist,src=0,dst={n},val={value}\n" in told for n, value in ((0, 10), (1, 30), (2, 20)))
    assert told.count("-numa dist,") == 9


def test_a_node_alone_has_no_distances(caps: Capabilities) -> None:
    """There is nothing to be far from."""
    cell = "<cell memory='1024'><distances><sibling id='0' value='10'/></distances></cell>"
    assert "dist," not in words(text(f"<cpu><numa>{cell}</numa></cpu>"), caps)


FIRST = {
    "<clock><timer name='rtc'/><timer name='rtc' tickpolicy='catchup'/></clock>": "-rtc base=utc",
    "<clock><timer name='hpet' present='no'/><timer name='hpet' present='yes'/></clock>": "-no-hpet",
    "<maxMemory slots='1'>200000</maxMemory><cpu><numa><cell memory='1024'/></numa></cpu>": (
        "-m size=1024k,slots=1,maxmem=200704k"
    ),
    "<memoryBacking><hugepages><page size='4'/></hugepages></memoryBacking>": (
        '-object {"qom-type":"memory-backend-ram","id":"pc.ram","size":67108864}'
    ),
    "<cpu mode='maximum'><feature policy='optional' name='svm'/></cpu>": "-cpu max",
}


@pytest.mark.parametrize("body", FIRST)
def test_qemu_is_told_as_libvirt_does(body: str, caps: Capabilities) -> None:
    """The first of two timers counts, sizes are whole MiB, ordinary pages are not huge ones."""
    assert f"\n{FIRST[body]}\n" in words(text(body), caps)


def test_a_board_has_a_manufacturer_if_it_has_anything(caps: Capabilities) -> None:
    """An empty one, when the XML names none."""
    board = "<sysinfo type='smbios'><baseBoard><entry name='asset'>A</entry></baseBoard></sysinfo>"
    told = words(text(board, os="<smbios mode='sysinfo'/>"), caps)
    assert "\n-smbios type=2,manufacturer=,asset=A\n" in told


CACHE = (
    "<cache level='{}' associativity='none' policy='writeback'>"
    "<size value='8' unit='KiB'/><line value='64' unit='B'/></cache>"
)


def nodes(links: str, cache: str = "") -> str:
    """Three nodes, the second without CPUs and with this cache."""
    return text(
        "<vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0' memory='1024'/>"
        f"<cell id='1' memory='1024'>{cache}</cell><cell id='2' cpus='1' memory='1024'/>"
        f"<interconnects>{links}</interconnects></numa></cpu>"
    )


NEAREST = {
    "<latency initiator='0' target='1' type='write' value='7'/>"
    "<latency initiator='2' target='1' type='read' value='5'/>": 2,
    "<bandwidth initiator='0' target='1' type='access' value='7'/>"
    "<bandwidth initiator='2' target='1' type='access' value='9'/>": 2,
    "<bandwidth initiator='2' target='1' type='access' value='9'/>"
    "<latency initiator='0' target='1' type='access' value='7'/>": 0,
}


@pytest.mark.parametrize("links", NEAREST)
def test_memory_belongs_to_the_nearest_cpus(links: str, caps: Capabilities) -> None:
    """By the lowest latency of any kind that is told, else by the highest bandwidth."""
    told = words(nodes(links), caps)
    assert f"-numa node,nodeid=1,initiator={NEAREST[links]}," in told


def test_cache_of_no_kind_is_not_written(caps: Capabilities) -> None:
    """As libvirt writes it, who reads such a cache again."""
    written = render(defined(nodes("", CACHE.format(1)), caps))
    assert "<cache level='1' policy='writeback'>" in written
    assert "interconnects" not in written
    assert "associativity=none,policy=write-back" in words(nodes("", CACHE.format(1)), caps)


LINK = "<latency initiator='{}' target='1' cache='{}' type='read' value='5'/>"
WRONG = {
    nodes(LINK.format(1, 0)): "without CPUs can't be initiator",
    nodes(LINK.format(0, 2), CACHE.format(1)): "non-existent NUMA node cache",
    nodes(LINK.format(0, 1) * 2, CACHE.format(1)): "Duplicate info",
    nodes("", CACHE.format(1) * 2): "Cache level '1' already defined",
    nodes("", CACHE.format(4)): "'4' is not accepted",
}


@pytest.mark.parametrize("xml", WRONG, ids=WRONG.values())
def test_memory_that_cannot_be_so_is_refused(xml: str, caps: Capabilities) -> None:
    """Caches and ways between nodes that are not there, or are told twice."""
    with pytest.raises(libvirtError, match=WRONG[xml]) as refused:
        defined(xml, caps)
    assert refused.value.get_error_code() == 27


def test_usual_distances_are_not_told(caps: Capabilities) -> None:
    """QEMU assumes them."""
    cell = "<cell id='0' cpus='0' memory='1024'/><cell id='1' cpus='1' memory='1024'>{}</cell>"
    usual = cell.format("<distances><sibling id='0' value='20'/></distances>")
    assert "dist," not in words(text(f"<vcpu>2</vcpu><cpu><numa>{usual}</numa></cpu>"), caps)


def test_memory_is_touched_from_its_own_nodes(caps: Capabilities) -> None:
    """Pages of named nodes that are there from the start are made by threads that run on these."""
    bound = "<numatune><memory nodeset='0'/></numatune>"
    now = "<memoryBacking><allocation mode='immediate'/></memoryBacking>"
    told = words(text(bound + now), caps)
    assert '{"qom-type":"thread-context","id":"tc-pc.ram","node-affinity":[0]}' in told
    assert '"prealloc-context":"tc-pc.ram"' in told
    assert "thread-context" not in words(text(bound), caps) + words(text(now), caps)
