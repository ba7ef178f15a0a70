"""Secrets are found by what they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import uri

FOR_A_VOLUME = "<secret><usage type='volume'><volume>/a</volume></usage></secret>"


def test_a_secret_for_nothing_is_found_by_its_uuid_only(tmp_path: Path) -> None:
    """Though its usage is an empty text; as in libvirt."""
    with libvirt.open(uri(tmp_path / "root", "secret")) as conn:
        nothing, something = (conn.secretDefineXML(text) for text in ("<secret/>", FOR_A_VOLUME))
        with pytest.raises(libvirt.libvirtError) as caught:
            conn.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_NONE, "")
        assert caught.value.get_error_code() == libvirt.VIR_ERR_NO_SECRET
        found = conn.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_VOLUME, "/a")
        assert found.UUIDString() == something.UUIDString()
        assert conn.secretLookupByUUIDString(nothing.UUIDString()).usageID() == ""
