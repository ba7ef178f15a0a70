"""What names of images below mean."""

from __future__ import annotations

import pytest

from embervirt.drivers.images.naming import Named, Server, named
from embervirt.errors import libvirtError

NAMES = {
    "b": Named("/p/b"),
    "../b": Named("/p/../b"),
    "/b": Named("/b"),
    "file:b": Named("/p/b"),
    "file:/b": Named("/b"),
    "./x:y": Named("/p/x:y"),
    "nbdimage": Named("/p/nbdimage"),
    "https": Named("/p/https"),
    'json:{"driver":"raw","file":{"driver":"file","filename":"/b"}}': Named("/b", format="raw"),
    'json:{"driver":"qcow2","file.driver":"host_device","file.filename":"/b"}': Named("/b", format="qcow2"),
    'json:{"driver":"file","filename":"/b","locking":"off"}': Named("/b"),
    "nbd:h:1": Named(server=Server("nbd", None, "h", 1)),
    "nbd:h:1:exportname=a/b": Named(server=Server("nbd", "a/b", "h", 1)),
    "nbd:unix:/s:exportname=x": Named(server=Server("nbd", "x", socket="/s")),
    "nbd://h/x%20y": Named(server=Server("nbd", "x y", "h", 10809)),
    "nbd+tcp://h:7": Named(server=Server("nbd", None, "h", 7)),
    "nbd+unix:///x?socket=/s": Named(server=Server("nbd", "x", socket="/s")),
    'json:{"driver":"raw","file":{"driver":"nbd","host":"h","export":"x"}}': Named(
        server=Server("nbd", "x", "h", 10809), format="raw"
    ),
    'json:{"driver":"raw","file":{"driver":"nbd","server":{"type":"unix","path":"/s"},"export":"x"}}': Named(
        server=Server("nbd", "x", socket="/s"), format="raw"
    ),
    "https://h/d/x?a=b": Named(server=Server("https", "d/x", "h", 443, query="a=b")),
    "ftp://h:2121/x": Named(server=Server("ftp", "x", "h", 2121)),
}


@pytest.mark.parametrize("text", NAMES)
def test_a_name_is_a_file_or_a_server(text: str) -> None:
    """Relative ones are so to the image that says them; a slash before a colon makes a path, as in QEMU."""
    assert named(text, "/p/a") == NAMES[text]


HOSTILE = {
    "no JSON": "json:[",
    "a list": "json:[]",
    "deep": "json:" + '{"a":' * 5000 + "1" + "}" * 5000,
    "no file": 'json:{"driver":"null-co"}',
    "an offset": 'json:{"driver":"raw","offset":512,"file":{"driver":"file","filename":"/x"}}',
    "data elsewhere": 'json:{"driver":"qcow2","file":{"filename":"/x"},"data-file":{"filename":"/y"}}',
    "a relative name": 'json:{"driver":"raw","file":{"driver":"file","filename":"etc/shadow"}}',
    "a number": 'json:{"driver":"raw","file":{"driver":"file","filename":7}}',
    "another image below": 'json:{"driver":"qcow2","file":{"filename":"/x"},"backing":{"filename":"/y"}}',
    "a program": 'json:{"driver":"raw","file":{"driver":"ssh","path":"/x","server":{}}}',
    "two meanings": 'json:{"file":"x","file.filename":"/x"}',
    "a zero in it": 'json:{"driver":"file","filename":"/x\\u0000"}',
    "a number as an export": 'json:{"driver":"nbd","host":"h","export":7}',
    "a folder as a disk": "fat:rw:/etc",
    "a copy of a disk": "blkverify:/a:/b",
    "a cluster": "rbd:pool/image",
    "no host": "https:///x",
    "an account": "https://me:secret@h/x",
    "no port": "nbd://h:x/y",
    "no server": "nbd:",
    "control characters": "a\x01b",
    "no UTF-8": "a\udcffb",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_name_that_cannot_be_followed_is_refused(text: str) -> None:
    """QEMU is never left with a name out of a header; the error has both the name and who says it."""
    with pytest.raises(libvirtError, match="cannot use backing image") as refused:
        named(text, "/p/a")
    assert (refused.value.get_error_code(), refused.value.get_error_domain()) == (1, 18)
    assert "of image '/p/a'" in str(refused.value)
