"""Valid domains that together say everything that can be said, a family for a part of the XML.

``/dir/`` stands for a directory with the files of ``FILES``. Not all can start here; all can be defined.
"""

from __future__ import annotations

from itertools import chain

FILES = {"a.raw": "raw", "b.raw": "raw", "c.raw": "raw", "a.qcow2": "qcow2", "b.qcow2": "qcow2"}
"""Images that the seeds name, and their formats; one MiB each."""

QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"


def domain(devices: str = "", more: str = "", *, os: str = "", machine: str = "q35", after: str = "") -> str:
    """A domain of 32 MiB with these elements."""
    return (
        f"<domain type='qemu' xmlns:qemu='{QEMU}'><name>seed</name><memory unit='MiB'>32</memory>{more}"
        f"<os><type arch='x86_64' machine='{machine}'>hvm</type>{os}</os>"
        f"<devices>{devices}</devices>{after}</domain>"
    )


def _place(slot: int, bus: int = 0) -> str:
    return f"<address type='pci' domain='0x0000' bus='{bus:#x}' slot='{slot:#x}' function='0x0'/>"


_VIRTIO = "iommu='on' ats='on' packed='on' page_per_vq='on'"
_TUNED = (
    "<iotune><total_bytes_sec>1000000</total_bytes_sec><total_iops_sec>1000</total_iops_sec>"
    "<total_bytes_sec_max>2000000</total_bytes_sec_max><total_iops_sec_max>2000</total_iops_sec_max>"
    "<total_bytes_sec_max_length>3</total_bytes_sec_max_length><group_name>g</group_name>"
    "<total_iops_sec_max_length>3</total_iops_sec_max_length><size_iops_sec>5</size_iops_sec></iotune>"
)
_SPLIT = "".join(
    f"<{way}_{unit}_sec>100000</{way}_{unit}_sec><{way}_{unit}_sec_max>200000</{way}_{unit}_sec_max>"
    f"<{way}_{unit}_sec_max_length>3</{way}_{unit}_sec_max_length>"
    for way in ("read", "write")
    for unit in ("bytes", "iops")
)
_SECRET = f"<secret type='passphrase' uuid='{UUID}'/>"
_LABEL = "<seclabel model='dac' relabel='no'/>"

