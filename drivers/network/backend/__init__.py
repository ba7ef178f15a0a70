"""Hands on the host: links, taps, nftables, dnsmasq, queues."""
