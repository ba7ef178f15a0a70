"""Memory: how much, and what is behind it."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.memory import Page
from embervirt.errors import ConfigUnsupported, XmlDetail, XmlError


def check(domain: Domain) -> None:
    """Size, growth, huge pages."""
    if domain.memory <= 0:
        raise XmlError("Memory size must be specified via <memory> or in the <numa> configuration")
    if domain.max_memory:
        _growth(domain)
    backing = domain.memory_backing
    if backing and backing.hugepages:
        if backing.allocation and backing.allocation.mode == "ondemand":
            raise ConfigUnsupported("hugepages are not allowed with memory allocation ondemand")
        if backing.source and backing.source.type == "anonymous":
            raise ConfigUnsupported("hugepages are not allowed with anonymous memory source")
        _pages(domain, backing.hugepages.pages)


def _growth(domain: Domain) -> None:
    most = domain.max_memory
    if most is None:
        return
    if not most.slots or not most.size:
        raise XmlError("both maximum memory size and memory slot count must be specified")
    if most.size < domain.memory:
        raise XmlError("maximum memory size must be equal or greater than the actual memory size")
    if not domain.cells:
        raise ConfigUnsupported("At least one numa node has to be configured when enabling memory hotplug")


def _pages(domain: Domain, pages: tuple[Page, ...]) -> None:
    everything = "0" if not domain.cells else None
    if not all(page.size for page in pages):
        raise XmlDetail("hugepage size can't be zero")
    masters = [page.size for page in pages if page.nodeset in (None, everything)]
    if len(masters) > 1:
        raise XmlDetail(f"two master hugepages detected: {masters[1]} and {masters[0]}")
    taken: set[int] = set()
    for page in pages:
        nodes = set(members(page.nodeset)) if page.nodeset else set()
        if nodes & taken:
            raise XmlDetail("nodeset attributes of hugepages overlap")
        taken |= nodes
    beyond = sorted(node for node in taken if node >= max(1, len(domain.cells)))
    if beyond:
        raise XmlDetail(f"hugepages: node {beyond[0]} not found")