DISKS = (
    domain(
        "<disk type='file' device='disk' model='virtio' snapshot='no'><driver name='qemu' type='qcow2' "
        "cache='none' error_policy='stop' rerror_policy='stop' io='threads' ioeventfd='on' event_idx='on' "
        "copy_on_read='on' discard='unmap' iothread='1' detect_zeroes='unmap' queues='2' queue_size='128' "
        f"{_VIRTIO}><metadata_cache><max_size unit='KiB'>64</max_size></metadata_cache></driver>"
        f"<source file='/dir/a.qcow2' startupPolicy='optional' index='1'>{_LABEL}</source>"
        "<backingStore type='file' index='2'><format type='qcow2'><metadata_cache>"
        "<max_size unit='bytes'>65536</max_size></metadata_cache></format><source file='/dir/b.qcow2'/>"
        "<backingStore/></backingStore><target dev='vda' bus='virtio'/>"
        "<blockio logical_block_size='512' physical_block_size='512'/><serial>s-1</serial>"
        f"{_TUNED}<boot order='1'/><alias name='ua-d'/>{_place(9)}</disk>",
        "<iothreads>1</iothreads>",
    ),
    domain(
        "<disk type='file' device='disk'><source file='/dir/a.raw'><slices><slice type='storage' offset='0' "
        "size='65536'/></slices></source><target dev='sda' bus='scsi' rotation_rate='1'/><readonly/>"
        f"<iotune>{_SPLIT}</iotune><vendor>V</vendor><product>P</product><wwn>5000c50015ea71aa</wwn>"
        "<address type='drive' controller='0' bus='0' target='1' unit='2'/></disk>"
        "<controller type='scsi' index='0' model='virtio-scsi'><driver queues='2' cmd_per_lun='8' "
        f"max_sectors='128' ioeventfd='on' iothread='1' {_VIRTIO}/></controller>",
        "<iothreads>1</iothreads>",
    ),
    domain(
        "<disk type='file' device='cdrom'><target dev='sdb' bus='sata' tray='open'/></disk>"
        "<disk type='file'><source file='/dir/a.raw'/><target dev='sdc' bus='usb' removable='on'/>"
        "<address type='usb' bus='0' port='1'/></disk>"
        "<disk type='block'><source dev='/dir/block'/><target dev='vdb'/><shareable/></disk>"
    ),
    domain(
        "<disk device='floppy'><source file='/dir/b.raw'/><target dev='fda'/></disk>"
        "<disk><source file='/dir/c.raw'/><target dev='hda'/>"
        "<geometry cyls='16' heads='16' secs='8' trans='none'/></disk>",
        machine="pc",
    ),
    domain(
        "<disk type='network'><source protocol='nbd' name='x' tls='no' tlsHostname='h'>"
        "<host name='localhost' port='10809' transport='tcp'/></source>"
        "<target dev='vda'/></disk><disk type='network'><source protocol='nbd'>"
        "<host transport='unix' socket='/dir/nbd'/></source><target dev='vdb'/></disk>"
    ),
    domain(
        "<disk type='network'><source protocol='rbd' name='p/i'><host name='h' port='1'/><snapshot name='s'/>"
        "<config file='/dir/conf'/><auth username='u'><secret type='ceph' usage='a'/></auth></source>"
        "<target dev='vda'/></disk><disk type='network'><source protocol='iscsi' name='iqn.a:b/1'>"
        "<host name='h'/><initiator><iqn name='iqn.c:d'/></initiator></source><target dev='vdb'/></disk>"
        "<disk type='network' device='cdrom'><source protocol='https' name='/a.iso' "
        "query='a=b'><host name='h'"
        " port='443'/><ssl verify='no'/><cookies><cookie name='c'>d</cookie></cookies>"
        "<readahead size='65536'/><timeout seconds='5'/></source>"
        "<target dev='sda' bus='sata'/></disk>"
    ),
    domain(
        "<disk type='volume'><source pool='p' volume='v' mode='direct'/><backenddomain name='d'/>"
        "<target dev='vda'/></disk>"
        "<disk type='volume' device='cdrom'><source pool='p' volume='v' startupPolicy='optional'/>"
        "<target dev='sda' bus='sata'/></disk>"
    ),
    domain(
        "<disk type='network'><source protocol='ssh' name='/a'><host name='h' port='22'/>"
        "<identity user='+0' group='+0'/></source><target dev='vda'/></disk>"
    ),
    domain(
        f"<disk><driver type='qcow2'/><source file='/dir/a.qcow2'><encryption format='luks' engine='qemu'>"
        f"{_SECRET}"
        "</encryption></source><target dev='vda'/></disk>"
        f"<disk><source file='/dir/a.raw'/><target dev='vdb'/><encryption format='luks'>{_SECRET}"
        "</encryption></disk>"
    ),
)

