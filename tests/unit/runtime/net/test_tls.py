"""TLS of services and clients: 1.2 or newer on both sides, asserted and tried."""

import socket
import ssl
import threading
import warnings
from contextlib import suppress

import pytest

from spikewire.runtime.net.tls import client_context, reload_certificate, server_context
from tests.support.certificates import write_certificate

OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]
NEW = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def files(tmp_path):
    return write_certificate(tmp_path, "server")


@pytest.fixture
def ours(files):
    """The contexts that are tested."""
    server = server_context(files["tls_cert"], files["tls_key"])
    return server, client_context(files["tls_cert"])


def speak_only(context, version):
    """Speak one version of TLS, with ciphers that old ones know, whatever the system prefers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
        context.minimum_version = version
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def handshake(server, client):
    """The version that both agree on; raises SSLError if they do not."""
    ends = socket.socketpair()
    for end in ends:
        end.settimeout(20)

    def serve():
        with suppress(OSError), server.wrap_socket(ends[0], server_side=True) as secure:
            secure.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ends[1], server_hostname="127.0.0.1") as secure:
            version = secure.version()
            secure.send(b"x")
        return version
    finally:
        for end in ends:
            end.close()
        thread.join()


def old_server(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["tls_cert"], files["tls_key"])
    return context


def test_the_oldest_version_is_1_2(ours, files):
    for context in ours:
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    server, client = ours
    reload_certificate(server, files["tls_cert"], files["tls_key"])
    assert server.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (client.verify_mode, client.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("version", NEW)
def test_new_versions_are_spoken(ours, files, version):
    server, client = ours
    wanted = version.name.replace("_", ".")
    peer = ssl.create_default_context(cafile=files["tls_cert"])
    assert handshake(server, speak_only(peer, version)) == wanted
    assert handshake(speak_only(old_server(files), version), client) == wanted


@pytest.mark.parametrize("version", OLD)
def test_old_versions_are_refused(ours, files, version):
    server, client = ours
    peer = speak_only(ssl.create_default_context(cafile=files["tls_cert"]), version)
    door = speak_only(old_server(files), version)
    try:
        assert handshake(door, peer) in ("TLSv1", "TLSv1.1")
    except ssl.SSLError:
        pytest.skip("this OpenSSL speaks no old TLS at all")
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    peer = speak_only(ssl.create_default_context(cafile=files["tls_cert"]), version)
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        handshake(server, peer)
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        handshake(speak_only(old_server(files), version), client)
