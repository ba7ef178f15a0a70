"""A volume as the XML of a libvirtd's pool describes it."""

from __future__ import annotations

from embervirt.drivers.storage.elsewhere import described
from embervirt.drivers.storage.messages import FoundVolume


def test_an_iscsi_pool_has_a_target() -> None:
    """Host, port, target and account are its pool's."""
    source = "<host name='h' port='3261'/><device path='iqn.2013-07:a'/><auth type='chap' username='u'/>"
    found = described(f"<pool type='iscsi'><name>p</name><source>{source}</source></pool>", 1, "/dev/x")
    assert found == FoundVolume("iscsi", 1, "/dev/x", "h", 3261, "iqn.2013-07:a", with_auth=True)


def test_a_kind_of_pool_that_nobody_knows_is_described() -> None:
    """Whether a disk can be on it is for whoever has the disk to say."""
    assert described("<pool type='new'><source/></pool>", 0, "/a") == FoundVolume("new", 0, "/a")