CONTROLLERS = (
    domain(
        "<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' "
        "model='pcie-root-port'><model name='pcie-root-port'/><target chassis='1' port='0x10' hotplug='off'/>"
        "<address type='pci' bus='0' slot='2' function='0' multifunction='on'/></controller>"
        "<controller type='pci' index='2' model='pcie-expander-bus'><target "
        "busNr='200'><node>0</node></target>"
        "</controller><controller type='usb' index='0' model='qemu-xhci' ports='8'/>"
        "<controller type='virtio-serial' index='0' ports='16' vectors='4'/><controller type='sata' "
        "index='1'/>"
        "<controller type='scsi' index='0' model='virtio-scsi'/><controller type='ccid' index='0'/>",
        "<vcpu>1</vcpu><cpu mode='custom'><model>qemu64</model><numa><cell id='0' cpus='0' memory='32768'/>"
        "</numa></cpu>",
    ),
    domain(
        "<controller type='pci' index='0' model='pci-root'><pcihole64 unit='KiB'>1048576</pcihole64>"
        "</controller><controller type='pci' index='1' model='pci-bridge'><target "
        "chassisNr='7'/></controller>"
        "<controller type='usb' index='0' model='ich9-ehci1'/><controller type='usb' index='0' "
        "model='ich9-uhci1'><master startport='0'/></controller><controller type='ide' index='0'/>"
        "<controller type='fdc' index='0'/><controller type='scsi' model='lsilogic'/>",
        machine="pc",
    ),
)

INTERFACES = (
    domain(
        "<interface type='user'><mac address='52:54:00:00:00:01' type='static' check='yes'/>"
        "<ip address='10.1.2.0' family='ipv4' prefix='24'/><ip address='fec0::' family='ipv6' prefix='64'/>"
        "<target dev='t0'/><model type='virtio'/><driver name='qemu' txmode='iothread' ioeventfd='on' "
        "event_idx='on' queues='1' rx_queue_size='256' tx_queue_size='256' rss='on' rss_hash_report='on' "
        f"{_VIRTIO}><host csum='on' gso='on' tso4='on' tso6='on' ecn='on' ufo='on' mrg_rxbuf='on'/><guest "
        "csum='on' tso4='on' tso6='on' ecn='on' ufo='on'/></driver><link state='down'/>"
        f"<boot order='1'/><rom bar='off'/>{_place(5)}<alias name='ua-n'/></interface>"
        "<interface type='user'><model type='e1000'/><rom enabled='no'/></interface>"
        "<interface type='user'><model type='e1000'/><rom file='/dir/a.raw'/></interface>"
    ),
    domain(
        "<interface type='network'><source network='n'/><virtualport type='openvswitch'>"
        "<parameters interfaceid='11111111-2222-3333-4444-555555555556' profileid='p'/>"
        "</virtualport></interface>"
        "<interface type='network' trustGuestRxFilters='yes'><source network='n' portgroup='g'/>"
        "<bandwidth><inbound average='100' peak='200' burst='64' floor='50'/><outbound average='9'/>"
        "</bandwidth>"
        "<vlan trunk='yes'><tag id='4' nativeMode='tagged'/><tag id='5'/></vlan>"
        "<virtualport type='802.1Qbg'><parameters managerid='1' typeid='2' typeidversion='3' "
        "instanceid='11111111-2222-3333-4444-555555555555'/></virtualport>"
        "<port isolated='yes'/><guest dev='nolink0' actual='nolink1'/><model type='virtio'/>"
        "<backend tap='/dev/net/tun' vhost='/dev/vhost-net'/><filterref filter='clean-traffic'>"
        "<parameter name='IP' value='10.0.0.1'/></filterref><mtu size='1400'/>"
        "<tune><sndbuf>1600</sndbuf></tune>"
        "<coalesce><rx><frames max='7'/></rx></coalesce><teaming type='persistent'/><alias name='ua-t'/>"
        "</interface>"
        "<interface type='network'><source network='n'/><model type='virtio'/>"
        "<teaming type='transient' persistent='ua-t'/></interface>"
    ),
    domain(
        "<interface type='bridge'><source bridge='br0'/><target dev='tap0'/><model type='virtio'/>"
        "<driver name='vhost' queues='4'/></interface>"
        "<interface type='direct'><source dev='nolink0' mode='bridge'/></interface>"
        "<interface type='ethernet'><target dev='tap1' managed='no'/><script path='/dir/up'/>"
        "<downscript path='/dir/down'/><source><ip address='10.0.0.1' prefix='24' peer='10.0.0.2'/>"
        "<route family='ipv4' address='10.1.0.0' netmask='255.255.0.0' gateway='10.0.0.2' metric='3'/>"
        "<route address='10.2.0.0' prefix='16' gateway='10.0.0.2'/></source></interface>"
    ),
    domain(
        "<interface type='udp'><source address='127.0.0.1' port='1'><local address='127.0.0.1' port='2'/>"
        "</source></interface><interface type='mcast'><source address='230.0.0.1' port='5558'/></interface>"
        "<interface type='server'><source port='2015'/></interface>"
        "<interface type='client'><source address='127.0.0.1' port='2015'/></interface>"
        "<interface type='vhostuser'><source type='unix' path='/dir/v.sock' mode='client'/>"
        "<model type='virtio'/><driver queues='2'/></interface>"
        "<interface type='internal'><source name='x'/></interface>"
    ),
    domain(
        "<interface type='user'><source dev='nolink0'/><backend type='passt' logFile='/dir/p.log'/>"
        "<portForward proto='tcp' address='127.0.0.1' dev='lo'><range start='2000' end='2010' to='3000'/>"
        "<range start='2005' exclude='yes'/></portForward><portForward proto='udp'/></interface>"
        "<interface type='user'><portForward proto='tcp'><range start='2222' to='22'/></portForward>"
        "</interface>"
    ),
)

