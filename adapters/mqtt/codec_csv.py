"""Codec `csv`: each line is a Reading (RFC 4180; any one-character delimiter)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

from rt_edge.sdk import CodecError, Value
from rt_edge.sdk.payload.times import TimeFormat, parse_time
from rt_edge.sdk.payload.values import MAX_FIELDS, MAX_ROWS, Row, guess, to_text


class CsvCodec:
    """Lines of cells.

    Args:
        columns: names, in order; empty: the first line of each payload is a header. An empty name skips the column.
        fields: names kept, or field -> column; None keeps all.
        delimiter: one character.
        time: column of the source time.
        time_format: how it is written.
    """

    def __init__(
        self,
        columns: Sequence[str],
        fields: Sequence[str] | Mapping[str, str] | None,
        delimiter: str,
        time: str | None,
        time_format: TimeFormat,
    ) -> None:
        self._columns = tuple(columns)
        self._fields = fields if fields is None or isinstance(fields, Mapping) else {name: name for name in fields}
        self._delimiter = delimiter
        self._time = time
        self._time_format = time_format

    def __call__(self, payload: bytes) -> list[Row]:
        """The rows; empty lines and empty cells are left out.

        Raises:
            CodecError: with the line: too many or too few cells, a bad time, bad quotes.
        """
        lines = to_text(payload).splitlines()
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        rows: list[Row] = []
        names = self._columns
        try:
            for cells in reader:
                if not cells:
                    continue
                if not names:
                    names = tuple(cell.strip() for cell in cells)
                    continue
                if len(cells) != len(names) or len(cells) > MAX_FIELDS:
                    raise CodecError(f"line {reader.line_num}: {len(cells)} cells where {len(names)} columns are named")
                row = self._row(names, cells, reader.line_num)
                if row[1]:
                    rows.append(row)
                if len(rows) > MAX_ROWS:
                    raise CodecError(f"more than {MAX_ROWS} lines")
        except csv.Error as error:
            raise CodecError(f"line {reader.line_num}: {error}") from None
        return rows

    def _row(self, names: Sequence[str], cells: list[str], line: int) -> Row:
        found = {name: cell.strip() for name, cell in zip(names, cells, strict=True) if name and cell.strip()}
        ts = None
        if self._time is not None:
            if self._time not in found:
                raise CodecError(f"line {line}: the time column {self._time!r} is missing or empty")
            try:
                ts = parse_time(found.pop(self._time), self._time_format)
            except CodecError as error:
                raise CodecError(f"line {line}: {error.message}") from None
        fields: dict[str, Value] = {}
        if self._fields is None:
            fields = {name: guess(cell) for name, cell in found.items()}
        else:
            fields = {name: guess(found[column]) for name, column in self._fields.items() if column in found}
        return ts, fields
