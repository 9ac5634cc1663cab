"""Why a request can't be mapped: a minimal conflict of demands, the least change that helps."""