_NET = (
    "<source mode='bind' host='127.0.0.1' service='0'/><source mode='connect' host='127.0.0.1' service='9'/>"
)
PORTS = (
    domain(
        "<serial type='file'><source path='/dir/serial' append='on'/><log file='/dir/log' append='off'/>"
        "<target type='isa-serial' port='0'><model name='isa-serial'/></target>"
        "<address type='isa' iobase='0x3f8' irq='0x4'/></serial>"
        "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0' tls='no'/>"
        "<protocol type='telnet'/></serial>"
        f"<serial type='udp'>{_NET}<target type='usb-serial'/></serial>"
        "<parallel type='null'><target port='0'/></parallel>"
        "<console type='pty' tty='/dev/pts/9'><target type='virtio' port='1'/></console>"
    ),
    domain(
        "<serial type='unix'><source mode='connect' path='/dir/s'><reconnect enabled='yes' timeout='3'/>"
        "</source></serial><serial type='dev'><source path='/dev/null'/><target type='pci-serial'/></serial>"
        "<serial type='pipe'><source path='/dir/pipe'/></serial><serial type='vc'/><parallel type='unix'>"
        "<source mode='bind' path='/dir/p'/></parallel><console type='null'/>"
    ),
    domain(
        "<channel type='unix'><source mode='bind' path='/dir/c'/><target type='virtio' name='org.a' "
        "state='connected'/><address type='virtio-serial' controller='0' bus='0' port='2'/></channel>"
        "<channel type='pty'><target type='virtio' name='b'/></channel><channel type='qemu-vdagent'>"
        "<source><clipboard copypaste='yes'/><mouse mode='client'/></source>"
        "<target type='virtio' name='com.redhat.spice.0'/></channel>"
    ),
    domain("<channel type='null'><target type='guestfwd' address='10.0.2.1' port='4600'/></channel>"),
)

SCREENS = (
    domain(
        "<graphics type='vnc' port='-1' autoport='yes' websocket='-1' listen='127.0.0.1' keymap='de' "
        "sharePolicy='ignore' powerControl='yes' passwd='p' passwdValidTo='2040-01-01T00:00:00' "
        "connected='keep'><listen type='address' address='127.0.0.1'/><audio id='1'/></graphics>"
        "<video><driver name='qemu' vgaconf='on'/><model type='qxl' ram='65536' vram='65536' vram64='8192' "
        f"vgamem='16384' heads='1' primary='yes'><resolution x='800' y='600'/></model>{_place(1)}</video>"
        "<audio id='1' type='none'/><sound model='ich9'><codec type='micro'/><audio id='1'/></sound>"
    ),
    domain(
        "<graphics type='vnc' socket='/dir/vnc'/><video><model type='virtio' heads='2'>"
        f"<acceleration accel2d='no' accel3d='no'/></model><driver {_VIRTIO}/></video>"
    ),
    domain("<graphics type='vnc'><listen type='socket' socket='/dir/v'/></graphics><video/>"),
    domain("<video><model type='none'/></video>"),
)

