"""The daemon: start-up, process tree, signals, sd_notify. Wiring only."""
