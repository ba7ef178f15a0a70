"""Ports of the guest: what libvirt 9 makes of them, on the command line, over QMP and in XML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.address import VirtioSerialAddress
from embervirt.drivers.qemu.parts import Chardev, CompileContext, Object, Part, argv, plug
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.compiling import DEVICES
from embervirt.drivers.qemu.ports import with_sockets
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.service import describe
from embervirt.drivers.qemu.validate import chardev as rules
from embervirt.drivers.xml import parse, render
from embervirt.errors import libvirtError

XML = """<domain type='qemu'><name>g</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
<memory>131072</memory><os><type>hvm</type></os><devices>{}</devices></domain>"""
LISTS = ("serials", "parallels", "channels", "consoles")


def defined(devices: str, caps: Capabilities) -> Domain:
    """As the driver defines it, but for its addresses."""
    domain = postparse(parse(Domain, XML.format(devices), strict=True), caps)
    rules.check(domain)
    return domain


def parts_of(domain: Domain, caps: Capabilities, run: CompileContext) -> list[Part]:
    """The parts of all its ports."""
    build = Build(named(with_sockets(domain, run_dir(run))), caps, run)
    lists = build.domain.devices.lists
    return [part for name in LISTS for device in lists[name] for part in DEVICES[name](device, build)]


def run_dir(run: CompileContext) -> Path:
    """The directory of the run."""
    return Path(run.domain_dir)


def unused(reference: object) -> Any:
    """No port has a secret."""
    raise AssertionError(reference)


RUN = CompileContext(7, "/root/lib/qemu/domain-7-g", "/ram", 3, None, unused)

PORT = '{"driver":"isa-serial","id":"serial0","chardev":"charserial0","index":0}'

BACKENDS = {
    "<serial type='pty'/>": "pty,id=charserial0",
    "<serial type='file'><source path='/a,b' append='on'/></serial>": (
        "file,id=charserial0,path=/a,,b,append=on"
    ),
    "<serial type='dev'><source path='/dev/ttyS2'/></serial>": "serial,id=charserial0,path=/dev/ttyS2",
    "<serial type='unix'><source mode='bind' path='/s'/></serial>": (
        "socket,id=charserial0,path=/s,server=on,wait=off"
    ),
    "<serial type='unix'><source path='/s'><reconnect enabled='yes' timeout='10'/></source></serial>": (
        "socket,id=charserial0,path=/s,reconnect=10"
    ),
    "<serial type='tcp'><source mode='bind' host='::1' service='24'/><protocol type='telnet'/></serial>": (
        "socket,id=charserial0,host=::1,port=24,telnet=on,server=on,wait=off"
    ),
    "<serial type='udp'><source mode='connect' host='h' service='2'/></serial>": (
        "udp,id=charserial0,host=h,port=2,localaddr=,localport=0"
    ),
    "<serial type='udp'><source mode='bind' host='b' service='1'/><source host='h' service='2'/></serial>": (
        "udp,id=charserial0,host=h,port=2,localaddr=b,localport=1"
    ),
    "<serial type='null'><log file='/l' append='off'/></serial>": (
        "null,id=charserial0,logfile=/l,logappend=off"
    ),
}


@pytest.mark.parametrize("xml", BACKENDS)
def test_where_the_bytes_go_is_what_libvirt_says(xml: str, caps: Capabilities) -> None:
    """Every kind of source on the command line, as an installed libvirt 9 writes it."""
    words = argv(parts_of(defined(xml, caps), caps, RUN))
    assert words == ["-chardev", BACKENDS[xml], "-device", PORT]


@pytest.mark.parametrize("xml", BACKENDS)
def test_a_backend_over_qmp_says_whether_it_listens(xml: str, caps: Capabilities) -> None:
    """QMP takes a socket for a listening one if it is not told, and knows addresses only as structures."""
    chardev = next(part for part in parts_of(defined(xml, caps), caps, RUN) if isinstance(part, Chardev))
    command, arguments = plug(chardev)
    assert command == "chardev-add"
    backend = arguments["backend"]
    if backend["type"] == "socket":
        assert backend["data"]["server"] == ("bind" in xml)
        assert backend["data"]["addr"]["type"] == ("unix" if "unix" in xml else "inet")


DEVICES_OF = {
    "<serial type='pty'><target type='pci-serial'/></serial>": (
        '{"driver":"pci-serial","id":"serial0","chardev":"charserial0"}'
    ),
    "<serial type='pty'><target type='isa-debug'/><address type='isa' iobase='0x402'/></serial>": (
        '{"driver":"isa-debugcon","id":"serial0","chardev":"charserial0","iobase":1026}'
    ),
    "<parallel type='pty'/>": '{"driver":"isa-parallel","id":"parallel0","chardev":"charparallel0"}',
    "<console type='pty'><target type='virtio'/></console>": (
        '{"driver":"virtconsole","id":"console0","chardev":"charconsole0"}'
    ),
    "<channel type='pty'><target type='virtio' name='a,b'/></channel>": (
        '{"driver":"virtserialport","id":"channel0","chardev":"charchannel0","name":"a,b"}'
    ),
    "<channel type='pty'><target type='guestfwd' address='10.0.2.1' port='46'/></channel>": (
        '{"type":"user","id":"channel0","guestfwd":[{"str":"tcp:10.0.2.1:46-chardev:charchannel0"}]}'
    ),
}


@pytest.mark.parametrize("xml", DEVICES_OF)
def test_what_the_guest_sees_is_what_libvirt_gives_it(xml: str, caps: Capabilities) -> None:
    """Each kind of port; QEMU's device, or the user network's rule."""
    assert argv(parts_of(defined(xml, caps), caps, RUN))[-1] == DEVICES_OF[xml]


def test_a_channel_without_path_has_a_socket_of_the_run(caps: Capabilities) -> None:
    """Its name is the file's, and a definition never says it."""
    xml = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    domain = defined(xml, caps)
    path = "/root/lib/qemu/channel/target/domain-7-g/org.qemu.guest_agent.0"
    assert f"path={path},server=on,wait=off" in argv(parts_of(domain, caps, RUN))[1]
    assert "<source" not in render(domain)
    assert defined(xml.replace("<target", f"<source mode='bind' path='{path}'/><target"), caps) == domain


