"""The programs that bring a pool up and down, build and delete it: commands as data.

Facts: the commands that libvirt 9 runs for these pools.
"""

from __future__ import annotations

from embervirt.drivers.storage.errors import StorageUnsupported
from embervirt.drivers.storage.images import groups
from embervirt.drivers.storage.model import Pool

SAFE = ("nodev", "nosuid", "noexec")
"""Options of every mount: what is in images is none of this host's."""

OWN = {"glusterfs": ("direct-io-mode=1",), "cifs": ("guest",)}
MKFS = {"ext2": "-F", "ext3": "-F", "ext4": "-F", "xfs": "-f", "vfat": "-I"}
"""The flag that lets mkfs overwrite, or take a whole device."""

LABELS = {"dos": "msdos", "unknown": "msdos"}
"""parted's words, where they are others."""


def start(pool: Pool) -> list[list[str]]:
    """Nothing for a directory and a disk."""
    if pool.type in ("fs", "netfs"):
        return [mount(pool)]
    return [groups.change(pool, active=True)] if pool.type == "logical" else []


def stop(pool: Pool) -> list[list[str]]:
    """The reverse."""
    if pool.type in ("fs", "netfs"):
        return [["umount", pool.path]]
    return [groups.change(pool, active=False)] if pool.type == "logical" else []


def mount(pool: Pool) -> list[str]:
    """Of a device or an export. An automatic type is mount's own guess, for a device asked for by name."""
    kind = pool.format or "auto"
    flags = ["-t", kind] if pool.type == "fs" or kind != "auto" else []
    return ["mount", "-o", ",".join(_options(pool, kind)), *flags, mounted(pool), pool.path]


def _options(pool: Pool, kind: str) -> list[str]:
    version = pool.source.protocol.ver if pool.type == "netfs" and pool.source.protocol else None
    own = OWN.get(kind, ()) if pool.type == "netfs" else ()
    found = [*SAFE, *own, *([f"nfsvers={version}"] if version else [])]
    return found + [option for option in pool.mount_options if option]


def mounted(pool: Pool) -> str:
    """What is mounted, as /proc/mounts names it as well."""
    if pool.type == "fs":
        return pool.source.devices[0].path or ""
    host, path = pool.source.hosts[0].name or "", (pool.source.dir.path if pool.source.dir else None) or ""
    if pool.format == "cifs":
        return f"//{host}/{path}"
    return f"[{host}]:{path}" if ":" in host else f"{host}:{path}"


def build(pool: Pool, *, overwrite: bool = False) -> list[list[str]]:
    """What is made of the source; nothing for a directory. Raises StorageUnsupported.

    ``overwrite``: what is there goes first.
    """
    devices = [device.path or "" for device in pool.source.devices]
    wipes = [["wipefs", "--all", device] for device in devices] if overwrite else []
    match pool.type:
        case "fs":
            return [_mkfs(pool, devices[0])]
        case "logical":
            return wipes + groups.build(pool, devices)
        case "disk":
            return [*wipes, ["parted", devices[0], "mklabel", "--script", _label(pool)]]
        case _:
            return []


def _mkfs(pool: Pool, device: str) -> list[str]:
    if pool.format == "auto":
        raise StorageUnsupported(
            f"pool '{pool.name}': which file system to make is not said; expected a format such as ext4"
        )
    kind = pool.format or ""
    flags = [MKFS[kind]] if kind in MKFS else []
    return ["mkfs", "-t", kind, *flags, device]


def _label(pool: Pool) -> str:
    kind = pool.format or "unknown"
    return LABELS.get(kind, kind)


def delete(pool: Pool) -> list[list[str]]:
    """What undoes a build: of a volume group only, for a directory is removed without a program."""
    return groups.delete(pool) if pool.type == "logical" else []