_STREAM = (
    "<{0} mixingEngine='yes' fixedSettings='yes' voices='1' bufferLength='100' {1}>"
    "<settings frequency='44100' channels='2' format='s16'/></{0}>"
)


def _audio(type_: str, attributes: str, stream: str) -> str:
    streams = "".join(_STREAM.format(name, stream) for name in ("input", "output"))
    return domain(f"<audio id='1' type='{type_}' {attributes}>{streams}</audio><sound model='ac97'/>")


SOUNDS = (
    _audio("oss", "tryMMap='no' exclusive='no' dspPolicy='4'", "dev='/dev/dsp' bufferCount='4' tryPoll='no'"),
    _audio("pulseaudio", "serverName='s'", "name='n' streamName='s' latency='5'"),
    _audio("jack", "", "serverName='s' clientName='c' connectPorts='p' exactName='no'"),
    _audio("sdl", "driver='dummy'", "bufferCount='4'"),
    _audio("file", "path='/dir/wav' timerPeriod='10'", ""),
    _audio("none", "", ""),
)

SMALL = (
    domain(
        "<input type='tablet' bus='usb'/><input type='keyboard' bus='virtio' model='virtio'>"
        f"<driver {_VIRTIO}/></input><hub type='usb'><address type='usb' bus='0' port='3'/></hub>"
        "<watchdog model='i6300esb' action='pause'/><memballoon model='virtio' autodeflate='on' "
        f"freePageReporting='on'><stats period='5'/><driver {_VIRTIO}/></memballoon>"
        "<rng model='virtio'><rate bytes='1024' period='2000'/><backend model='random'>/dev/urandom</backend>"
        f"<driver {_VIRTIO}/></rng><panic model='isa'><address type='isa' iobase='0x505'/></panic>"
        "<panic model='hyperv'/>"
    ),
    domain(
        "<rng model='virtio'><backend model='egd' type='tcp'><source mode='connect' host='127.0.0.1' "
        "service='9'/><protocol type='raw'/><log file='/dir/rlog'/></backend></rng><rng model='virtio'>"
        "<backend model='builtin'/></rng>"
    ),
    domain(
        "<input type='passthrough' bus='virtio'><source evdev='/dev/input/event0'/></input>"
        "<input type='evdev'><source dev='/dev/input/event0' grab='all' grabToggle='ctrl-ctrl' repeat='on'/>"
        "</input>"
    ),
    domain(f"<vsock model='virtio'><cid auto='yes'/><driver {_VIRTIO}/></vsock><memballoon model='none'/>"),
    domain("<vsock><cid auto='no' address='77'/></vsock>"),
    domain(
        "<tpm model='tpm-crb'><backend type='emulator' version='2.0' persistent_state='yes'>"
        f"<encryption secret='{UUID}'/><active_pcr_banks><sha1/><sha256/><sha384/><sha512/>"
        "</active_pcr_banks></backend></tpm>"
    ),
    domain(
        "<tpm model='tpm-tis'><backend type='external'><source type='unix' mode='connect' path='/dir/tpm'/>"
        "</backend></tpm>"
    ),
    domain("<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>"),
)

