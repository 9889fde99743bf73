"""Device-protocol plugins; each imports `rt_edge.sdk` only."""
