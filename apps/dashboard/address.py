"""Where a service is, and a connection to it."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from typing import Any

import msgspec
import trio

from spikewire.runtime import Framer, ProtocolError, frame

_PATIENCE_S = 5.0
_ANSWER_BYTES = 1 << 20


class UnreachableError(Exception):
    """No connection to the service; the message is a sentence for a user."""


@dataclass(frozen=True, slots=True)
class Door:
    """A way into a service.

    Parameters
    ----------
    host, port
        Where it listens.
    unix_path
        Its Unix socket, instead of host and port.
    tls, ca
        Speak TLS, and trust the system's authorities or those of a PEM file.
    """

    host: str = "127.0.0.1"
    port: int = 7462
    unix_path: str | None = None
    tls: bool = False
    ca: str | None = None

    def __str__(self) -> str:
        if self.unix_path is not None:
            return self.unix_path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    async def open(self) -> trio.abc.Stream:
        """Connect.

        Raises
        ------
        UnreachableError
            Nobody answers there within 5 s, or not with a certificate to be trusted.
        """
        try:
            with trio.fail_after(_PATIENCE_S):
                return await self._open()
        except trio.TooSlowError:
            reason = f"no answer within {_PATIENCE_S:g} s"
        except trio.BrokenResourceError as error:
            reason = getattr(error.__cause__, "verify_message", "") or str(error.__cause__ or error)
        except OSError as error:
            reason = _reason(error)
        except ValueError:
            # What IDNA cannot encode, or TLS cannot ask for: a..b, .b, a name of 64 letters.
            reason = "that is no name of a machine"
        raise UnreachableError(f"Cannot reach a service at {self}: {reason}.")

    async def lets_anybody_in(self) -> bool:
        """Tell whether the service asks for no token.

        Raises
        ------
        UnreachableError
            As for :meth:`open`, or whoever answers does not speak protocol 1, or turns the
            dashboard away for a reason of another kind: nothing is known then.
        """
        hello = {"type": "hello", "protocol": 1, "client": "dashboard"}
        framer = Framer(_ANSWER_BYTES)
        payload = b""
        try:
            async with await self.open() as stream:
                with trio.fail_after(_PATIENCE_S):
                    await stream.send_all(frame(msgspec.msgpack.encode(hello)))
                    while not payload and (data := await stream.receive_some(_ANSWER_BYTES)):
                        framer.feed(data)
                        payload = framer.take_raw()
            answer = msgspec.msgpack.decode(payload, type=dict[str, Any])
        except (trio.BrokenResourceError, trio.TooSlowError, ProtocolError, msgspec.MsgspecError):
            raise UnreachableError(f"What answers at {self} is no service of protocol 1.") from None
        if answer.get("type") == "hello":
            return True
        if answer.get("type") == "error" and answer.get("code") == "wrong_token":
            return False
        said = str(answer.get("message") or answer.get("code") or "it said neither yes nor no")
        raise UnreachableError(f"The service at {self} does not let the dashboard in: {said}")

    async def _open(self) -> trio.abc.Stream:
        if self.unix_path is not None:
            return await trio.open_unix_socket(self.unix_path)
        plain = await trio.open_tcp_stream(self.host, self.port)
        if not self.tls:
            return plain
        try:
            context = ssl.create_default_context(cafile=self.ca)
            secure = trio.SSLStream(
                plain, context, server_hostname=self.host, https_compatible=True
            )
            await secure.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(plain)
            raise
        return secure


def _reason(error: OSError) -> str:
    causes = error.__cause__
    if isinstance(causes, BaseExceptionGroup) and isinstance(causes.exceptions[0], OSError):
        error = causes.exceptions[0]
    # A name that cannot be resolved has a number of its own kind, below 0.
    number = error.errno
    reason = os.strerror(number) if number is not None and number > 0 else error.strerror
    return reason or str(error)
