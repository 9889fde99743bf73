"""The command line: one file a command; `app.py` finds the command and imports its file only."""
