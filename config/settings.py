"""The settings as types: what each accepts. Defaults are in ``defaults.toml``, and only there."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Restarts = Annotated[int, Meta(ge=0, le=10_000, description="a whole number from 0 to 10000")]
Seconds = Annotated[float, Meta(gt=0, le=86_400, description="seconds, more than 0 and at most 86400")]
Factor = Annotated[float, Meta(ge=1, le=100, description="a number from 1 to 100")]
Share = Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
AbsolutePath = Annotated[str, Meta(pattern=r"^/[^\0]*\Z", description="an absolute path")]
Endpoint = Annotated[
    str,
    Meta(pattern=r"^(tcp://[^\s]+:(\*|[0-9]{1,5}))?\Z", description="tcp://ADDRESS:PORT, or nothing"),
]
LibvirtUri = Annotated[
    str,
    Meta(
        pattern=r"^(?![^?]*/embed(\?|\Z))[a-z][a-z0-9]*(\+[a-z0-9]+)?://[^\s\0]*\Z",
        description="a URI of libvirt's, such as network:///system, and no embedded one",
    ),
]
AccountName = Annotated[str, Meta(min_length=1, description="a name, or a number such as +107")]
Patterns = Annotated[
    tuple[Annotated[str, Meta(min_length=1)], ...],
    Meta(description="a list of requests such as [\"qemu.Suspend\", \"secret.*\"]"),
]
Size = Annotated[int, Meta(ge=1024, le=16 << 20, description="bytes, 1024 to 16777216")]
Level = Literal["debug", "info", "warning", "error"]


class Calls(Struct, frozen=True):
    """Calls to actors."""

    deadline: Seconds
    in_flight: Count
    mailbox: Count


class Supervision(Struct, frozen=True):
    """Restarts and their limits."""

    driver_intensity: Restarts
    driver_period: Seconds
    guest_intensity: Restarts
    guest_period: Seconds
    backoff_initial: Seconds
    backoff_factor: Factor
    backoff_cap: Seconds
    backoff_jitter: Share
    shutdown_timeout: Seconds
    operation_limit: Seconds
    operation_grace: Seconds
    progress_cap: Factor
    load_factor: Factor
    zombie_limit: Restarts


class Qemu(Struct, frozen=True):
    """The QEMU driver."""

    console_log: bool
    start_timeout: Seconds
    parallel_starts: Count
    destroy_timeout: Seconds
    qmp_timeout: Seconds
    sandbox: bool
    dynamic_ownership: bool
    remember_owner: bool
    emulator: AbsolutePath | None = None
    user: AccountName | None = None
    group: AccountName | None = None
    memory_backing_dir: AbsolutePath | None = None
    secret_uri: LibvirtUri | None = None
    storage_uri: LibvirtUri | None = None
    network_uri: LibvirtUri | None = None


class Secret(Struct, frozen=True):
    """The secret driver."""

    key_file: AbsolutePath | None = None


class Events(Struct, frozen=True):
    """The root's numbered events."""

    journal_size: Count
    queue: Count


class Gateway(Struct, frozen=True):
    """The way in for other processes."""

    ipc: bool
    tcp: Endpoint
    allow: Patterns
    in_flight: Count
    max_message: Size
    deadline: Seconds
    server_key_file: AbsolutePath | None = None
    client_keys_file: AbsolutePath | None = None


class Log(Struct, frozen=True):
    """What is logged."""

    level: Level


class Settings(Struct, frozen=True):
    """All of them, by section."""

    calls: Calls
    supervision: Supervision
    qemu: Qemu
    secret: Secret
    events: Events
    gateway: Gateway
    log: Log
