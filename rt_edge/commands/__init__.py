"""Commands to devices: the way back (docs/commands.md). A state machine without I/O, its journal, its audit log, and the office
that carries them out beside an adapter."""
