"""What runs on the second thread of an island actor: engines, wires, adapters, spool and delivery. No Thespian in here."""
