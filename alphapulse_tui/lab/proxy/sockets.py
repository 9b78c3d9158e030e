"""Sockets of other processes: found in ``/proc``, borrowed with ``pidfd_getfd``, and steered by classic BPF.

Why not a front port for every target: a relay that always stands in the way costs latency and CPU every second of the lab's life, and only
those who know its port would feel a fault. Here a server keeps the port that everybody knows, nothing stands in the way until somebody asks,
and then every client feels it. It takes three things that Linux grants to a parent of the same user (5.6 or later, and no seccomp filter
that forbids ``pidfd_getfd``, as Docker's default one does):

- a duplicate of a descendant's socket (``pidfd_getfd``),
- ``SO_REUSEPORT`` set on its listener afterwards, so that a second listener may stand beside it,
- a classic BPF program that picks between the two by the client's address, or a filter that drops packets.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alphapulse_tui.lab import linux
from alphapulse_tui.lab.errors import LabError

_SYS_PIDFD_GETFD = 438
"""The same on every architecture (asm-generic/unistd.h)."""
_libc = ctypes.CDLL(None, use_errno=True)

_ESTABLISHED = 0x01
_LISTEN = 0x0A

# asm-generic/socket.h; Python's socket module does not name them.
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_SO_ATTACH_REUSEPORT_CBPF = 51
_SO_BINDTOIFINDEX = 62
_NO_INTERFACE = 0x7FFFFFFE
"""The index of an interface that no machine has."""

# linux/filter.h, bpf_common.h
_LOAD_WORD = 0x20
_AND = 0x54
_JUMP_EQUAL = 0x15
_RETURN = 0x06
_NETWORK_HEADER = -0x100000
_SOURCE_ADDRESS = _NETWORK_HEADER + 12
"""Offset of the sender in an IPv4 header."""
_WHOLE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP socket of this machine, as ``/proc/net/tcp`` shows it."""

    local: tuple[str, int]
    remote: tuple[str, int]
    listening: bool
    inode: int


def connections() -> list[Connection]:
    """Every listening or established IPv4 TCP socket."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        state = int(fields[3], 16)
        if state in (_ESTABLISHED, _LISTEN):
            found.append(Connection(_address(fields[1]), _address(fields[2]), state == _LISTEN, int(fields[9])))
    return found


def _address(text: str) -> tuple[str, int]:
    """``0100007F:1F90`` is 127.0.0.1:8080: the address as a word in the machine's order, the port as a number."""
    address, port = text.split(":")
    return socket.inet_ntoa(struct.pack("=I", int(address, 16))), int(port, 16)


def of_process(pid: int) -> dict[int, tuple[int, int]]:
    """The sockets of a process and its descendants: inode -> (process, descriptor)."""
    found = {}
    for one in (pid, *linux.descendants(pid)):
        folder = f"/proc/{one}/fd"
        # Gone, or dead and not reaped yet: such a one's descriptors are closed to all but root.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            for name in os.listdir(folder):  # noqa: PTH208 - the names are wanted, and there may be hundreds
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    target = os.readlink(f"{folder}/{name}")  # noqa: PTH115 - it is no path but "socket:[123]"
                    if target.startswith("socket:["):
                        found[int(target[8:-1])] = (one, int(name))
    return found


@contextlib.contextmanager
def borrowed(pid: int, descriptor: int) -> Iterator[socket.socket | None]:
    """Another process's socket, for a moment: kept longer, it would hold the port when its owner is gone.

    None when the owner has closed it meanwhile.

    Raises:
        LabError: The kernel does not let us.
    """
    try:
        duplicate = _duplicate(pid, descriptor)
    except (ProcessLookupError, FileNotFoundError):
        yield None
        return
    except OSError as error:
        if error.errno == errno.EBADF:
            yield None
            return
        raise LabError(
            f"This machine does not let the lab reach into its servers' sockets (pidfd_getfd: {error.strerror}): in a container,"
            " allow it with --cap-add SYS_PTRACE."
        ) from error
    with socket.socket(fileno=duplicate) as one:
        yield one


