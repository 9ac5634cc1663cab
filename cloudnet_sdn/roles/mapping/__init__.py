"""The mapping component (paper, section 4.2): a view of the world, and where a request could go."""
