"""The VLink controller: desired VLinks to OpenFlow 1.3 VLAN paths, kept true on every datapath."""
