"""The role engine: negotiation, mapping, embedding and provisioning, the same for PIP and VNP."""
