"""The appliance's key: other people's tools read what it writes, it stays where it was made, and no kill leaves half of one."""

from __future__ import annotations

import base64
import errno
import os
import subprocess
from pathlib import Path
from random import Random

import pytest

from appliance.disk import RealDisk
from appliance.signing import (
    KEY,
    NAMESPACE,
    PRINCIPAL,
    PUBLIC_KEYS,
    KeyFileError,
    SignatureError,
    SigningKey,
    is_fingerprint,
    keys_in,
    load,
    load_or_make,
    make_new,
    own_keys,
    signer_of,
    timestamp_request,
)
from tests.disks import SimulatedDisk, failing, luck

MANIFEST = b"0" * 64 + b"  bagit.txt\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def key(state: Path) -> SigningKey:
    return load_or_make(RealDisk(), state)


def ssh_keygen(*words: str | Path, message: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ssh-keygen", *words], input=message, capture_output=True, check=False)


def openssl(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)


def verified_by_ssh(folder: Path, allowed: bytes, signature: bytes, message: bytes) -> subprocess.CompletedProcess[bytes]:
    (folder / "allowed_signers").write_bytes(allowed)
    (folder / "signature").write_bytes(signature)
    words = ("-Y", "verify", "-f", folder / "allowed_signers", "-I", PRINCIPAL, "-n", NAMESPACE, "-s", folder / "signature")
    return ssh_keygen(*words, message=message)


# ── what other people's tools say


def test_ssh_keygen_finds_the_signature_good_and_names_the_same_fingerprint(key: SigningKey, tmp_path: Path) -> None:
    said = verified_by_ssh(tmp_path, key.allowed_signers, key.signature(MANIFEST), MANIFEST)
    assert said.returncode == 0, said.stderr
    assert said.stdout.decode() == (f'Good "{NAMESPACE}" signature for {PRINCIPAL} with ED25519 key {key.public.fingerprint}\n')
    assert verified_by_ssh(tmp_path, key.allowed_signers, key.signature(MANIFEST), MANIFEST + b"x").returncode != 0


def test_ssh_keygen_makes_the_very_same_signature_with_this_key(key: SigningKey, state: Path) -> None:
    theirs = ssh_keygen("-Y", "sign", "-f", state / KEY, "-n", NAMESPACE, message=MANIFEST)
    assert theirs.returncode == 0, theirs.stderr
    assert theirs.stdout == key.signature(MANIFEST)
    assert signer_of(theirs.stdout, MANIFEST) == key.public


def test_ssh_keygen_prints_the_fingerprint_of_the_list_and_of_the_key(key: SigningKey, state: Path) -> None:
    for file in (PUBLIC_KEYS, KEY):
        said = ssh_keygen("-l", "-f", state / file)
        assert key.public.fingerprint in said.stdout.decode().split(), said.stderr


def test_openssl_reads_the_time_stamp_request(key: SigningKey, tmp_path: Path) -> None:
    request = tmp_path / "request.tsq"
    request.write_bytes(key.signs(MANIFEST)[".tsq"])
    said = openssl("ts", "-query", "-in", request, "-text")
    assert "Version: 1" in said.stdout
    assert "Hash Algorithm: sha256" in said.stdout
    assert "Certificate required: yes" in said.stdout


def test_openssl_would_ask_in_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(MANIFEST)
    theirs = tmp_path / "theirs.tsq"
    openssl("ts", "-query", "-data", tmp_path / "message", "-sha256", "-no_nonce", "-cert", "-out", theirs)
    assert theirs.read_bytes() == timestamp_request(MANIFEST)


def test_a_time_stamp_authority_stamps_it_and_openssl_verifies_the_stamp(tmp_path: Path) -> None:
    """The whole way, with an authority of our own, as either party may go it with any other."""
    authority = tmp_path / "authority"
    authority.mkdir()
    (authority / "serial").write_text("01\n")
    (authority / "conf").write_text(
        "[req]\ndistinguished_name=dn\n[dn]\n[ext]\nextendedKeyUsage=critical,timeStamping\n"
        f"[tsa]\nserial={authority}/serial\ndefault_policy=1.2.3.4\ndigests=sha256\nsigner_digest=sha256\nsigner_cert={authority}/cert\n"
    )
    key, certificate = authority / "key", authority / "cert"
    new = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=stamps")
    openssl("req", *new, "-config", authority / "conf", "-extensions", "ext", "-keyout", key, "-out", certificate)
    request, stamp, manifest = tmp_path / "request.tsq", tmp_path / "stamp.tsr", tmp_path / "manifest"
    request.write_bytes(timestamp_request(MANIFEST))
    asked = ("-queryfile", request, "-config", authority / "conf", "-section", "tsa")
    openssl("ts", "-reply", *asked, "-inkey", key, "-signer", certificate, "-out", stamp)
    manifest.write_bytes(MANIFEST)
    for against in (("-queryfile", request), ("-data", manifest)):
        said = openssl("ts", "-verify", "-in", stamp, "-CAfile", certificate, *against)
        assert said.returncode == 0, said.stdout + said.stderr
    manifest.write_bytes(MANIFEST + b"x")
    assert openssl("ts", "-verify", "-in", stamp, "-CAfile", certificate, "-data", manifest).returncode != 0


# ── whose signature it is


def test_the_same_message_is_signed_in_the_same_bytes(key: SigningKey, state: Path) -> None:
    again = load(state)
    assert again is not None
    assert again.signs(MANIFEST) == key.signs(MANIFEST)


def test_one_bit_flipped_anywhere_in_a_signature_is_found(key: SigningKey) -> None:
    whole = key.signature(MANIFEST)
    for at in range(len(whole)):
        flipped = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
        with pytest.raises(SignatureError):
            signer_of(flipped, MANIFEST)


@pytest.mark.parametrize("nonsense", [b"", b"\xff", b"-----BEGIN SSH SIGNATURE-----\n", b"a\nU1NIU0lH\nb\n", b"x\n" * 9])
def test_nonsense_is_no_signature(nonsense: bytes) -> None:
    with pytest.raises(SignatureError):
        signer_of(nonsense, MANIFEST)


def test_a_signature_for_another_purpose_is_none_of_ours(key: SigningKey, state: Path) -> None:
    elsewhere = ssh_keygen("-Y", "sign", "-f", state / KEY, "-n", "file", message=MANIFEST)
    assert elsewhere.returncode == 0
    with pytest.raises(SignatureError):
        signer_of(elsewhere.stdout, MANIFEST)


def test_a_fingerprint_is_known_by_its_form(key: SigningKey) -> None:
    assert is_fingerprint(key.public.fingerprint)
    for other in ("", "SHA256:", "MD5:00", key.public.fingerprint[:-1], key.public.fingerprint.lower(), "SHA256:" + "é" * 43):
        assert not is_fingerprint(other), other


def test_only_our_own_lines_of_a_list_are_read(key: SigningKey) -> None:
    line = key.public.allowed_signer
    other = f"somebody {line.split(maxsplit=1)[1]}"
    rubbish = f"{PRINCIPAL} ssh-ed25519 AAAA\n{PRINCIPAL} ssh-ed25519\n# {line}\n\n{PRINCIPAL} ssh-ed25519 %%%\n"
    assert keys_in((other + rubbish).encode() + b"\xff\n") == ()
    assert keys_in((rubbish + line + line).encode()) == (key.public,)


# ── the key's file


def test_the_key_is_for_the_service_alone(key: SigningKey, state: Path) -> None:
    assert (state / KEY).stat().st_mode & 0o777 == 0o600
    assert (state / PUBLIC_KEYS).stat().st_mode & 0o777 == 0o644
    assert key.public.raw not in (state / PUBLIC_KEYS).read_bytes()
    assert b"PRIVATE" not in (state / PUBLIC_KEYS).read_bytes()


def test_what_root_makes_belongs_to_the_service(state: Path) -> None:
    os.chown(state, 1234, 1234)
    make_new(RealDisk(), state)
    for file in (KEY, PUBLIC_KEYS):
        assert ((state / file).stat().st_uid, (state / file).stat().st_gid) == (1234, 1234)


def test_a_key_that_others_could_read_is_closed_again(key: SigningKey, state: Path) -> None:
    (state / KEY).chmod(0o644)
    assert load_or_make(RealDisk(), state).public == key.public
    assert (state / KEY).stat().st_mode & 0o777 == 0o600


def test_a_second_start_finds_the_same_key(key: SigningKey, state: Path) -> None:
    before = {path.name: path.read_bytes() for path in state.iterdir()}
    assert load_or_make(RealDisk(), state).public == key.public
    assert {path.name: path.read_bytes() for path in state.iterdir()} == before


def test_a_new_key_is_another_one_and_the_old_one_stays_known(key: SigningKey, state: Path) -> None:
    new = make_new(RealDisk(), state)
    assert new.public != key.public
    assert own_keys(state) == (key.public, new.public)
    assert load_or_make(RealDisk(), state).public == new.public


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 400, b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"]
)
def test_a_damaged_key_is_said_in_a_sentence_and_not_replaced_in_silence(content: bytes, state: Path) -> None:
    (state / KEY).write_bytes(content)
    with pytest.raises(KeyFileError, match="meeting-recorder key new"):
        load_or_make(RealDisk(), state)
    assert (state / KEY).read_bytes() == content
    assert load_or_make_after(state).public in own_keys(state)


