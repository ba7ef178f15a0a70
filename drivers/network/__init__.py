"""Virtual networks: bridges, addresses, DHCP and DNS, filters, and the ports of guests."""
