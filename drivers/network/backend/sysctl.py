"""The kernel's settings of IP forwarding and of IPv6 on a link; those of the thread's network namespace."""

from __future__ import annotations

from pathlib import Path

from embervirt.drivers.network.errors import told

NET = Path("/proc/sys/net")
FORWARDING = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}
"""By version of IP."""


def forward(version: int) -> None:
    """Switch it on, for good: others may rely on it by now. Raises NetworkSystemError."""
    path = NET / FORWARDING[version]
    with told("failed to enable IP forwarding"):
        if path.read_text().strip() == "0":
            path.write_text("1\n")


def ipv6(link: str, *, enabled: bool) -> None:
    """Of a bridge: off when it has no address of it, and never from what a guest advertises.

    Nothing to do in a kernel without IPv6. Raises NetworkSystemError.
    """
    directory = NET / "ipv6/conf" / link
    if not directory.is_dir():
        return
    wanted = {"disable_ipv6": int(not enabled), "accept_ra": 0, "autoconf": 0}
    for name, value in wanted.items():
        with told(f"cannot write to {directory / name}"):
            (directory / name).write_text(f"{value}\n")