def test_the_first_console_is_the_first_serial_port(caps: Capabilities) -> None:
    """Whichever of the two the XML has, it ends as both, with one name; a console of virtio is one more."""
    alone = defined("<console type='file'><source path='/c'/><target port='3'/></console>", caps).devices
    both = defined("<serial type='file'><source path='/c'/></serial><console type='pty'/>", caps).devices
    assert (alone.serials, alone.consoles) == (both.serials, both.consoles)
    assert (alone.consoles[0].type, alone.serials[0].port) == ("file", 0)
    more = named(defined("<serial/><console><target type='virtio'/></console>", caps)).devices
    assert [console.id for console in more.consoles] == ["serial0", "console1"]


def test_a_console_of_virtio_has_the_number_of_its_place_in_the_xml(caps: Capabilities) -> None:
    """The serial port's console counts if the XML has it; without, libvirt counts before it is there."""
    virtio = "<console><target type='virtio'/></console>"
    for devices, expected in {
        virtio * 2: [0, 1],
        f"<console/>{virtio * 2}": [0, 1, 2],
        f"<serial/>{virtio * 2}": [0, 0, 1],
        f"<serial/><console/>{virtio}": [0, 1],
    }.items():
        domain = defined(devices, caps)
        assert [each.target.port for each in domain.devices.consoles if each.target] == expected
        assert postparse(domain, caps) == domain


def test_a_console_on_any_controller_costs_the_first_one_a_port(caps: Capabilities) -> None:
    """It is port 0 of the controller that it names; libvirt passes over the next free one of number 0."""
    controllers = "".join(f"<controller type='virtio-serial' index='{n}'/>" for n in (0, 1))
    console = "<console><target type='virtio'/><address type='virtio-serial' controller='1'/></console>"
    domain = defined(f"{controllers}{console}<channel><target type='virtio'/></channel>", caps)
    devices = assign(domain, caps).devices
    assert devices.consoles[0].address == VirtioSerialAddress(controller=1, port=0)
    assert devices.channels[0].address == VirtioSerialAddress(controller=0, port=2)


