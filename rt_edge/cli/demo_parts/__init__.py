"""The parts of `rt-edge demo`: a plant, a cable that can be cut, two nodes, what is counted, and how it looks."""
