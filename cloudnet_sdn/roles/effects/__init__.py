"""The embedding component (paper, section 4.2): brings about what is written down, and looks."""