def test_a_debug_port_or_one_on_usb_makes_no_console(caps: Capabilities) -> None:
    """Only an ISA port does that by itself, as in libvirt."""
    for type_ in ("isa-debug", "usb-serial", "pci-serial"):
        assert not defined(f"<serial><target type='{type_}'/></serial>", caps).devices.consoles


def test_ports_without_a_number_follow_the_highest(caps: Capabilities) -> None:
    """Of serial ports the highest of all, of parallel ones the highest before: libvirt 9's rule."""
    found = defined("<serial/><serial><target port='1'/></serial><serial/>", caps).devices
    assert [serial.port for serial in found.serials] == [2, 1, 3]
    negative = defined("<serial><target port='-1'/></serial>", caps).devices
    assert negative.serials[0].port == 0
    given = "<parallel/><parallel><target port='5'/></parallel><parallel/>"
    ports = [each.target.port for each in defined(given, caps).devices.parallels if each.target]
    assert ports == [0, 5, 6]


ISA = "<serial><target type='isa-serial' port='{}'/></serial>"


def test_isa_ports_that_say_their_type_take_the_lowest_free_number(caps: Capabilities) -> None:
    """Before those that leave it open, which follow the highest; ports on other buses are not in the way."""
    isa, usb = "<serial><target type='isa-serial'/></serial>", "<serial><target type='usb-serial'/></serial>"
    for devices, expected in {
        isa + "<serial/>" + isa: [0, 2, 1],
        ISA.format(2) + "<serial/>" + isa: [2, 3, 0],
        usb + isa: [1, 0],
        "<serial><target type='usb-serial' port='0'/></serial>" + isa: [0, 0],
        "<serial><target port='0'/></serial>" + isa: [0, 1],
    }.items():
        assert [serial.port for serial in defined(devices, caps).devices.serials] == expected


TLS = {"connect": ("", "client"), "bind": (",server=on,wait=off", "server")}


@pytest.mark.parametrize(("mode", "expected"), TLS.items())
def test_tls_has_its_certificates_before_the_socket(
    mode: str, expected: tuple[str, str], caps: Capabilities
) -> None:
    """Who connects is a client, who listens a server, and both look whom they talk to."""
    xml = f"<serial type='tcp'><source mode='{mode}' host='h' service='1' tls='yes'/></serial>"
    certificates, socket = parts_of(defined(xml, caps), caps, RUN)[:2]
    assert isinstance(certificates, Object)
    assert certificates.props == {"dir": "/etc/pki/qemu", "endpoint": expected[1], "verify-peer": True}
    more = f"{expected[0]},tls-creds={certificates.id}"
    assert argv([socket]) == ["-chardev", f"socket,id=charserial0,host=h,port=1{more}"]


AGAIN = "<reconnect enabled='yes' timeout='1'/>"
REFUSED = {
    "<serial type='bogus'/>": 67,
    "<serial type='spicevmc'/>": 67,
    "<serial type='file'/>": 1,
    "<serial type='unix'><source mode='bind'/></serial>": 1,
    "<serial type='tcp'><source mode='bind' service='1'/></serial>": 1,
    "<serial type='tcp'><source host='a' service='1'/><protocol type='tls'/></serial>": 67,
    "<serial type='udp'><source mode='bind'/><source mode='bind'/><source service='1'/></serial>": 27,
    "<serial type='udp'><source mode='bind' service='1'/></serial>": 1,
    "<serial type='unix'><source mode='bogus' path='/x'/></serial>": 27,
    "<serial type='unix'><source path='/x'><reconnect enabled='yes'/></source></serial>": 27,
    "<serial type='unix'><source path='/x'><reconnect enabled='yes' timeout='0'/></source></serial>": 8,
    f"<serial type='unix'><source mode='bind' path='/x'>{AGAIN}</source></serial>": 1,
    "<serial type='unix'><source mode='bind' path='/x'><reconnect enabled='no'/></source></serial>": 1,
    "<serial type='unix'><source mode='bind' path='/x'><reconnect enabled='yes'/></source></serial>": 27,
    ISA.format(2) + ISA.format(2): 1,
    ISA.format(4): 1,
    "<serial type='unix'><source path='/x'/><source path='/y'/></serial>": 27,
    "<serial><target type='isa-serial'><model name='pci-serial'/></target></serial>": 67,
    "<serial><target type='pci-serial'/><address type='isa' iobase='0x3f8'/></serial>": 67,
    "<serial><target type='spapr-vio-serial'/></serial>": 67,
    "<console/><console type='null'/>": 67,
    "<console><target type='sclp'/></console>": 67,
    "<channel type='pty'/>": 27,
    "<channel type='pty'><target type='bogus'/></channel>": 67,
    "<channel type='pty'><target/></channel>": 67,
    "<channel type='pty'><target type='guestfwd' address='x' port='3'/></channel>": 38,
    "<channel type='qemu-vdagent'><source><mouse/></source><target type='virtio'/></channel>": 27,
    "<console type='pty'><target type='virtio'/><address type='pci' slot='5'/></console>": 1,
    "<channel type='pty'><target type='guestfwd' address='::1' port='3'/></channel>": 67,
    "<channel type='pty'><target type='guestfwd' port='3'/></channel>": 27,
    "<channel type='pty'><target type='guestfwd' address='10.0.2.1'/></channel>": 27,
}


