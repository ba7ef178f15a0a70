"""``<blkiotune>``: limits of the host's block devices."""

from __future__ import annotations

import pytest

from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import parse, render
from embervirt.errors import libvirtError

XML = """<domain type='qemu'><name>g</name><memory>131072</memory><blkiotune>{}</blkiotune>
<os><type machine='pc'>hvm</type></os></domain>"""
DEVICE = "<device><path>/dev/{}</path>{}</device>"
WEIGHT = "<weight>500</weight>"


def completed(inner: str, caps: Capabilities) -> Domain:
    """A domain with these limits."""
    return postparse(parse(Domain, XML.format(inner)), caps)


@pytest.mark.parametrize(
    "inner", ["", "<weight>0</weight>", DEVICE.format("sda", "<read_bytes_sec>0</read_bytes_sec>")]
)
def test_limits_of_zero_are_none(inner: str, caps: Capabilities) -> None:
    """What limits nothing is not in the definition, as libvirt 9 has it."""
    assert "blkiotune" not in render(completed(inner, caps))


def test_a_device_with_a_limit_stays(caps: Capabilities) -> None:
    """Only the device that is limited stands in the definition."""
    done = render(completed(DEVICE.format("sda", WEIGHT) + DEVICE.format("sdb", ""), caps))
    assert "/dev/sda" in done
    assert "/dev/sdb" not in done


def test_limits_of_a_device_stand_once(caps: Capabilities) -> None:
    """Two sets of limits for one device are refused with libvirt's code."""
    domain = completed(2 * DEVICE.format("sda", WEIGHT), caps)
    with pytest.raises(libvirtError, match="/dev/sda") as refused:
        validate(domain, caps)
    assert refused.value.get_error_code() == 67
