"""Pictures of graphs: SVG, DOT, Mermaid, GraphML."""