@pytest.mark.parametrize("xml", REFUSED)
def test_what_no_port_can_be_is_refused_with_libvirts_code(xml: str, caps: Capabilities) -> None:
    """When it is defined, not when it is started."""
    with pytest.raises(libvirtError) as refused:
        defined(xml, caps)
    assert refused.value.get_error_code() == REFUSED[xml]


def test_live_xml_has_the_ptys_and_what_the_guest_has_opened(caps: Capabilities) -> None:
    """The mirror has the tty of its port; a console of virtio has only its source, as in libvirt."""
    xml = "<serial/><parallel/><console><target type='virtio'/></console>"
    channels = "<channel><target type='virtio' name='a'/></channel><channel><target type='virtio'/></channel>"
    ptys = {f"char{name}": f"/dev/pts/{n}" for n, name in enumerate(("serial0", "parallel0", "console1"))}
    live = describe.live(defined(xml + channels, caps), 4, ptys, frozenset({"charchannel0"})).devices
    assert [port.source and port.source.path for port in (*live.serials, *live.parallels)] == [
        "/dev/pts/0",
        "/dev/pts/1",
    ]
    assert [(console.tty, console.source and console.source.path) for console in live.consoles] == [
        ("/dev/pts/0", "/dev/pts/0"),
        (None, "/dev/pts/2"),
    ]
    assert [each.target and each.target.state for each in live.channels] == ["connected", "disconnected"]


def test_a_port_that_is_closed_again_is_shown_so(caps: Capabilities) -> None:
    """Only the one that QEMU names changes."""
    xml = "<channel><target type='virtio' name='a'/></channel>" * 2
    live = describe.live(defined(xml, caps), 4, {}, frozenset({"charchannel0", "charchannel1"}))
    after = describe.with_channel(live, "channel1", is_open=False)
    assert [each.target and each.target.state for each in after.devices.channels] == [
        "connected",
        "disconnected",
    ]


_paths = st.sampled_from(("/a", "/b,c", "/d'e"))
_types = st.sampled_from(("pty", "null", "file", "unix", "tcp", "udp", "dev", "vc", "stdio"))
_ports = st.one_of(st.none(), st.integers(-1, 9))


@st.composite
def _devices(draw: st.DrawFn) -> str:
    kinds = st.sampled_from(("serial", "parallel", "console", "channel"))
    made = []
    for kind in draw(st.lists(kinds, max_size=5)):
        port = draw(_ports)
        type_ = {"channel": " type='virtio' name='n'", "console": " type='virtio'"}.get(kind, "")
        number = f" port='{port}'" if port is not None and kind != "channel" else ""
        path = draw(_paths).replace("'", "&apos;")
        source = f"<source mode='connect' path='{path}' host='h' service='1'/>"
        made.append(f"<{kind} type='{draw(_types)}'>{source}<target{type_}{number}/></{kind}>")
    return "".join(made)


@given(xml=_devices())
def test_a_definition_stays_what_it_is(xml: str, caps: Capabilities) -> None:
    """Completing it twice changes nothing, and it survives its own XML."""
    once = postparse(parse(Domain, XML.format(xml)), caps)
    assert postparse(once, caps) == once
    assert parse(Domain, render(once)) == once
