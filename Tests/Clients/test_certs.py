"""Certificates that the command makes, judged by another TLS implementation (OpenSSL, through Python's ssl)."""

import base64
import json
import ssl
import stat
import subprocess

import pytest

from processes import binary


def certs(*arguments, code=0):
    done = subprocess.run([binary(), "certs", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def shake_hands(authority, server, client, name):
    """A mutual handshake in memory; raises what TLS raises."""
    def context(purpose, own):
        context = ssl.create_default_context(purpose, cafile=authority / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(own[0], own[1])
        return context

    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        context(ssl.Purpose.CLIENT_AUTH, server).wrap_bio(to_server, to_client, server_side=True),
        context(ssl.Purpose.SERVER_AUTH, client).wrap_bio(to_client, to_server, server_hostname=name)]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not ends


def pair(directory, node):
    return directory / f"node-{node}.pem", directory / f"node-{node}.key"


def test_nodes_of_one_authority_trust_each_other_and_no_others(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for directory in (ours, theirs):
        certs("init", "--directory", directory, "--name", directory.name)
        certs("issue", "--directory", directory, "--node", "n1", "--host", "node1.example")
        certs("issue", "--directory", directory, "--node", "Big_Node", "--days", "3")
    n1, n2 = pair(ours, "n1"), pair(ours, "Big_Node")
    for name in ("n1.node.tidegate", "node1.example"):
        shake_hands(ours, n1, n2, name)
    shake_hands(ours, n2, n1, "Big_Node".encode().hex() + ".hex.node.tidegate")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(ours, n1, n2, "n2.node.tidegate")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(ours, n1, pair(theirs, "n1"), "n1.node.tidegate")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(ours, pair(theirs, "n1"), n1, "n1.node.tidegate")


def test_files_are_secret_and_kept_unless_forced(tmp_path):
    directory = tmp_path / "certs"
    made = json.loads(certs("init", "--directory", directory, "--json").stdout)
    assert made["name"] == "tidegate" and len(made["files"]) == 3
    issued = json.loads(certs("issue", "--directory", directory, "--node", "n1", "--json").stdout)
    assert made["validUntil"] > issued["validUntil"]
    for secret in ("ca.key", "gossip.keys", "node-n1.key"):
        assert stat.S_IMODE((directory / secret).stat().st_mode) == 0o600, secret
    lines = [line for line in (directory / "gossip.keys").read_text().splitlines() if not line.startswith("#")]
    assert [len(base64.b64decode(line)) for line in lines] == [32]
    before = (directory / "node-n1.key").read_text()
    done = certs("issue", "--directory", directory, "--node", "n1", code=78)
    assert "--force" in done.stderr and (directory / "node-n1.key").read_text() == before
    assert "--force" in certs("init", "--directory", directory, code=78).stderr
    certs("issue", "--directory", directory, "--node", "n1", "--force")
    assert (directory / "node-n1.key").read_text() != before


def test_mistakes_are_named(tmp_path):
    assert "certs init" in certs("issue", "--directory", tmp_path, "--node", "n1", code=78).stderr
    certs("init", "--directory", tmp_path / "d")
    assert "letters" in certs("issue", "--directory", tmp_path / "d", "--node", "a/b", code=1).stderr
    assert "--days" in certs("issue", "--directory", tmp_path / "d", "--node", "n1", "--days", "0", code=1).stderr
    assert "authority" in certs("issue", "--directory", tmp_path / "d", "--node", "n1", "--days", "9999", code=1).stderr
    assert "init" in certs("--help").stdout
