"""What owners and operators do with what stands: power, consoles, the substrate."""
