"""What end-to-end tests of the main job share: devices as processes, supervised nodes, a feeder, the count at the end."""
