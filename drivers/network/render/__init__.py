"""What a network is to other programs, as text: dnsmasq's files and nftables' rules. Pure."""
