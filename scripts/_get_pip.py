"""Print the path of pip's wheel, for a machine whose Python has no ensurepip (Debian without python3-venv).

    python3 _get_pip.py FOLDER

The version and its SHA-256 are pinned below; where it comes from is the business of this machine's configuration:

1. the host's own pip downloads it, and reads its configuration as always;
2. else the index that pip is configured with (environment PIP_*, pip.conf) is asked directly;
3. else apt lends a pip: Debian's package python3-pip-whl, unpacked, does as in 1.

No index is named here. The standard library is all there is.
"""

from __future__ import annotations

import base64
import configparser
import glob
import hashlib
import html.parser
import netrc
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from _apt import AptError, PrivateApt, Release, sources_of

VERSION = "25.3"
SHA256 = "9655943313a94722b7774661c21049070f6bbb0a1516bf02f7c8d5d9201514cd"
WHEEL = f"pip-{VERSION}-py3-none-any.whl"
AT_MOST_BYTES = 16_000_000
"""More than any index page about pip and any wheel of it."""
DEBIAN_WHEELS = "/usr/share/python-wheels/pip-*.whl"


class NotHere(Exception):
    """A sentence about why this way does not give pip."""


def main() -> int:
    """Try the three ways; print the path, or one line about each that failed and 1."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / WHEEL
    if target.is_file() and is_true(target.read_bytes()):
        print(target)
        return 0
    failed = []
    for way in (by_pip_of_the_host, from_configured_index, by_pip_of_the_archive):
        try:
            way(folder)
            if not is_true(target.read_bytes()):
                raise NotHere(f"what came as {WHEEL} is another file: its SHA-256 is not the pinned one")
        except (NotHere, AptError, OSError, ValueError) as error:
            target.unlink(missing_ok=True)
            failed.append(str(error))
            continue
        print(target)
        return 0
    print(f"pip cannot be had: {'; '.join(failed)}. Installing the package python3-venv helps.", file=sys.stderr)
    return 1


def is_true(content: bytes) -> bool:
    """Whether this is the pinned wheel."""
    return hashlib.sha256(content).hexdigest() == SHA256


def by_pip_of_the_host(folder: Path) -> None:
    """Have a pip that is already here download the pinned one.

    Raises:
        NotHere: there is none, or it could not.
    """
    known = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    wheels = sorted(glob.glob(DEBIAN_WHEELS))  # noqa: PTH207 - an absolute pattern
    if known.returncode == 0:
        download_with([sys.executable, "-m", "pip"], folder)
    elif wheels:
        download_with([sys.executable, f"{wheels[-1]}/pip"], folder)
    else:
        raise NotHere("this Python has no pip")


def by_pip_of_the_archive(folder: Path) -> None:
    """Unpack python3-pip-whl from the configured Debian mirror and let it download the pinned wheel.

    Raises:
        AptError: apt has no such package or cannot reach its mirror.
        NotHere: the index cannot be reached.
    """
    release = Release.read()
    with tempfile.TemporaryDirectory() as scratch:
        apt = PrivateApt(Path(scratch), sources_of(release.codename) or None)
        complaint = apt.update()
        version = apt.candidate("python3-pip-whl")
        if version is None:
            raise AptError(f"apt has no python3-pip-whl ({complaint or 'not in its lists'})")
        apt.unpack([f"python3-pip-whl={version}"], Path(scratch) / "root")
        wheels = sorted((Path(scratch) / "root").glob(DEBIAN_WHEELS.lstrip("/")))
        if not wheels:
            raise AptError("python3-pip-whl holds no pip")
        download_with([sys.executable, f"{wheels[-1]}/pip"], folder)


def download_with(pip: list[str], folder: Path) -> None:
    """Run `pip download` for the pinned wheel, hash checked by pip.

    Raises:
        NotHere: with pip's last error line.
    """
    pinned = folder / "pip.txt"
    pinned.write_text(f"pip=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
    command = [
        *pip,
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "-d",
        str(folder),
        "-r",
        str(pinned),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.strip().splitlines()[-1:]
        raise NotHere(f"pip download: {errors[0] if errors else 'failed'}")


def from_configured_index(folder: Path) -> None:
    """Fetch the wheel from the index (or find-links folder) of pip's configuration, without pip.

    Raises:
        NotHere: no index is configured, or it does not have the wheel.
    """
    settings = pip_settings(os.environ)
    for place in settings.get("find-links", "").split():
        local = Path(urllib.request.url2pathname(urllib.parse.urlparse(place).path)) / WHEEL
        if local.is_file():
            (folder / WHEEL).write_bytes(local.read_bytes())
            return
    indexes = (
        []
        if is_yes(settings.get("no-index", ""))
        else f"{settings.get('index-url', '')} {settings.get('extra-index-url', '')}".split()
    )
    if not indexes:
        raise NotHere("pip is configured with no index")
    failed = []
    for index in indexes:
        page = f"{index.rstrip('/')}/pip/"
        try:
            links = links_of(fetch(page, settings).decode("utf-8", "replace"), page)
            for link in links:
                if urllib.parse.urlparse(link).path.endswith(f"/{WHEEL}"):
                    (folder / WHEEL).write_bytes(fetch(link, settings))
                    return
            failed.append(f"{without_password(index)} has no {WHEEL}")
        except (OSError, ValueError) as error:
            failed.append(f"{without_password(index)}: {error}")
    raise NotHere("; ".join(failed))


def pip_settings(environ: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """What pip would read, as option -> text: files from the most general to the most special, then PIP_*.

    Sections global, install and download, in this order; `PIP_CONFIG_FILE=/dev/null` switches all files off, as with pip.
    """
    home = Path(environ.get("HOME", "~")).expanduser()
    one = environ.get("PIP_CONFIG_FILE")
    files: list[Path] = []
    if one != os.devnull:
        files += [Path(part) / "pip" / "pip.conf" for part in reversed(environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"))]
        files += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf"]
        files += [Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf", Path(sys.prefix) / "pip.conf"]
        files += [Path(one)] if one else []
    settings: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except configparser.Error as error:
            raise NotHere(f"{file} is not a pip.conf: {error}") from None
        for section in ("global", "install", "download"):
            if parser.has_section(section):
                settings.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    settings.update({name[4:].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith("PIP_")})
    return settings


def fetch(url: str, settings: dict[str, str]) -> bytes:
    """GET `url` with pip's certificates, proxy, trusted hosts, time limit and credentials.

    Raises:
        OSError: it cannot be reached, answers with an error, or has more than AT_MOST_BYTES.
    """
    parts = urllib.parse.urlsplit(url)
    context = ssl.create_default_context(cafile=settings.get("cert") or None)
    if settings.get("client-cert"):
        context.load_cert_chain(settings["client-cert"])
    if parts.hostname in {name.partition(":")[0] for name in settings.get("trusted-host", "").split()}:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the owner of this machine said so; the pinned hash still holds
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if settings.get("proxy"):
        handlers.append(urllib.request.ProxyHandler({"http": settings["proxy"], "https": settings["proxy"]}))
    request = urllib.request.Request(without_password(url), headers={"Accept": "text/html", "User-Agent": "rt-edge-setup"})
    if login := credentials(parts):
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(login).encode()).decode())
    seconds = float(settings.get("timeout") or settings.get("default-timeout") or 15)
    with urllib.request.build_opener(*handlers).open(request, timeout=seconds) as answer:
        content: bytes = answer.read(AT_MOST_BYTES + 1)
    if len(content) > AT_MOST_BYTES:
        raise OSError(f"{without_password(url)} is larger than {AT_MOST_BYTES} bytes")
    return content


def credentials(parts: urllib.parse.SplitResult) -> tuple[str, str] | None:
    """User and password of the URL, else of ~/.netrc."""
    if parts.username:
        return urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
    try:
        known = netrc.netrc().authenticators(parts.hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None  # as pip does: no netrc, no login
    return (known[0], known[2] or "") if known else None


def without_password(url: str) -> str:
    """The URL as it may be shown and sent."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def is_yes(text: str) -> bool:
    """A boolean as pip.conf writes it."""
    return text.strip().lower() in {"1", "true", "yes", "on", "y", "t"}


def links_of(page: str, base: str) -> list[str]:
    """The absolute targets of all anchors of a simple index page."""
    found: list[str] = []

    class Anchors(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            target = dict(attrs).get("href")
            if tag == "a" and target:
                found.append(urllib.parse.urljoin(base, target))

    Anchors().feed(page)
    return found


if __name__ == "__main__":
    sys.exit(main())
