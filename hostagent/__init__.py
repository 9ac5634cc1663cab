"""The host agent: VNodes, bridge ports, tunnel bridges and consoles of one substrate host."""
