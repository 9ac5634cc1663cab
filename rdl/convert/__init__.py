"""Other formats to RDL (GraphML, SNDlib, node-link JSON, GENI RSpec) and RDL to RFC 8345."""
