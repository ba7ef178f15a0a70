"""What QEMU is told of the machine itself: firmware, features, CPU, clock, memory, threads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from described import RUN, defined
from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import model_of
from embervirt.drivers.qemu.parts import argv, compile, passthrough
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError

UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
NAMESPACE = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
TEXT = (
    "<domain type='{kind}' {ns}><name>a</name><uuid>{uuid}</uuid>{memory}"
    "<os {attributes}><type machine='{machine}'>hvm</type>{os}</os>{body}<devices>"
    "<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>"
)

HUGE = replace(RUN, huge_page_dirs={2048: "/huge/2M", 0: "/huge/2M"})


def text(body: str = "", **given: str) -> str:
    """A domain's XML; memory is 64 MiB."""
    usual = {"kind": "qemu", "machine": "pc", "memory": "<memory unit='MiB'>64</memory>", "attributes": ""}
    return TEXT.format(**{"uuid": UUID, "ns": NAMESPACE, "os": "", "body": body, **usual, **given})


def words(xml: str, caps: Capabilities) -> list[str]:
    """Each option of the command line with its value, as one text."""
    out: list[str] = []
    for word in argv(compile(defined(xml, caps, strict=False), caps, HUGE)):
        if word.startswith("-") and not (out and out[-1] in ("-append", "-fw_cfg")):
            out.append(word)
        else:
            out[-1] += f" {word}"
    return out


CELLS = (
    "<vcpu>4</vcpu><cpu><numa><cell id='0' cpus='0-1' memory='32' unit='MiB'>{}</cell>"
    "<cell id='1' cpus='2-3' memory='32' unit='MiB'/></numa></cpu>"
)

