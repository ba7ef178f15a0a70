"""Valid networks and ports, which together say everything that their classes declare."""

from __future__ import annotations

UUID = "81ff0d90-c91e-6742-64da-4a736edb9a9b"
IPV4 = "<ip address='10.0.0.1' prefix='24'/>"


def network(body: str = "", attributes: str = "", name: str = "n") -> str:
    """A network around ``body``."""
    return f"<network{attributes}><name>{name}</name><uuid>{UUID}</uuid>{body}</network>"


SERVED = network(
    "<forward mode='nat' dev='eth1'><nat ipv6='yes'><address start='1.2.3.4' end='1.2.3.10'/>"
    "<port start='1024' end='65535'/></nat></forward><bridge name='br1' stp='on' delay='2' zone='z' "
    "macTableManager='libvirt'/><mtu size='9000'/><mac address='52:54:00:00:00:01'/>"
    "<domain name='example.org' localOnly='yes'/><dns enable='yes' forwardPlainNames='no'>"
    "<forwarder domain='a.org' addr='1.1.1.1'/><forwarder addr='fd00::53'/><txt name='t' value='some text'/>"
    "<srv service='sip' protocol='udp' "
    "domain='example.org' target='.' port='5060' priority='10' weight='20'/><host ip='10.0.0.9'>"
    "<hostname>h</hostname><hostname>i</hostname></host></dns><vlan trunk='yes'><tag id='3' "
    "nativeMode='untagged'/><tag id='4'/></vlan><bandwidth><inbound average='1000' peak='5000' burst='512'/>"
    "<outbound average='128' peak='256' burst='256'/></bandwidth><port isolated='yes'/>"
    "<ip address='10.0.0.1' netmask='255.255.255.0' localPtr='yes'><tftp root='/srv/tftp'/><dhcp>"
    "<range start='10.0.0.10' end='10.0.0.99'><lease expiry='1' unit='hours'/></range>"
    "<range start='10.0.0.100' end='10.0.0.109'/><host mac='52:54:00:AA:00:01' name='a' ip='10.0.0.20'>"
    "<lease expiry='0'/></host><host name='b' ip='10.0.0.21'/>"
    "<bootp file='pxe' server='10.0.0.2'/></dhcp></ip>"
    "<ip family='ipv6' address='fd00::1' prefix='64'><dhcp><range start='fd00::100' end='fd00::1ff'/>"
    "<host id='0:4:7e' name='c' ip='fd00::20'/></dhcp></ip><route address='10.9.0.0' netmask='255.255.0.0' "
    "gateway='10.0.0.2'/><route family='ipv6' address='fd09::' prefix='64' gateway='fd00::2' metric='2'/>"
    "<metadata><a:b xmlns:a='urn:a'>text</a:b></metadata>",
    " ipv6='yes' trustGuestRxFilters='no' connections='2'",
)
DEVICES = network(
    "<forward mode='vepa'><interface dev='e0' connections='1'/><interface dev='e1'/></forward>"
    "<virtualport type='802.1Qbg'><parameters managerid='11' typeid='1193047' typeidversion='2' "
    f"instanceid='{UUID}'/></virtualport><portgroup name='p' default='yes' trustGuestRxFilters='yes'>"
    "<virtualport type='openvswitch'><parameters profileid='x'/></virtualport></portgroup>"
)
SWITCHED = network(
    f"<forward mode='bridge'/><virtualport type='openvswitch'><parameters interfaceid='{UUID}' "
    "profileid='x'/></virtualport><portgroup name='p'><vlan><tag id='7'/></vlan></portgroup>"
    "<portgroup name='q'/>"
)
POOL = network(
    "<forward mode='hostdev' managed='yes'><driver name='vfio'/><address type='pci' domain='0' bus='3' "
    "slot='0x10' function='1' connections='1'/><address type='pci' bus='3' slot='17'/></forward>"
)
OPTIONS = network(
    f"<domain name='d' register='no'/>{IPV4}<dnsmasq:options><dnsmasq:option value='log-queries'/>"
    "<dnsmasq:option value=''/></dnsmasq:options><portgroup name='p'><bandwidth><inbound average='1'/>"
    "</bandwidth></portgroup>",
    " xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'",
)
GOLDEN = (
    SERVED,
    DEVICES,
    SWITCHED,
    POOL,
    OPTIONS,
    network("<forward mode='hostdev'><pf dev='e0' connections='1'/></forward>"),
    network("<bandwidth><inbound average='1' floor='0'/></bandwidth><ip address='10.0.0.1'/>"),
)
ALL = (
    *GOLDEN,
    network(),
    network("<forward/>" + IPV4),
    network(f"<forward mode='route'/>{IPV4}<ip family='ipv4' address='10.1.0.1'/>"),
    network("<forward mode='open'/><ip family='ipv6' address='fd00::1' prefix='64'/>"),
    network("<forward mode='bridge'/><bridge name='br0' macTableManager='kernel'/>"),
    network("<forward mode='passthrough'><interface dev='e0'/></forward><vlan><tag id='5'/></vlan>"),
    network(
        "<forward mode='private'/><virtualport type='802.1Qbh'><parameters profileid='x'/></virtualport>"
    ),
    network("<dns enable='no'/>" + IPV4),
)


def port(body: str) -> str:
    """A port around ``body``."""
    owner = f"<owner><name>v</name><uuid>{UUID}</uuid></owner>"
    return f"<networkport><uuid>{UUID}</uuid>{owner}<mac address='52:54:00:00:00:09'/>{body}</networkport>"


PORTS = (
    port(""),
    port(
        "<group>web</group><virtualport type='openvswitch'><parameters profileid='x'/></virtualport>"
        "<bandwidth classID='1729'><inbound average='1' peak='2' floor='3' burst='4'/>"
        "<outbound average='1'/></bandwidth><rxfilters trustGuest='yes'/><port isolated='yes'/>"
        "<vlan><tag id='3' nativeMode='tagged'/></vlan>"
        "<plug type='network' bridge='br0' macTableManager='libvirt'/>"
    ),
    port("<vlan trunk='yes'><tag id='3'/></vlan><plug type='direct' dev='e0' mode='vepa'/>"),
    port(
        "<plug type='hostdev-pci' managed='yes'><driver name='vfio'/>"
        "<address type='pci' domain='0' bus='3' slot='1' function='2'/></plug>"
    ),
    port(
        "<virtualport type='802.1Qbg'><parameters managerid='1' typeid='2' typeidversion='3' "
        f"instanceid='{UUID}'/></virtualport>"
    ),
    port(f"<virtualport type='midonet'><parameters interfaceid='{UUID}'/></virtualport>"),
)

UPDATES = {
    4: (
        "<host mac='52:54:00:00:00:0c' name='z' ip='10.0.0.22'><lease expiry='5'/></host>",
        "<host mac='52:54:00:aa:00:01'/>",
        "<host id='0:5' name='y' ip='fd00::21'/>",
    ),
    5: ("<range start='10.0.0.200' end='10.0.0.209'/>", "<range start='10.0.0.10' end='10.0.0.99'/>"),
    7: ("<interface dev='eth1'/>", "<interface dev='e9'/>"),
    9: ("<portgroup name='p'/>", "<portgroup name='new'><vlan><tag id='9'/></vlan></portgroup>"),
    10: ("<host ip='10.0.0.9'/>", "<host ip='10.0.0.8'><hostname>q</hostname></host>"),
    11: ("<txt name='t' value='v'/>", "<txt name='u' value='w'/>"),
    12: ("<srv service='sip'/>", "<srv service='x' protocol='tcp' target='t' port='1'/>"),
}
"""By the number of the section."""
