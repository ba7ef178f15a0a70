"""What the QEMU driver does, without actors: definitions (``domains``), a guest's start, stop and events."""
