"""Path mapping for a given placement, within what links have left."""
