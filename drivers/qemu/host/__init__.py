"""What this host is and can do, as libvirt tells it: numbers of the node, capabilities as XML."""
