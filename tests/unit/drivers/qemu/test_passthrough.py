"""libvirt's QEMU namespace: what is refused, with libvirt 9's codes, and what stays in a definition."""

from __future__ import annotations

import pytest

import described
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.errors import libvirtError

TEXT = (
    "<domain type='qemu' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><name>a</name>"
    "<memory>65536</memory><os><type>hvm</type></os>{}</domain>"
)
PROPERTY = "<q:override><q:device alias='a'><q:frontend><q:property {}/></q:frontend></q:device></q:override>"


def defined(body: str, caps: Capabilities) -> Domain:
    """A domain with this in it, as the driver defines it."""
    return described.defined(TEXT.format(body), caps)


REFUSED = {
    "<q:commandline><q:arg/></q:commandline>": (1, "No qemu command-line argument"),
    "<q:commandline><q:env value='a'/></q:commandline>": (1, "environment name"),
    "<q:commandline><q:env name='1A' value='a'/></q:commandline>": (1, "environment name '1A'"),
    "<q:commandline><q:env name='A-B' value='a'/></q:commandline>": (1, "environment name 'A-B'"),
    "<q:capabilities><q:add/></q:capabilities>": (1, "missing capability name"),
    "<q:deprecation behavior='x'/>": (27, "expected one of: none"),
    PROPERTY.format("name='n' type='string'"): (27, "expected no value with type 'remove'"),
    PROPERTY.format("name='n' type='remove' value='1'"): (27, "expected no value with type 'remove'"),
    PROPERTY.format("name='n' type='unsigned' value='-1'"): (27, "'-1' is not a value of type 'unsigned'"),
    PROPERTY.format("name='n' type='signed' value='9223372036854775808'"): (27, "of type 'signed'"),
    PROPERTY.format("name='n' type='signed' value='1_0'"): (27, "of type 'signed'"),
    PROPERTY.format("name='n' type='bool' value='on'"): (27, "of type 'bool'"),
}


@pytest.mark.parametrize(("xml", "expected"), REFUSED.items())
def test_what_cannot_be_handed_through_is_refused(
    xml: str, expected: tuple[int, str], caps: Capabilities
) -> None:
    """When it is defined: QEMU would only say that it does not start."""
    with pytest.raises(libvirtError) as refused:
        defined(xml, caps)
    assert refused.value.get_error_code() == expected[0]
    assert expected[1] in str(refused.value)


EMPTY = ("commandline", "override", "capabilities", "deprecation")


@pytest.mark.parametrize("tag", EMPTY)
def test_an_element_that_says_nothing_is_gone(tag: str, caps: Capabilities) -> None:
    """As in libvirt's definitions; what another namespace says is nobody's to judge."""
    assert defined(f"<q:{tag}/>", caps).foreign == ()
    assert len(defined(f"<a:{tag} xmlns:a='http://a'/>", caps).foreign) == 1


def test_what_is_handed_through_stays(caps: Capabilities) -> None:
    """Each element with its content, in the order of the XML."""
    override = PROPERTY.format("name='n' type='remove'")
    line = "<q:commandline><q:arg value=''/></q:commandline>"
    assert [xml.partition(" ")[0] for xml in defined(line + override, caps).foreign] == [
        "<q:commandline",
        "<q:override",
    ]