_TABLE = "<{0}><entry name='{1}'>x</entry></{0}>"
_ACPI = "<features><acpi/></features>"
MACHINE = (
    domain(
        "",
        f"<uuid>{UUID}</uuid><genid>{UUID}</genid><title>t</title><description>d</description><metadata>"
        "<a:x xmlns:a='urn:a'><b/></a:x></metadata><currentMemory unit='MiB'>16</currentMemory>"
        "<vcpu placement='static' cpuset='0' current='1'>2</vcpu><vcpus><vcpu id='0' enabled='yes' "
        "hotpluggable='no' order='1'/><vcpu id='1' enabled='no' hotpluggable='yes'/></vcpus>"
        "<clock offset='variable' adjustment='60' basis='utc'><timer name='rtc' track='guest' "
        "tickpolicy='catchup'><catchup threshold='123' slew='120' limit='10000'/></timer>"
        "<timer name='tsc' frequency='1000000000' mode='native'/><timer name='hpet' present='no'/></clock>"
        "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>restart</on_crash>"
        "<pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>",
    ),
    domain(
        "<emulator>/usr/bin/qemu-system-x86_64</emulator><serial type='null'/>",
        "<clock offset='timezone' timezone='Europe/Berlin'/><sysinfo type='smbios'>"
        + _TABLE.format("bios", "vendor")
        + _TABLE.format("system", "serial")
        + _TABLE.format("baseBoard", "asset")
        + _TABLE.format("chassis", "serial")
        + "<oemStrings><entry>a,b</entry></oemStrings></sysinfo><on_lockfailure>poweroff</on_lockfailure>",
        os="<boot dev='hd'/><bootmenu enable='yes' timeout='100'/><smbios mode='sysinfo'/>"
        "<bios useserial='yes' rebootTimeout='10'/>",
    ),
    domain(
        "",
        "<sysinfo type='fwcfg'><entry name='opt/a'>x</entry><entry name='opt/b' file='/dir/a.raw'/></sysinfo>"
        "<clock offset='absolute' start='0'/>",
        os="<kernel>/dir/vmlinuz</kernel><initrd>/dir/initrd</initrd><cmdline>console=ttyS0</cmdline>"
        "<acpi><table type='slic'>/dir/acpi</table></acpi>",
    ),
    domain(
        "",
        "<clock offset='localtime'/><features><acpi/></features>",
        os="<loader readonly='yes' secure='no' type='pflash' format='raw'>/dir/code</loader>"
        "<nvram template='/dir/vars' format='raw' type='file'><source file='/dir/nvram'/></nvram>",
    ),
    domain(more=_ACPI, os="<loader type='pflash' stateless='yes' readonly='yes'>/dir/code</loader>"),
    domain(
        more=_ACPI,
        os="<loader type='pflash' readonly='yes'>/dir/code</loader><nvram "
        "template='/dir/vars'>/dir/n</nvram>",
    ),
    domain(more=_ACPI).replace(
        "<os>", "<os firmware='efi'><firmware><feature enabled='no' name='secure-boot'/></firmware>"
    ),
    domain(
        after="<seclabel type='static' model='dac' relabel='yes'><label>0:0</label><baselabel>b</baselabel>"
        "<imagelabel>i</imagelabel></seclabel><qemu:commandline><qemu:arg value='-name'/>"
        "<qemu:arg value='x'/><qemu:env name='A' value='b'/></qemu:commandline>"
        "<qemu:override><qemu:device alias='ua-z'><qemu:frontend><qemu:property name='a' type='string' "
        "value='b'/></qemu:frontend></qemu:device></qemu:override>"
        "<qemu:deprecation behavior='omit'/><qemu:capabilities><qemu:add capability='x'/></qemu:capabilities>"
    ),
)