OPTIONS = {
    "acpi is there": ("<features><acpi/></features>", {}, [], ["-no-acpi"]),
    "acpi is off unless asked for": ("", {}, ["-no-acpi"], []),
    "virtual mouse port, SMM, I/O APIC": (
        "<features><vmport state='off'/><smm/><ioapic driver='qemu'/></features>",
        {},
        [
            "-machine pc-i440fx-7.2,usb=off,vmport=off,smm=on,kernel_irqchip=split,dump-guest-core=off,"
            "memory-backend=pc.ram"
        ],
        [],
    ),
    "TSEG": (
        "<features><smm><tseg unit='MiB'>48</tseg></smm></features>",
        {"machine": "q35"},
        ["-global mch.extended-tseg-mbytes=48"],
        [],
    ),
    "translation cache": (
        "<features><tcg><tb-cache unit='MiB'>100</tb-cache></tcg></features>",
        {},
        ["-accel tcg,tb-size=100"],
        [],
    ),
    "dirty ring": (
        "<features><kvm><dirty-ring state='on' size='4096'/></kvm></features>",
        {"kind": "kvm"},
        ["-accel kvm,dirty-ring-size=4096"],
        [],
    ),
    "what KVM shows": (
        "<features><apic eoi='on'/><pvspinlock state='off'/><pmu/><kvm><hidden state='on'/>"
        "<pv-ipi state='off'/><poll-control state='on'/></kvm></features>",
        {},
        ["-cpu qemu64,kvm-pv-eoi=on,kvm-pv-unhalt=off,kvm=off,kvm-poll-control=on,kvm-pv-ipi=off,pmu=on"],
        [],
    ),
    "enlightenments": (
        "<features><hyperv><relaxed state='on'/><vapic state='off'/><spinlocks state='on' retries='8191'/>"
        "<vendor_id state='on' value='KVM Hv'/><stimer state='on'><direct state='on'/></stimer>"
        "</hyperv></features>",
        {},
        [
            "-cpu qemu64,hv-relaxed=on,hv-spinlocks=0x1fff,hv-stimer=on,hv-stimer-direct=on,"
            "hv-vendor-id=KVM Hv"
        ],
        [],
    ),
    "guest's crash dumps": (
        "<features><vmcoreinfo/></features>",
        {},
        ['-device {"driver":"vmcoreinfo"}'],
        [],
    ),
    "boot menu": (
        "",
        {"os": "<bootmenu enable='yes' timeout='3000'/><bios rebootTimeout='5'/>"},
        ["-boot strict=on,menu=on,splash-time=3000,reboot-timeout=5"],
        [],
    ),
    "kernel": (
        "",
        {"os": "<kernel>/k</kernel><initrd>/i</initrd><cmdline>-a b,c</cmdline><dtb>/d</dtb>"},
        ["-kernel /k", "-initrd /i", "-append -a b,c", "-dtb /d"],
        [],
    ),
    "ACPI table": (
        "",
        {"os": "<acpi><table type='slic'>/t</table></acpi>"},
        ["-acpitable sig=SLIC,file=/t"],
        [],
    ),
    "ROM": ("", {"os": "<loader>/b.bin</loader>"}, ["-bios /b.bin"], []),
    "flash with variables": (
        "<features><acpi/></features>",
        {"os": "<loader type='pflash' readonly='yes'>/c.fd</loader>"},
        [
            '-blockdev {"driver":"file","filename":"/c.fd","node-name":"libvirt-pflash0-storage",'
            '"auto-read-only":true,"discard":"unmap"}',
            '-blockdev {"node-name":"libvirt-pflash1-format","read-only":false,"driver":"raw",'
            '"file":"libvirt-pflash1-storage"}',
            '-blockdev {"driver":"file","filename":"/nvram/a_VARS.fd","node-name":"libvirt-pflash1-storage",'
            '"auto-read-only":true,"discard":"unmap"}',
        ],
        [],
    ),
    "SMBIOS": (
        "<sysinfo type='smbios'><bios><entry name='vendor'>A, B</entry></bios>"
        "<oemStrings><entry>x</entry><entry>y</entry></oemStrings></sysinfo>",
        {"os": "<smbios mode='sysinfo'/>"},
        ["-smbios type=0,vendor=A,, B", "-smbios type=11,value=x,value=y"],
        [],
    ),
    "blobs": (
        "<sysinfo type='fwcfg'><entry name='opt/a'>v</entry><entry name='opt/b' file='/f'/></sysinfo>",
        {},
        ["-fw_cfg name=opt/a,string=v", "-fw_cfg name=opt/b,file=/f"],
        [],
    ),
    "named CPU": (
        "<cpu><model vendor_id='abcdefghijkl'>Haswell</model><feature name='lahf_lm' policy='force'/>"
        "<feature name='pclmuldq' policy='forbid'/><feature name='osxsave'/><cache level='3' mode='emulate'/>"
        "<maxphysaddr mode='emulate' bits='42'/></cpu>",
        {},
        ["-cpu Haswell,vendor=abcdefghijkl,lahf-lm=on,pclmulqdq=off,l3-cache=on,phys-bits=42"],
        [],
    ),
    "the most there is": (
        "<cpu mode='maximum' migratable='off'><cache mode='passthrough'/>"
        "<maxphysaddr mode='passthrough'/></cpu>",
        {},
        ["-cpu max,migratable=off,host-cache-info=on,l3-cache=off,host-phys-bits=on"],
        [],
    ),
    "topology": (
        "<vcpu current='2'>12</vcpu><cpu><topology sockets='2' cores='3' threads='2'/></cpu>",
        {},
        ["-smp 2,maxcpus=12,sockets=2,dies=1,cores=3,threads=2"],
        [],
    ),
    "vCPUs one by one": (
        "<vcpu>3</vcpu><vcpus><vcpu id='0' enabled='yes'/><vcpu id='2' enabled='yes' "
        "hotpluggable='yes'/></vcpus>",
        {},
        ["-smp 1,maxcpus=3,sockets=3,cores=1,threads=1"],
        [],
    ),
    "another time zone": (
        "<clock offset='timezone' timezone='Europe/Paris'/>",
        {},
        ["-rtc base=localtime"],
        [],
    ),
    "another time": ("<clock offset='utc' adjustment='-10'/>", {}, ["-rtc base=2001-09-09T01:46:30"], []),
    "a time": ("<clock offset='absolute' start='86400'/>", {}, ["-rtc base=1970-01-02T00:00:00"], []),
    "timers": (
        "<clock><timer name='rtc' tickpolicy='catchup' track='guest'/><timer name='pit' tickpolicy='delay'/>"
        "<timer name='hpet' present='no'/><timer name='kvmclock' present='no'/>"
        "<timer name='tsc' frequency='9'/>"
        "<timer name='hypervclock' present='yes'/></clock>",
        {},
        [
            *("-rtc base=utc,clock=vm,driftfix=slew", "-global kvm-pit.lost_tick_policy=delay", "-no-hpet"),
            "-cpu qemu64,kvmclock=off,tsc-frequency=9,hv-time=on",
        ],
        [],
    ),
    "sleep": (
        "<pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='yes'/></pm>",
        {"machine": "q35"},
        ["-global ICH9-LPC.disable_s3=1", "-global ICH9-LPC.disable_s4=0"],
        [],
    ),
    "memory of the host": (
        "<memoryBacking><nosharepages/><locked/><source type='file'/><access mode='shared'/>"
        "<allocation mode='immediate' threads='3'/><discard/></memoryBacking>"
        "<numatune><memory nodeset='0-1'/></numatune>",
        {"memory": "<memory dumpCore='on' unit='MiB'>64</memory>"},
        [
            "-machine pc-i440fx-7.2,usb=off,dump-guest-core=on,mem-merge=off,memory-backend=pc.ram",
            "-overcommit mem-lock=on",
            '-object {"qom-type":"memory-backend-file","id":"pc.ram","mem-path":"/ram/pc.ram",'
            '"discard-data":true,"share":true,"x-use-canonical-path-for-ramblock-id":false,"prealloc":true,'
            '"prealloc-threads":3,"size":67108864,"host-nodes":[0,1],"policy":"bind",'
            '"prealloc-context":"tc-pc.ram"}',
        ],
        [],
    ),
    "huge pages": (
        "<memoryBacking><hugepages><page size='2' unit='MiB'/></hugepages></memoryBacking>",
        {},
        [
            '-object {"qom-type":"memory-backend-file","id":"pc.ram","mem-path":"/huge/2M",'
            '"x-use-canonical-path-for-ramblock-id":false,"prealloc":true,"size":67108864}'
        ],
        [],
    ),
    "nodes": (
        CELLS.format("<distances><sibling id='1' value='21'/></distances>"),
        {},
        [
            "-machine pc-i440fx-7.2,usb=off,dump-guest-core=off",
            "-numa node,nodeid=1,cpus=2-3,memdev=ram-node1",
            "-numa dist,src=1,dst=0,val=21",
            '-object {"qom-type":"memory-backend-ram","id":"ram-node0","size":33554432}',
        ],
        [],
    ),
    "threads for I/O": (
        "<iothreads>3</iothreads><iothreadids><iothread id='2' thread_pool_max='5'/></iothreadids>"
        "<defaultiothread thread_pool_min='1' thread_pool_max='2'/>",
        {},
        [
            '-object {"qom-type":"iothread","id":"iothread2","thread-pool-max":5}',
            *(
                '-object {"qom-type":"iothread","id":"iothread1"}',
                '-object {"qom-type":"iothread","id":"iothread3"}',
            ),
            '-object {"qom-type":"main-loop","id":"main-loop","thread-pool-min":1,"thread-pool-max":2}',
        ],
        [],
    ),
    "generation": (
        f"<genid>{UUID}</genid>",
        {},
        [f'-device {{"driver":"vmgenid","id":"vmgenid0","guid":"{UUID}"}}'],
        [],
    ),
    "the user's own words": (
        "<qemu:commandline><qemu:arg value='-foo'/></qemu:commandline><qemu:deprecation behavior='omit'/>",
        {},
        ["-foo", '-compat {"deprecated-output":"hide"}'],
        [],
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_machine_becomes_these_options(name: str, caps: Capabilities) -> None:
    """What the XML says of the machine stands on QEMU's command line, as libvirt 9 writes it."""
    body, given, there, absent = OPTIONS[name]
    found = words(text(body, **given), caps)
    assert [word for word in there if word not in found] == []
    assert [word for word in absent if word in found] == []


@pytest.mark.parametrize("name", OPTIONS)
def test_kept_machine_reads_back_as_it_is(name: str, caps: Capabilities) -> None:
    """A definition that is read again is the same, and completing it once more changes nothing."""
    body, given, _, _ = OPTIONS[name]
    domain = defined(text(body, **given), caps)
    assert model_of(render(domain)) == domain
    assert assign(postparse(domain, caps, "/nvram"), caps) == domain


def test_properties_of_a_device_are_overridden(caps: Capabilities) -> None:
    """A property that the user sets replaces ours, and one that is removed is not given."""
    override = (
        "<qemu:override><qemu:device alias='vmgenid0'><qemu:frontend>"
        "<qemu:property name='guid' type='remove'/><qemu:property name='n' type='unsigned' value='5'/>"
        "</qemu:frontend></qemu:device></qemu:override>"
    )
    found = words(text(f"<genid>{UUID}</genid>{override}"), caps)
    assert '-device {"driver":"vmgenid","id":"vmgenid0","n":5}' in found


def test_environment_has_the_time_zone_and_the_users_variables(caps: Capabilities) -> None:
    """QEMU gets TZ for a clock of another zone, and each variable of the QEMU namespace."""
    env = "<qemu:commandline><qemu:env name='A' value='b'/><qemu:env name='C'/></qemu:commandline>"
    domain = defined(text(f"<clock offset='timezone' timezone='Asia/Tokyo'/>{env}"), caps)
    assert passthrough.environment(domain) == {"TZ": "Asia/Tokyo", "A": "b", "C": ""}


def _vcpus(*attributes: str) -> str:
    listed = "".join(f"<vcpu id='{n}' enabled='yes' {each}/>" for n, each in enumerate(attributes))
    return f"<vcpu>{len(attributes)}</vcpu><vcpus>{listed}</vcpus>"


REFUSED = {
    "<features><gic/></features>": (67, "gic"),
    "<features><tcg><tb-cache>1000</tb-cache></tcg></features>": (67, "multiple of MiB"),
    "<features><hyperv><spinlocks state='on' retries='4094'/></hyperv></features>": (27, "at least 4095"),
    "<features><hyperv><foo state='on'/></hyperv></features>": (67, "foo"),
    "<features><hyperv><spinlocks state='on'/></hyperv></features>": (27, "retries"),
    "<features><hyperv><vendor_id state='on' value='1234567890123'/></hyperv></features>": (27, "12 char"),
    "<features><kvm><dirty-ring state='on' size='7'/></kvm></features>": (27, "power of 2"),
    "<features><smm><tseg>48</tseg></smm></features>": (67, "q35"),
    "<cpu mode='foo'/>": (67, "host-model"),
    "<cpu><feature name='avx'/></cpu>": (27, "without CPU model"),
    "<cpu><model>a</model><feature name='avx'/><feature name='avx'/></cpu>": (27, "'avx' specified more"),
    "<cpu mode='host-model' migratable='on'/>": (67, "migratable"),
    "<cpu><cache mode='emulate'/></cpu>": (67, "level='3'"),
    "<cpu mode='maximum'><maxphysaddr mode='emulate'/></cpu>": (67, "bits="),
    "<cpu><numa><cell id='1' memory='5'/></numa></cpu>": (27, "non-contiguous"),
    "<clock><timer name='rtc' tickpolicy='merge'/></clock>": (67, "rtc timer tickpolicy 'merge'"),
    "<clock><timer name='pit' track='guest'/></clock>": (67, "support setting of timer track"),
    "<clock><timer name='kvmclock' mode='native'/></clock>": (67, "timer mode"),
    "<clock><timer name='hpet' frequency='5'/></clock>": (67, "timer frequency"),
    "<clock offset='timezone'/>": (1, "missing 'timezone'"),
    "<clock offset='absolute' start='-5'/>": (1, "'-5'"),
    "<vcpu/>": (27, "the element is empty"),
    "<vcpu current='0'>2</vcpu>": (67, "vcpu 0 can't be offline"),
    "<vcpu>2</vcpu><vcpus><vcpu id='0' enabled='no'/></vcpus>": (67, "vcpu 0 can't be offline"),
    "<vcpu>2</vcpu><vcpus><vcpu id='7' enabled='yes'/></vcpus>": (27, "out of range"),
    _vcpus("order='1'", ""): (67, "all vcpus must have either set or unset order"),
    _vcpus("order='2'", "order='1'"): (67, "vcpu0 must be enabled first"),
    _vcpus("", "hotpluggable='yes'", "hotpluggable='no'"): (67, "ordered prior to hotplugable"),
    "<cpu><numa/></cpu>": (27, "without NUMA cells"),
    "<cpu><numa><cell memory='5'><distances/></cell></numa></cpu>": (27, "without siblings"),
    "<cpu mode='maximum'><vendor>Intel</vendor></cpu>": (27, "vendor specified without CPU model"),
    "<cpu><model/><feature name='avx'/></cpu>": (27, "without CPU model"),
    "<defaultiothread thread_pool_max='0'/>": (67, "thread_pool_max must be a positive integer"),
    "<defaultiothread thread_pool_min='0'/>": (67, "smaller or equal"),
    "<cputune><vcpupin vcpu='0'/></cputune>": (1, "missing cpuset for vcpupin"),
    "<cputune><emulatorsched scheduler='idle'/><emulatorsched scheduler='idle'/></cputune>": (
        *(27, "only one emulatorsched"),
    ),
    "<cputune><vcpusched vcpus='0' scheduler='idle'/><vcpusched vcpus='0' scheduler='idle'/></cputune>": (
        *(35, "must not overlap"),
    ),
    "<iothreads>1</iothreads><cputune><iothreadpin iothread='1' cpuset='0'/>"
    "<iothreadpin iothread='1' cpuset='0'/></cputune>": (
        *(1, "duplicate iothreadpin"),
    ),
    "<vcpu placement='auto'>1</vcpu><numatune><memnode cellid='0' nodeset='0'/></numatune>"
    "<cpu><numa><cell memory='5'/></numa></cpu>": (67, "Per-node binding"),
    "<memoryBacking><hugepages><page size='0'/></hugepages></memoryBacking>": (35, "can't be zero"),
    "<memoryBacking><hugepages><page size='4' nodeset='3'/></hugepages></memoryBacking>": (35, "node 3"),
    "<idmap><uid start='1' target='1' count='1'/><gid start='0' target='1' count='1'/></idmap>": (
        *(67, "must map the root user"),
    ),
    f"<resource><fibrechannel appid='{'x' * 129}'/></resource>": (8, "string length"),
    "<resource><fibrechannel appid='\u00e4'/></resource>": (27, "not a printable string"),
    "<sysinfo type='smbios'><bios><entry name='date'>01/01/1899</entry></bios></sysinfo>": (35, "'date'"),
    "<seclabel/>": (27, "missing security model in domain seclabel"),
    "<seclabel type='dynamic'><baselabel>a</baselabel></seclabel>": (27, "missing security model in domain"),
    "<seclabel type='static' model='dac'/>": (27, "security label is missing"),
    "<seclabel type='dynamic' model='dac' relabel='no'/>": (67, "must use resource relabeling"),
    "<seclabel type='none' relabel='yes'/>": (67, "not compatible with 'none'"),
    "<seclabel type='none' model='dac'/><seclabel type='none' model='dac'/>": (35, "provided twice"),
    "<seclabel type='none' model='dac'/><seclabel type='none'/>": (27, "missing security model when using"),
    "<cputune><iothreadpin iothread='1' cpuset='0'/></cputune>": (67, "Cannot find 'iothread'"),
    "<cputune><shares>1</shares></cputune>": (67, "shares"),
    "<numatune><memnode cellid='0' nodeset='0'/></numatune>": (27, "without any guest NUMA"),
    "<memoryBacking><hugepages><page size='4'/><page size='8'/></hugepages></memoryBacking>": (
        35,
        "two master",
    ),
    "<maxMemory slots='2' unit='GiB'>1</maxMemory>": (67, "numa node"),
    "<sysinfo type='fwcfg'><entry name='a'>b</entry></sysinfo>": (67, "Invalid firmware name"),
    "<sysinfo type='smbios'><bios><entry name='date'>99/99/99</entry></bios></sysinfo>": (35, "'date'"),
    "<perf/>": (67, "perf"),
    "<keywrap/>": (67, "keywrap"),
    "<launchSecurity type='sev'/>": (67, "launchSecurity"),
}


@pytest.mark.parametrize("body", REFUSED)
def test_impossible_machine_is_refused(body: str, caps: Capabilities) -> None:
    """A wish that cannot be met is libvirt's error, with what was wrong."""
    code, words_ = REFUSED[body]
    with pytest.raises(libvirtError, match=words_) as refused:
        defined(text(body), caps)
    assert refused.value.get_error_code() == code
