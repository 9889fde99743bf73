"""What a node says about itself: its log, its status, its notifications to systemd."""