_TIMED = ("relaxed", "vapic", "vpindex", "runtime", "synic", "reset", "frequencies", "reenlightenment")
_HYPERV = "".join(f"<{name} state='on'/>" for name in (*_TIMED, "tlbflush", "ipi", "avic"))
CPUS = (
    domain(
        more="<features><acpi/><apic/><pae/><hap state='off'/><viridian/><privnet/><hyperv mode='custom'>"
        + _HYPERV
        + "<spinlocks state='on' retries='4096'/><vendor_id state='on' value='abc'/><evmcs state='off'/>"
        "<stimer state='on'><direct state='on'/></stimer></hyperv><kvm><hidden state='on'/>"
        "<hint-dedicated state='off'/><poll-control state='on'/><pv-ipi state='on'/>"
        "</kvm><pvspinlock state='on'/><pmu state='off'/><vmport state='off'/>"
        "<smm state='off'/><vmcoreinfo state='on'/><msrs unknown='ignore'/></features>"
    ),
    domain(
        more="<features><apic eoi='on'/><kvm><dirty-ring state='on' size='4096'/></kvm><smm "
        "state='on'><tseg unit='MiB'>48</tseg></smm>"
        "<ioapic driver='qemu'/><tcg><tb-cache unit='MiB'>32</tb-cache></tcg></features>"
    ),
    domain(
        more="<vcpu>4</vcpu><cpu mode='custom' match='exact' check='none'><model fallback='forbid'>"
        "Nehalem</model><vendor>Intel</vendor><topology sockets='1' dies='1' clusters='1' cores='2' "
        "threads='2'/>"
        "<cache level='3' mode='emulate'/><maxphysaddr mode='emulate' bits='42'/>"
        "<feature policy='disable' name='lahf_lm'/></cpu>"
    ),
    domain(more="<cpu mode='host-passthrough' migratable='off'/>"),
    domain(more="<cpu mode='host-model'><model fallback='allow' vendor_id='GenuineAbcde'/></cpu>"),
    domain(more="<cpu mode='maximum'/>"),
    domain(
        more="<vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0' memory='16' unit='MiB' memAccess='private' "
        "discard='yes'><distances><sibling id='0' value='10'/><sibling id='1' value='21'/></distances>"
        "<cache level='1' associativity='direct' policy='writeback'><size value='10' unit='KiB'/>"
        "<line value='8' unit='B'/></cache></cell><cell id='1' cpus='1' memory='16384'/>"
        "<interconnects><latency initiator='0' target='0' cache='1' type='read' value='5'/>"
        "<latency initiator='0' target='1' type='access' value='5'/>"
        "<bandwidth initiator='0' target='0' cache='1' type='access' value='204800' "
        "unit='KiB'/></interconnects>"
        "</numa></cpu>"
    ),
)

