"""Connection URIs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.errors import libvirtError
from embervirt.uri import EmbedUri, parse_uri

EXPECTED = "expected DRIVER:///embed?root=/absolute/directory"


@pytest.mark.parametrize(
    ("uri", "driver", "root"),
    [
        ("qemu:///embed?root=/srv/vm", "qemu", "/srv/vm"),
        ("secret:/embed?root=/srv/vm", "secret", "/srv/vm"),
        ("qemu:///embed?root=%2Fsrv%2fv%20m", "qemu", "/srv/v m"),
        ("qemu:///embed?root=/a+b", "qemu", "/a+b"),
        ("qemu:///embed?root=/a=b", "qemu", "/a=b"),
        ("qemu:///embed?%72oot=/a", "qemu", "/a"),
        ("qemu:///embed?root=/r%C3%B6%C3%B6t", "qemu", "/r\u00f6\u00f6t"),
        ("qemu:///embed?root=/r\u00f6\u00f6t", "qemu", "/r\u00f6\u00f6t"),
        ("qemu:///embed?&root=/a&", "qemu", "/a"),
        ("my-driver:///embed?root=/a%26b%23c%25d", "my-driver", "/a&b#c%d"),
    ],
)
def test_a_root_is_decoded_as_uris_are(uri: str, driver: str, root: str) -> None:
    """Percent escapes are undone once, '+' is no blank."""
    assert parse_uri(uri) == EmbedUri(driver, Path(root))


@pytest.mark.parametrize(
    ("uri", "code", "domain", "says"),
    [
        (None, 5, 0, "no URI was given"),
        ("", 5, 0, "no URI was given"),
        ("junk", 5, 0, "URI 'junk' does not include a driver name"),
        ("/embed?root=/a", 5, 0, "does not include a driver name"),
        ("qemu:", 5, 0, "unknown path ''"),
        ("qemu:///system", 5, 0, "unknown path '/system'"),
        ("qemu:///embed/?root=/a", 5, 0, "unknown path '/embed/'"),
        ("qemu://host/embed?root=/a", 5, 0, "no host 'host'"),
        ("qemu://user@/embed?root=/a", 5, 0, "no host 'user@'"),
        ("QEMU:///embed?root=/a", 5, 0, "URI scheme 'QEMU' for embedded driver is not valid"),
        ("qemu+ssh:///embed?root=/a", 5, 0, "URI scheme 'qemu+ssh'"),
        ("qemu:///embed", 8, 45, "Missing URI parameter 'root'"),
        ("qemu:///embed?", 8, 45, "Missing URI parameter 'root'"),
        ("qemu:///embed?root=/a&root=/b", 8, 45, "names 2 roots, '/a' and '/b'"),
        ("qemu:///embed?root=/a&root=/a", 8, 45, "names 2 roots"),
        ("qemu:///embed?root=/a&mode=x", 8, 45, "unknown parameter 'mode'"),
        ("qemu:///embed?root=/a;mode=x", 8, 45, "unknown parameter 'mode'"),
        ("qemu:///embed?ROOT=/a", 8, 45, "unknown parameter 'ROOT'"),
        ("qemu:///embed?root=/a#b", 8, 45, "fragment"),
        ("qemu:///embed?root=/a%00b", 8, 45, "NUL"),
        ("qemu:///embed?root=/a%ff", 8, 45, "not UTF-8"),
        ("qemu:///embed?root", 67, 0, "root path must be absolute: ''"),
        ("qemu:///embed?root=", 67, 0, "root path must be absolute"),
        ("qemu:///embed?root=a/b", 67, 0, "root path must be absolute: 'a/b'"),
        ("qemu:///embed?root=%2e/b", 67, 0, "root path must be absolute: './b'"),
        ("qemu:///embed?root=/a%zz", 1, 45, "Unable to parse URI"),
        ("qemu:///embed?root=/a%", 1, 45, "%25"),
        ("qemu:///embed?root=/a b", 1, 45, "write it as %20"),
        ("qemu:///embed?root=/a\n", 1, 45, "write it as %0A"),
    ],
)
def test_a_wrong_uri_is_refused_as_libvirt_does(uri: str | None, code: int, domain: int, says: str) -> None:
    """Libvirt 9's code and domain where it refuses; always what was wrong and what was expected."""
    with pytest.raises(libvirtError) as caught:
        parse_uri(uri)
    error = caught.value
    assert (error.get_error_code(), error.get_error_domain()) == (code, domain)
    assert says in str(error)
    assert EXPECTED in str(error) or "Unable to parse" in str(error)


PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map(
    lambda text: f"/{text}"
)


@given(PATHS)
def test_any_path_survives_being_written_as_a_uri(path: str) -> None:
    """However it is escaped: all of it, or only what must be."""
    for safe in ("", "/", "/+=:@!$'()*,"):
        assert parse_uri(f"qemu:///embed?root={quote(path, safe=safe)}") == EmbedUri("qemu", Path(path))
    assert parse_uri(str(EmbedUri("qemu", Path(path)))) == EmbedUri("qemu", Path(path))


@given(
    st.text() | st.text().map(lambda text: f"qemu:///embed?root=/{text}") | st.text().map("qemu://{}".format)
)
def test_any_text_is_a_uri_or_a_libvirt_error(text: str) -> None:
    """Never another exception, and what is accepted is absolute."""
    try:
        uri = parse_uri(text)
    except libvirtError as error:
        assert error.get_error_code() in (1, 5, 8, 67)
    else:
        assert uri.root.is_absolute()
