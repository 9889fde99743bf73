"""The few functions of OpenSSL 3 that DTLS needs, by ctypes: Python's own `ssl` speaks TLS only.

The library is the one that Python's `ssl` module has loaded already on Debian (libssl.so.3): nothing to build, nothing to
install, and the distribution's security updates count. Only functions of its public, stable ABI are used.
"""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_long, c_size_t, c_ubyte, c_uint, c_uint64, c_ulong, c_void_p
from functools import cache
from typing import Any

LIBRARY = "libssl.so.3"
INSTALL = "install OpenSSL 3 (Debian: apt install libssl3)"

DTLS1_2 = 0xFEFD
WANT_READ, ZERO_RETURN = 2, 6
OP_NO_QUERY_MTU, OP_NO_TICKET, OP_NO_RENEGOTIATION = 1 << 12, 1 << 14, 1 << 30
CTRL_SET_MTU, CTRL_SESSION_CACHE, CTRL_MIN_VERSION = 17, 44, 123
CTRL_GET_TIMEOUT, CTRL_HANDLE_TIMEOUT = 73, 74
BIO_PENDING, BIO_EOF_RETURN = 10, 130

PskClient = CFUNCTYPE(c_uint, c_void_p, c_char_p, POINTER(c_ubyte), c_uint, POINTER(c_ubyte), c_uint)
PskServer = CFUNCTYPE(c_uint, c_void_p, c_char_p, POINTER(c_ubyte), c_uint)
CookieMake = CFUNCTYPE(c_int, c_void_p, POINTER(c_ubyte), POINTER(c_uint))
CookieCheck = CFUNCTYPE(c_int, c_void_p, POINTER(c_ubyte), c_uint)

_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "DTLS_method": (c_void_p, ()),
    "SSL_CTX_new": (c_void_p, (c_void_p,)),
    "SSL_CTX_free": (None, (c_void_p,)),
    "SSL_CTX_ctrl": (c_long, (c_void_p, c_int, c_long, c_void_p)),
    "SSL_CTX_set_options": (c_uint64, (c_void_p, c_uint64)),
    "SSL_CTX_set_cipher_list": (c_int, (c_void_p, c_char_p)),
    "SSL_CTX_set_psk_client_callback": (None, (c_void_p, PskClient)),
    "SSL_CTX_set_psk_server_callback": (None, (c_void_p, PskServer)),
    "SSL_CTX_set_cookie_generate_cb": (None, (c_void_p, CookieMake)),
    "SSL_CTX_set_cookie_verify_cb": (None, (c_void_p, CookieCheck)),
    "SSL_new": (c_void_p, (c_void_p,)),
    "SSL_free": (None, (c_void_p,)),
    "SSL_ctrl": (c_long, (c_void_p, c_int, c_long, c_void_p)),
    "SSL_set_bio": (None, (c_void_p, c_void_p, c_void_p)),
    "SSL_set_connect_state": (None, (c_void_p,)),
    "SSL_set_accept_state": (None, (c_void_p,)),
    "SSL_do_handshake": (c_int, (c_void_p,)),
    "SSL_read": (c_int, (c_void_p, c_char_p, c_int)),
    "SSL_write": (c_int, (c_void_p, c_char_p, c_int)),
    "SSL_shutdown": (c_int, (c_void_p,)),
    "SSL_get_error": (c_int, (c_void_p, c_int)),
    "DTLSv1_listen": (c_int, (c_void_p, c_void_p)),
    "BIO_s_mem": (c_void_p, ()),
    "BIO_new": (c_void_p, (c_void_p,)),
    "BIO_ctrl": (c_long, (c_void_p, c_int, c_long, c_void_p)),
    "BIO_read": (c_int, (c_void_p, c_char_p, c_int)),
    "BIO_write": (c_int, (c_void_p, c_char_p, c_int)),
    "BIO_ADDR_new": (c_void_p, ()),
    "BIO_ADDR_free": (None, (c_void_p,)),
    "ERR_get_error": (c_ulong, ()),
    "ERR_clear_error": (None, ()),
    "ERR_error_string_n": (None, (c_ulong, c_char_p, c_size_t)),
}


@cache
def library() -> Any:
    """The library, with its signatures.

    Raises:
        OSError: it is not there, or another OpenSSL than 3.
    """
    found = ctypes.CDLL(LIBRARY)
    for name, (result, arguments) in _SIGNATURES.items():
        try:
            function = getattr(found, name)
        except AttributeError:
            raise OSError(f"{LIBRARY} has no {name}") from None
        function.restype, function.argtypes = result, arguments
    return found


def available() -> str:
    """Why DTLS is not there; empty if it is."""
    try:
        library()
    except OSError as error:
        return str(error)
    return ""


def first_error() -> str:
    """The oldest error of the calling thread, in OpenSSL's words, and forget the others."""
    lib = library()
    code = lib.ERR_get_error()
    lib.ERR_clear_error()
    if not code:
        return ""
    text = ctypes.create_string_buffer(256)
    lib.ERR_error_string_n(code, text, len(text))
    return text.value.decode(errors="replace").rpartition(":")[2] or "unknown error"
