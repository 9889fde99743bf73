"""The transport of a node: Thespian's own wire on loopback, links with mutual TLS between nodes (design 8)."""