def _duplicate(pid: int, descriptor: int) -> int:
    handle = os.pidfd_open(pid)
    try:
        duplicate = int(_libc.syscall(_SYS_PIDFD_GETFD, handle, descriptor, 0))
        if duplicate < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return duplicate
    finally:
        os.close(handle)


def cut(pid: int, chosen: Iterable[Connection]) -> None:
    """Shut established connections of a process down, as its end would: both sides read an end of file.

    Raises:
        LabError: As :func:`borrowed`.
    """
    wanted = {one.inode for one in chosen if not one.listening}
    for inode, (owner, descriptor) in of_process(pid).items():
        if inode in wanted:
            with borrowed(owner, descriptor) as one:
                if one is not None:
                    with contextlib.suppress(OSError):  # the other side was quicker
                        one.shutdown(socket.SHUT_RDWR)


def stand_beside(server: socket.socket, address: tuple[str, int], straight: str) -> socket.socket:
    """A second listener at ``address`` that gets every new connection, except those from the address ``straight``.

    The kernel goes back to the server alone once the second listener is closed.
    """
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    beside = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # A port is shared by sockets of one user only, and PostgreSQL's is not ours.
        os.fchown(beside.fileno(), os.fstat(server.fileno()).st_uid, -1)
        beside.bind(address)
        beside.listen(128)
        # The group numbers its sockets in the order in which they came: the server's is 0, ours 1.
        program = [(_LOAD_WORD, 0, 0, _SOURCE_ADDRESS), (_JUMP_EQUAL, 0, 1, _word(straight)), (_RETURN, 0, 0, 0)]
        _attach(beside, _SO_ATTACH_REUSEPORT_CBPF, [*program, (_RETURN, 0, 0, 1)])
    except BaseException:
        beside.close()
        raise
    return beside


def drop_from(one: socket.socket, network: str, mask: str = "255.255.255.255") -> None:
    """Drop every packet that reaches ``one`` from ``network``; a listener passes the filter on to what it accepts.

    Raises:
        LabError: This kernel keeps socket filters for root (6.18 was seen to).
    """
    program = [(_LOAD_WORD, 0, 0, _SOURCE_ADDRESS), (_AND, 0, 0, _word(mask)), (_JUMP_EQUAL, 0, 1, _word(network))]
    try:
        _attach(one, _SO_ATTACH_FILTER, [*program, (_RETURN, 0, 0, 0), (_RETURN, 0, 0, _WHOLE)])
    except PermissionError:
        raise LabError(
            "This machine lets nobody but root drop packets at a socket: run the lab as root for this fault."
        ) from None


def drop_nothing(one: socket.socket) -> None:
    """Undo :func:`drop_from`; a socket without a filter is left as it is."""
    with contextlib.suppress(FileNotFoundError):
        one.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def refuse(server: socket.socket) -> None:
    """Have the kernel refuse connections to a listener without closing it: it then belongs to an interface that is not there.

    Only who has CAP_NET_RAW can undo it: see :func:`may_refuse`.
    """
    server.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, _NO_INTERFACE)


def accept_again(server: socket.socket) -> None:
    """Undo :func:`refuse`."""
    server.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, 0)


def may_refuse() -> bool:
    """Whether this process could undo :func:`refuse`."""
    with socket.socket() as probe:
        refuse(probe)
        try:
            accept_again(probe)
        except PermissionError:
            return False
    return True


def _word(address: str) -> int:
    """An IPv4 address as BPF compares it."""
    return int(struct.unpack("!I", socket.inet_aton(address))[0])


def _attach(one: socket.socket, option: int, program: list[tuple[int, int, int, int]]) -> None:
    """Give a socket a classic BPF program (struct sock_fprog)."""
    code = ctypes.create_string_buffer(
        b"".join(struct.pack("HBBI", kind, yes, no, value & _WHOLE) for kind, yes, no, value in program)
    )
    one.setsockopt(socket.SOL_SOCKET, option, struct.pack("HL", len(program), ctypes.addressof(code)))
