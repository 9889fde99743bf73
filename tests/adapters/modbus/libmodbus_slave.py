"""A program: a Modbus slave by libmodbus, the C library, through ctypes. Prints where it listens, then answers until it is ended.

    python libmodbus_slave.py LIBRARY rtu DEVICE     python libmodbus_slave.py LIBRARY tcp 0

Unit 1: holding registers 0..199 are 1000 + address, input registers 2000 + address, each third coil is on, each second input.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from ctypes import POINTER, c_char, c_char_p, c_int, c_uint8, c_uint16, c_void_p

COUNT = 200
MOST = 260
"""Bytes of the longest request (MODBUS_MAX_ADU_LENGTH)."""


class Mapping(ctypes.Structure):
    """modbus_mapping_t of modbus.h, 3.1."""

    _fields_ = (
        ("nb_bits", c_int),
        ("start_bits", c_int),
        ("nb_input_bits", c_int),
        ("start_input_bits", c_int),
        ("nb_input_registers", c_int),
        ("start_input_registers", c_int),
        ("nb_registers", c_int),
        ("start_registers", c_int),
        ("tab_bits", POINTER(c_uint8)),
        ("tab_input_bits", POINTER(c_uint8)),
        ("tab_input_registers", POINTER(c_uint16)),
        ("tab_registers", POINTER(c_uint16)),
    )


def main(library: str, kind: str, where: str) -> None:
    """Serve until the process is ended."""
    lib = ctypes.CDLL(library, use_errno=True)
    lib.modbus_new_rtu.restype = lib.modbus_new_tcp.restype = c_void_p
    lib.modbus_new_rtu.argtypes = (c_char_p, c_int, c_char, c_int, c_int)
    lib.modbus_new_tcp.argtypes = (c_char_p, c_int)
    lib.modbus_mapping_new.restype = POINTER(Mapping)
    for name in ("modbus_set_slave", "modbus_tcp_listen"):
        getattr(lib, name).argtypes = (c_void_p, c_int)
    lib.modbus_connect.argtypes = (c_void_p,)
    lib.modbus_tcp_accept.argtypes = (c_void_p, POINTER(c_int))
    lib.modbus_receive.argtypes = (c_void_p, POINTER(c_uint8))
    lib.modbus_reply.argtypes = (c_void_p, POINTER(c_uint8), c_int, POINTER(Mapping))
    mapping = lib.modbus_mapping_new(COUNT, COUNT, COUNT, COUNT)
    tables = mapping.contents
    for i in range(COUNT):
        tables.tab_registers[i], tables.tab_input_registers[i] = 1000 + i, 2000 + i
        tables.tab_bits[i], tables.tab_input_bits[i] = i % 3 == 0, i % 2 == 0
    listening = c_int(-1)
    if kind == "rtu":
        line = lib.modbus_new_rtu(where.encode(), 115200, b"N", 8, 1)
        lib.modbus_set_slave(line, 1)
        if lib.modbus_connect(line) < 0:
            sys.exit(f"{where}: {os.strerror(ctypes.get_errno())}")
        print(where, flush=True)
    else:
        line = lib.modbus_new_tcp(b"127.0.0.1", int(where))
        listening = c_int(lib.modbus_tcp_listen(line, 1))
        with socket.socket(fileno=os.dup(listening.value)) as known:
            print(known.getsockname()[1], flush=True)
    request = (c_uint8 * MOST)()
    while kind == "rtu" or lib.modbus_tcp_accept(line, listening) >= 0:
        while (size := lib.modbus_receive(line, request)) >= 0 or kind == "rtu":
            if size > 0:
                lib.modbus_reply(line, request, size, mapping)


if __name__ == "__main__":
    main(*sys.argv[1:])