def load_or_make_after(state: Path) -> SigningKey:
    make_new(RealDisk(), state)
    return load_or_make(RealDisk(), state)


def test_a_key_of_another_kind_or_with_a_passphrase_is_refused(state: Path) -> None:
    for words in (("-t", "ecdsa", "-N", ""), ("-t", "ed25519", "-N", "geheim")):
        (state / KEY).unlink(missing_ok=True)
        ssh_keygen("-q", *words, "-f", state / KEY)
        with pytest.raises(KeyFileError):
            load(state)


def test_where_there_is_no_appliance_there_are_no_keys(tmp_path: Path) -> None:
    assert own_keys(tmp_path / "nowhere") == ()


def test_killed_or_cut_off_at_any_instant_of_its_making_the_key_is_whole_or_absent(tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path / "disk")
    disk.root.mkdir()
    made = make_new(disk, disk.root)
    whole = 0
    for instant in range(len(disk.steps) + 1):
        for seed in range(3):
            left = tmp_path / f"{instant} {seed}"
            left.mkdir()
            disk.after_power_cut(instant, left, luck(seed))
            found = load(left)
            if found is not None:
                whole += 1
                assert found.public == made.public
                assert made.public in own_keys(left)
            assert load_or_make(RealDisk(), left).public in own_keys(left)
    assert whole >= 3


def test_a_disk_that_fails_leaves_the_old_key_in_force(key: SigningKey, state: Path, tmp_path: Path) -> None:
    steps = len(_made_on(SimulatedDisk(state)).steps)
    now = load_or_make(RealDisk(), state)
    for instant in range(steps - 1):  # the last one makes a name durable that is there already
        with pytest.raises(OSError, match="a fault"):
            make_new(SimulatedDisk(state, failing({instant}, errno.EIO)), state)
        assert load_or_make(RealDisk(), state).public == now.public


def _made_on(disk: SimulatedDisk) -> SimulatedDisk:
    make_new(disk, disk.root)
    return disk


def test_any_message_is_signed(key: SigningKey) -> None:
    luck_of_bytes = Random(3)  # noqa: S311 - no secret
    for length in (0, 1, 1 << 20):
        message = luck_of_bytes.randbytes(length)
        assert signer_of(key.signature(message), message) == key.public
    assert base64.b64encode(b"SSHSIG")[:6] == b"U1NIU0"
