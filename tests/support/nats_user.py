"""A NATS operator, account and user made by hand, so that a credentials file can be tested.

JWTs as NATS signs them: ed25519 over the first two parts, keys in the text form of nkeys.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import nkeys


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _pair(kind: int) -> tuple[Any, str, str]:
    seed = nkeys.encode_seed(os.urandom(32), kind)
    pair = nkeys.from_seed(bytearray(seed))
    return pair, pair.public_key.decode(), bytes(seed).decode()


def _jwt(subject: str, issuer: Any, kind: str, **nats: Any) -> str:
    body = {
        "jti": "test", "iat": 1_700_000_000, "iss": issuer.public_key.decode(), "name": kind,
        "sub": subject, "nats": {"type": kind, "version": 2, **nats},
    }  # fmt: skip
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    text = ".".join(_b64(json.dumps(part).encode()) for part in (head, body))
    return f"{text}.{_b64(issuer.sign(text.encode()))}"


def credentials(folder: Path) -> tuple[str, Path]:
    """A server's configuration, and the file of a user that it lets in."""
    operator, operator_key, _ = _pair(nkeys.PREFIX_BYTE_OPERATOR)
    account, account_key, _ = _pair(nkeys.PREFIX_BYTE_ACCOUNT)
    _, user_key, seed = _pair(nkeys.PREFIX_BYTE_USER)
    without = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1}
    limits = {**without, "exports": -1, "wildcards": True}
    config = (
        f"operator: {_jwt(operator_key, operator, 'operator')}\nresolver: MEMORY\n"
        f"resolver_preload: {{ {account_key}: "
        f"{_jwt(account_key, operator, 'account', limits=limits)} }}\n"
    )
    user = _jwt(user_key, account, "user", subs=-1, data=-1, payload=-1)
    path = folder / "user.creds"
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
    return config, path