_LIMITS = "".join(
    f"<{who}period>100000</{who}period><{who}quota>50000</{who}quota>"
    for who in ("", "global_", "emulator_", "iothread_")
)
TUNING = (
    domain(
        more="<maxMemory slots='2' unit='MiB'>64</maxMemory><vcpu>1</vcpu><cpu><numa>"
        "<cell id='0' cpus='0' memory='32768'/></numa></cpu><numatune><memory mode='strict' nodeset='0' "
        "placement='static'/><memnode cellid='0' mode='strict' nodeset='0'/></numatune>"
        "<memoryBacking><nosharepages/><locked/>"
        "<allocation mode='immediate' threads='1'/><discard/></memoryBacking>"
    ).replace("<memory unit='MiB'>", "<memory unit='MiB' dumpCore='off'>"),
    domain(more="<memoryBacking><source type='file'/><access mode='shared'/></memoryBacking>"),
    domain(
        more="<memoryBacking><hugepages><page size='2048' unit='KiB' "
        "nodeset='0'/></hugepages></memoryBacking>"
        "<vcpu>1</vcpu><cpu><numa><cell id='0' cpus='0' memory='32768'/></numa></cpu>"
    ),
    domain(
        more="<vcpu>2</vcpu><iothreads>2</iothreads><iothreadids><iothread id='1' thread_pool_min='1' "
        "thread_pool_max='4'/><iothread id='3'/></iothreadids><defaultiothread thread_pool_min='1' "
        f"thread_pool_max='8'/><cputune><shares>1024</shares>{_LIMITS}<vcpupin vcpu='0' cpuset='0'/>"
        "<emulatorpin cpuset='0'/><iothreadpin iothread='1' cpuset='0'/>"
        "<vcpusched vcpus='0' scheduler='batch'/><vcpusched vcpus='1' scheduler='fifo' priority='1'/>"
        "<iothreadsched iothreads='1' scheduler='rr' priority='2'/>"
        "<emulatorsched scheduler='rr' priority='1'/></cputune>"
        "<blkiotune><weight>500</weight><device><path>/dev/sda</path><weight>500</weight>"
        "<read_bytes_sec>1000</read_bytes_sec><write_bytes_sec>1000</write_bytes_sec>"
        "<read_iops_sec>10</read_iops_sec><write_iops_sec>10</write_iops_sec></device></blkiotune>"
        "<memtune><hard_limit unit='GiB'>1</hard_limit><soft_limit>1000000</soft_limit>"
        "<min_guarantee>1000</min_guarantee><swap_hard_limit>2000000</swap_hard_limit></memtune>"
        "<resource><partition>/a/b</partition><fibrechannel appid='x'/></resource>"
        "<idmap><uid start='0' target='1000' count='10'/><gid start='0' target='1000' count='10'/></idmap>"
    ),
    domain(
        more="<vcpu>2</vcpu><iothreads>1</iothreads><cputune><vcpupin vcpu='0' "
        "cpuset='0'/><vcpusched vcpus='0-1' "
        "scheduler='batch'/><iothreadsched iothreads='1' scheduler='idle'/></cputune>"
    ),
)

REFUSED = (
    domain(
        "<disk device='lun' rawio='yes' sgio='filtered'><source file='/dir/a.raw' fdgroup='f'/>"
        "<target dev='sda' bus='scsi'/></disk>"
    ),
    domain(
        "<disk><auth username='u'><secret type='ceph' usage='a'/></auth><source file='/dir/a.raw'>"
        "<seclabel model='selinux' labelskip='yes'><label>l</label></seclabel></source>"
        "<target dev='vda'/><boot order='1' loadparm='1'/></disk>"
    ),
    domain(
        "<disk><source file='/dir/a.raw'><encryption format='luks'><cipher name='aes' size='256' "
        f"mode='xts' hash='sha256'/><ivgen name='plain64' hash='sha256'/>{_SECRET}</encryption></source>"
        "<target dev='vda'/></disk>"
    ),
    domain("<interface type='user'><mtu size='1500'/><acpi index='5'/></interface>"),
    domain(
        "<interface type='vhostuser'><source type='unix' path='/dir/v.sock' mode='server'>"
        "<reconnect enabled='yes' timeout='3'/></source><model type='virtio'/></interface>"
    ),
    domain(
        "<interface type='user'><source portid='p'/><route address='10.0.0.0' gateway='10.0.0.1'/>"
        "</interface>"
    ),
    domain("<graphics type='vnc'><listen type='none' network='default'/></graphics>"),
    domain("<input type='tablet' bus='usb'><address type='ccid' controller='0' slot='0'/></input>"),
    domain("<serial type='null'><address type='spapr-vio' reg='0x3000'/></serial>"),
    domain(os="<dtb>/dir/dtb</dtb>").replace("<domain ", "<domain id='3' "),
)
"""What has to be read, and is not accepted."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "disks": DISKS,
    "controllers": CONTROLLERS,
    "interfaces": INTERFACES,
    "ports": PORTS,
    "screens": SCREENS,
    "sounds": SOUNDS,
    "small": SMALL,
    "machine": MACHINE,
    "cpus": CPUS,
    "tuning": TUNING,
    "refused": REFUSED,
}
"""Of valid domains, by what they are about."""

ALL = tuple(chain.from_iterable(FAMILIES.values()))
