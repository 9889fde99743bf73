"""What the whole-node benchmarks share: whole nodes, peers that feed them, and what they cost by /proc."""
