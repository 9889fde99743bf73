"""Opening the database of a spool after anything: it always ends with a usable one, and a list of what was found.

In this order: finish or throw away a salvage that was cut off; set a WAL aside that SQLite would silently ignore; open; check the
structure if the last writer did not close cleanly *and* the machine was started anew since (after a mere kill the kernel has
every write, so nothing can be wrong) and the file is not too large to check in time; salvage into a new file if anything is
damaged. Damage that shows later takes the same way (`Spool` calls `rebuild`).
"""

from __future__ import annotations

import logging
import os
import sqlite3

import msgspec

from rt_edge.data.clock import Clock
from rt_edge.spool.database import SCHEMA, Connect, Trouble, create_tables, get_meta, prepare, transaction, trouble
from rt_edge.spool.errors import SpoolIoError, SpoolUnusable
from rt_edge.spool.files import Files
from rt_edge.spool.salvage import Salvaged, open_damaged, salvage

log = logging.getLogger(__name__)

CHECK_LIMIT = 128_000_000
"""Bytes of a database whose structure is checked after a power cut; larger ones are trusted until damage shows."""


class Finding(msgspec.Struct, frozen=True):
    """Something that was not as it should be.

    Attributes:
        reason: short word, goes into the gap record.
        detail: one sentence for the log and `spool ls`.
    """

    reason: str
    detail: str


_findings = msgspec.json.Decoder(list[Finding])
MAX_NOTED = 20


class Opened(msgspec.Struct):
    """A usable database.

    Attributes:
        conn: the writer's connection.
        counted: the counters on disk are right.
        found: what was wrong; then all lanes in it have to be sealed.
    """

    conn: sqlite3.Connection
    counted: bool
    found: list[Finding]


class Opener:
    """How to open, with everything it needs.

    Args:
        files: where.
        connect: makes connections; the seam for tests that fail the N-th operation.
        clock: for tombstones.
        boot: id of this boot.
        max_bytes: quota.
        check_limit: see `CHECK_LIMIT`.
    """

    def __init__(
        self, files: Files, connect: Connect, clock: Clock, boot: str, max_bytes: int, check_limit: int = CHECK_LIMIT
    ) -> None:
        self.files = files
        self.connect = connect
        self.clock = clock
        self.boot = boot
        self.max_bytes = max_bytes
        self.check_limit = check_limit

    def open(self) -> Opened:
        """Open it, after anything.

        Raises:
            SpoolIoError: the disk refuses now.
            SpoolUnusable: the folder cannot be used.
        """
        files = self.files
        found = self._noted()
        if files.new.exists():
            if files.db.exists():
                files.drop_new()
            else:
                files.install_new()
        if files.db.exists() and files.db.stat().st_size == 0 and not files.wal.exists():
            found.append(Finding("spool_empty_file", f"{files.db.name} was an empty file"))
        if files.wal_damaged():
            found = self._note([*found, Finding("spool_wal_damaged", "the write-ahead log had no valid header; kept aside")])
            files.set_wal_aside()
        conn: sqlite3.Connection | None = None
        existed = files.db.exists()
        try:
            conn = self.connect(files.db)
            return self._opened(conn, found)
        except sqlite3.Error as error:
            if conn is not None:
                conn.close()
            if not existed and files.db.exists() and files.db.stat().st_size == 0:
                files.db.unlink()  # we made it, nothing is in it: the next start need not wonder
            # What is wrong with the tables of a file is damage, too; what is wrong with the disk is not.
            if trouble(error) in (Trouble.CORRUPT, Trouble.BUG):
                return self.rebuild(str(error), found)
            raise self._refused(error) from error

    def _refused(self, error: sqlite3.Error) -> SpoolIoError | SpoolUnusable:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return SpoolUnusable(f"{self.files.db} cannot be written: {error}", "check owner and mode of the data directory")
        return SpoolIoError(f"{self.files.db} cannot be opened: {error}")

    def _opened(self, conn: sqlite3.Connection, found: list[Finding]) -> Opened:
        prepare(conn, self.max_bytes)
        version = conn.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            conn.close()
            detail = (
                f"a newer rt_edge wrote this spool (tables {version}, known {SCHEMA}); kept whole as {self.files.db.name}.newer-*"
            )
            found = self._note([*found, Finding("spool_newer", detail)])
            self.files.set_aside("newer")
            return self._opened(self.connect(self.files.db), found)
        tables = conn.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables:
            raise sqlite3.DatabaseError("it is a database, but not a spool")
        if version == 0:
            with transaction(conn):
                create_tables(conn)
            self.files.sync_folder()
            return Opened(conn, True, found)
        clean = get_meta(conn, "clean") == "1"
        power_cut = not clean and get_meta(conn, "boot") != self.boot
        if found or (power_cut and self.files.db.stat().st_size <= self.check_limit):
            verdict = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"quick_check: {verdict}")
        conn.execute("SELECT id, name, epoch, base, confirmed, checksum, sealed, records, readings, bytes FROM lane").fetchall()
        conn.execute("SELECT at, first, kind, count, stored_at, crc, payload FROM record LIMIT 1").fetchall()
        return Opened(conn, clean and not found, found)

    def rebuild(self, why: str, found: list[Finding]) -> Opened:
        """Salvage what can be read into a new file, set the damaged one aside, open the new one."""
        files = self.files
        files.drop_new()
        result, trouble_text = Salvaged(), ""
        source = open_damaged(files.db)
        if source is not None:
            target = self.connect(files.new)
            try:
                result = salvage(source, target, self.clock.wall_ns(), self.max_bytes)
                # Everything has to be in the one file that is renamed.
                target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error as error:
                trouble_text = f"; nothing could be copied out of it: {error}"
            finally:
                source.close()
                target.close()
            if trouble_text:
                files.drop_new()
        detail = (
            f"damaged ({why}); kept as {files.db.name}.broken-*; {result.records} records salvaged,"
            f" {result.missing} missing between them, {result.damaged} with wrong checksums{trouble_text}"
        )
        log.error("spool %s: %s", files.db.name, detail)
        found = self._note([*found, Finding("spool_damaged", detail)])
        files.set_aside()
        if files.new.exists():
            files.install_new()
        try:
            return self._opened(self.connect(files.db), found)
        except sqlite3.Error as error:
            raise self._refused(error) from error

    # -- findings outlive a crash ------------------------------------------------------------------------------------

    def _noted(self) -> list[Finding]:
        """What an earlier attempt had found and could not say."""
        try:
            return _findings.decode(self.files.found.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            return [Finding("spool_damaged", f"something was found before, but the note of it cannot be read: {error}")]

    def _note(self, found: list[Finding]) -> list[Finding]:
        """Write down what was found, before anything is renamed; a full disk does not stop the opening."""
        found = found[-MAX_NOTED:]
        try:
            with self.files.found.open("wb") as file:
                file.write(msgspec.json.encode(found))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log.warning("spool %s: a finding could not be noted: %s", self.files.db.name, error)
        return found

    def said(self) -> None:
        """What was found is in the stream now."""
        self.files.found.unlink(missing_ok=True)
