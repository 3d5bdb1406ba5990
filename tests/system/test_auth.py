"""Who may come in over HTTP: AWS's own clients, curl, Basic, ingest tokens, and what refuses them.

A file that only its owner may read (0600) is what nobody gets: whoever reads it has been let in."""

import base64
import datetime
import hashlib
import json
import os
import re
import signal
import subprocess

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest

from harness import http_connection, pattern, run, said, wait_until, write_file

REGION = "us-west-2"
BYTES = pattern(5, 100_000)


class Door:
    """A mounted store with one user and one file that nobody may read."""

    def __init__(self, store):
        self.store = store.mount(admin=True)
        self.file = f"{store.container('media')}/d/f=1.ts"
        os.mkdir(os.path.dirname(self.file))
        write_file(self.file, BYTES)
        os.chmod(self.file, 0o600)
        self.key = self.user("create", "ann")
        self.endpoint = f"http://{store.http}/media"

    def user(self, *arguments):
        return json.loads(self.store.cli("user", *arguments, "--store", self.store.dir, "--json").stdout)

    def token(self, *arguments):
        return json.loads(self.store.cli("token", *arguments, "--store", self.store.dir, "--json").stdout)

    def client(self, secret=None, region=REGION, token=None, endpoint=None, **config):
        return boto3.client("mediastore-data", endpoint_url=endpoint or self.endpoint, region_name=region,
                            aws_access_key_id=self.key["AccessKeyId"], aws_session_token=token,
                            aws_secret_access_key=secret or self.key["SecretAccessKey"],
                            config=botocore.config.Config(retries={"max_attempts": 0}, **config))

    def aws(self, *arguments, **env):
        return run("aws", "mediastore-data", "--endpoint-url", self.endpoint, *arguments, check=False,
                   env=dict(self.store.env, AWS_ACCESS_KEY_ID=self.key["AccessKeyId"],
                            AWS_SECRET_ACCESS_KEY=self.key["SecretAccessKey"], AWS_DEFAULT_REGION=REGION,
                            AWS_PAGER="", AWS_EC2_METADATA_DISABLED="true", **env))

    def curl(self, *arguments, target="/media/d/f=1.ts"):
        """(status, body)"""
        done = run("curl", "-sS", "-w", "\n%{http_code}", *arguments, f"http://{self.store.http}{target}")
        body, _, status = done.stdout.rpartition(b"\n")
        return int(status), body

    def sign(self, method, target, moment=None, headers=(), body=b""):
        """The headers of a request signed at a moment of our choice, by botocore's signer."""
        stamp = (moment or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y%m%dT%H%M%SZ")
        request = botocore.awsrequest.AWSRequest(method, f"http://{self.store.http}{target}",
                                                 headers=dict(headers), data=body)
        signer = botocore.auth.SigV4Auth(
            botocore.credentials.Credentials(self.key["AccessKeyId"], self.key["SecretAccessKey"]),
            "mediastore", REGION)
        request.context["timestamp"] = stamp
        request.headers["X-Amz-Date"] = stamp
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
        return dict(request.headers.items())

    def metric(self, name):
        body = self.store.request("GET", "/metrics", http=self.store.admin)[2].decode()
        return float(re.search(rf"^{name} (\S+)$", body, re.M)[1])


@pytest.fixture(scope="module")
def door(module_scratch):
    from harness import Store
    store = Store(module_scratch)
    try:
        yield Door(store)
    finally:
        store.close()


def refused(call, *codes):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] in codes, caught.value
    assert "date" in {name.lower() for name in caught.value.response["ResponseMetadata"]["HTTPHeaders"]}
    return caught.value


# AWS's clients

def test_nobody_gets_the_file(door):
    assert door.store.get(door.file)[0] == 403


@pytest.mark.parametrize("path", ["d/f=1.ts", "/d/f=1.ts", "//d//f=1.ts"])
def test_boto3_reads(door, path):
    answer = door.client().get_object(Path=path)
    assert answer["Body"].read() == BYTES and answer["StatusCode"] == 200
    assert door.client().describe_object(Path=path)["ContentLength"] == len(BYTES)
    part = door.client().get_object(Path=path, Range="bytes=5-9")
    assert part["StatusCode"] == 206 and part["Body"].read() == BYTES[5:10]


def test_the_aws_command_line_reads(door, scratch):
    out = f"{scratch}/out"
    done = door.aws("get-object", "--path", "/d/f=1.ts", out)
    assert done.returncode == 0, said(done)
    assert open(out, "rb").read() == BYTES
    done = door.aws("describe-object", "--path", "d/f=1.ts")
    assert json.loads(done.stdout)["ContentLength"] == str(len(BYTES)) or \
        json.loads(done.stdout)["ContentLength"] == len(BYTES)
    done = door.aws("describe-object", "--path", "no/such")
    assert done.returncode != 0 and "ObjectNotFoundException" in said(done)
    done = door.aws("get-object", "--path", "d/f=1.ts", out, AWS_SESSION_TOKEN="bogus")
    assert done.returncode != 0 and "UnrecognizedClientException" in said(done)


def test_a_wrong_secret_region_or_token_is_refused(door):
    refused(lambda: door.client(secret="x" * 40).get_object(Path="d/f=1.ts"), "InvalidSignatureException")
    refused(lambda: door.client(region="eu-west-1").get_object(Path="d/f=1.ts"), "InvalidSignatureException")
    refused(lambda: door.client(token="bogus").get_object(Path="d/f=1.ts"), "UnrecognizedClientException")


def test_an_unknown_key_is_refused(door):
    client = boto3.client("mediastore-data", endpoint_url=door.endpoint, region_name=REGION,
                          aws_access_key_id="RFAKNOBODY", aws_secret_access_key="x")
    refused(lambda: client.get_object(Path="d/f=1.ts"), "UnrecognizedClientException")


@pytest.mark.parametrize("minutes, fine", [(-20, False), (-14, True), (14, True), (20, False)])
def test_a_clock_may_be_a_quarter_of_an_hour_off(door, minutes, fine):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    target = "/media/d/f%3D1.ts"
    status, headers, _ = door.store.request("GET", target, door.sign("GET", target, moment))
    assert status == (200 if fine else 400)
    assert fine or headers["x-amzn-errortype"] == "RequestExpired"


def test_what_was_signed_cannot_be_changed(door):
    target = "/media/d/f%3D1.ts"
    signed = door.sign("GET", target, headers={"Range": "bytes=0-9"})
    assert door.store.request("GET", target, signed)[0] == 206
    for method, where, change in (("HEAD", target, {}), ("GET", target, {"Range": "bytes=0-99"}),
                                  ("GET", target + "?a=b", {}), ("GET", "/media/d/f%3D2.ts", {})):
        status, headers, _ = door.store.request(method, where, dict(signed, **change))
        assert status == 403 and headers["x-amzn-errortype"] == "InvalidSignatureException", where
    # What was not signed may be added on the way, and the same request may be sent again.
    assert door.store.request("GET", target, dict(signed, Via="1.1 proxy"))[0] == 206


def test_a_presigned_url(door):
    url = door.client().generate_presigned_url("get_object", Params={"Path": "/d/f=1.ts"}, ExpiresIn=60)
    assert run("curl", "-sS", "-f", url).stdout == BYTES
    for wrong in (url.replace("d/f", "d/g"), url[:-1] + ("0" if url[-1] != "0" else "1"),
                  url.replace("Expires=60", "Expires=61")):
        done = run("curl", "-sS", "-w", "%{http_code}", "-o", "/dev/null", wrong)
        assert done.stdout == b"403", wrong
    assert door.store.request("GET", url.split(door.store.http)[1], {"Authorization": "Basic YTpi"})[0] == 400


def test_a_presigned_url_that_has_expired(door):
    url = door.client().generate_presigned_url("get_object", Params={"Path": "d/f=1.ts"}, ExpiresIn=1)
    target = url.split(door.store.http)[1]

    def expired():
        return door.store.request("GET", target)[0] == 400
    wait_until(expired, 10, "the URL has expired")
    assert door.store.request("GET", target)[1]["x-amzn-errortype"] == "RequestExpired"


def test_boto3_and_the_command_line_write(door, scratch):
    client, path = door.client(), f"{door.store.path}/media/up/k=v/a:1.ts"
    made = client.put_object(Path="/up/k=v/a:1.ts", Body=b"first", ContentType="video/mp2t", CacheControl="max-age=6")
    assert made["ContentSHA256"] == hashlib.sha256(b"first").hexdigest()
    assert open(path, "rb").read() == b"first"
    got = client.get_object(Path="up/k=v/a:1.ts")
    assert (got["ContentType"], got["CacheControl"], got["ETag"]) == ("video/mp2t", "max-age=6", made["ETag"])
    listed = client.list_items(Path="/up/k=v", MaxResults=5)["Items"]
    assert [item["Name"] for item in listed] == ["a:1.ts"]
    source = f"{scratch}/source"
    write_file(source, b"second")
    done = door.aws("put-object", "--body", source, "--path", "/up/k=v/a:1.ts")
    assert done.returncode == 0, said(done)
    assert open(path, "rb").read() == b"second"
    # A wrong secret changes nothing.
    refused(lambda: door.client(secret="x" * 40).put_object(Path="up/k=v/a:1.ts", Body=b"third"),
            "InvalidSignatureException")
    assert open(path, "rb").read() == b"second"
    client.delete_object(Path="up/k=v/a:1.ts")
    assert not os.path.exists(f"{door.store.path}/media/up")


def put(door, target, headers, body):
    connection = http_connection(door.store.http)
    try:
        connection.request("PUT", target, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("x-amzn-errortype")
    finally:
        connection.close()


def test_a_body_that_was_not_signed_is_never_seen(door):
    target, path = "/media/d/signed.ts", f"{door.store.path}/media/d/signed.ts"
    hashed = {"x-amz-content-sha256": hashlib.sha256(b"right").hexdigest(), "x-amz-upload-availability": "STREAMING"}
    assert put(door, target, door.sign("PUT", target, headers=hashed), b"wrong") == (403, "InvalidSignatureException")
    assert not os.path.exists(path)
    assert put(door, target, door.sign("PUT", target, headers=hashed), b"right")[0] == 200
    # The hash may also be signed without being sent.
    assert put(door, target, door.sign("PUT", target, body=b"newer"), b"older") == (403, "InvalidSignatureException")
    assert open(path, "rb").read() == b"right"
    assert put(door, target, door.sign("PUT", target, body=b"newer"), b"newer")[0] == 200
    assert open(path, "rb").read() == b"newer"
    assert put(door, target, door.sign("PUT", target, headers={
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}), b"x") == (400, "ValidationException")


def test_a_presigned_put(door):
    url = door.client().generate_presigned_url(
        "put_object", Params={"Path": "d/presigned.ts", "Body": b"", "ContentType": "video/mp2t"}, ExpiresIn=60)
    target = url.split(door.store.http)[1]
    assert put(door, target, {"Content-Type": "text/html"}, b"body")[0] == 403
    assert not os.path.exists(f"{door.store.path}/media/d/presigned.ts")
    assert put(door, target, {"Content-Type": "video/mp2t"}, b"body")[0] == 200
    assert open(f"{door.store.path}/media/d/presigned.ts", "rb").read() == b"body"


# curl and encoders

def test_curl_signs(door):
    key = f"{door.key['AccessKeyId']}:{door.key['SecretAccessKey']}"
    signing = ("--aws-sigv4", f"aws:amz:{REGION}:mediastore", "--user", key)
    assert door.curl(*signing) == (200, BYTES)
    assert door.curl(*signing[:-1], key + "x")[0] == 403
    # Without the hash header, curl -T signs an empty body and sends another: never stored.
    source = f"{door.store.base}/upload"
    write_file(source, b"hello")
    status, body = door.curl(*signing, "-T", source, target="/media/d/new.ts")
    assert (status, json.loads(body)["Message"].split(";")[0]) == \
        (403, "the signature is over an empty body, and a body follows")
    assert not os.path.exists(f"{door.store.path}/media/d/new.ts")


def test_basic(door):
    key = f"{door.key['AccessKeyId']}:{door.key['SecretAccessKey']}"
    assert door.curl("-u", key) == (200, BYTES)
    for wrong in (key + "x", f"nobody:{door.key['SecretAccessKey']}", f"{door.key['AccessKeyId']}:"):
        assert door.curl("-u", wrong)[0] == 401


def test_a_token_is_good_for_what_it_says(door):
    made = door.token("create", "--container", "media", "--prefix", "/d/", "--actions", "get", "--expires", "1h")
    other = f"{door.store.path}/media/other.ts"
    write_file(other, b"other")
    os.chmod(other, 0o600)
    bearer = ("-H", f"Authorization: Bearer {made['Token']}")
    assert door.curl(*bearer) == (200, BYTES)
    assert door.curl(*bearer, target="/media/other.ts")[0] == 403
    assert door.curl(*bearer, target="/nosuch/d/f=1.ts")[0] == 403
    assert door.curl(*bearer, "-I")[0] == 403, "HEAD is an action of its own"
    assert put(door, "/media/d/new.ts", {"Authorization": f"Bearer {made['Token']}"}, b"x")[0] == 403
    # A link within the prefix does not lead out of it.
    os.symlink("../other.ts", f"{door.store.path}/media/d/link.ts")
    assert door.curl(*bearer, target="/media/d/link.ts")[0] == 403
    listed = [one for one in door.token("list") if one["Id"] == made["Id"]]
    assert len(listed) == 1 and listed[0]["Actions"] == "get" and listed[0]["Prefix"] == "d"
    assert "Token" not in listed[0]
    door.token("revoke", made["Id"])
    assert door.curl(*bearer)[0] == 401


def test_an_ingest_token(door):
    made = door.token("create", "--container", "media", "--prefix", "live", "--actions", "put,delete", "--expires",
                      "never")
    bearer = {"Authorization": f"Bearer {made['Token']}"}
    assert put(door, "/media/live/a.ts", bearer, b"segment")[0] == 200
    assert put(door, "/media/live2/a.ts", bearer, b"segment")[0] == 403
    assert put(door, "/media/d/f%3D1.ts", bearer, b"segment")[0] == 403
    assert door.store.request("DELETE", "/media/d/f%3D1.ts", bearer)[0] == 403
    assert door.store.request("GET", "/media", bearer)[0] == 403
    assert door.store.request("DELETE", "/media/live/a.ts", bearer)[0] == 200
    assert open(door.file, "rb").read() == BYTES


def test_a_token_ends(door):
    made = door.token("create", "--container", "media", "--actions", "get,head", "--expires", "1s")
    bearer = {"Authorization": f"Bearer {made['Token']}"}
    wait_until(lambda: door.store.request("GET", "/media/d/f%3D1.ts", bearer)[0] == 401, 10, "the token has ended")


def test_an_anonymous_put_is_asked_for_a_password(door):
    """It may be on its way to say who it is; when nothing follows, it was refused, and the log says so."""
    before = door.metric("reelfs_http_refused_ingests_total")
    asked = door.metric("reelfs_http_ingest_challenges_total")
    status, headers, body = door.store.request("PUT", "/media/d/x.ts", {"Content-Length": "0"})
    assert status == 401 and headers["www-authenticate"].startswith("Basic realm=")
    assert json.loads(body)["Message"]
    assert door.metric("reelfs_http_ingest_challenges_total") == asked + 1
    wait_until(lambda: door.metric("reelfs_http_refused_ingests_total") == before + 1, 30, "it counts as refused")
    wait_until(lambda: "a PUT was refused: 401" in door.store.log_tail(), 10, "a warning in the log")
    assert "x.ts" not in door.store.log_tail(), "names stay out of the log"


def test_ffmpeg_answers_the_challenge(door):
    """It asks first without, and comes back with the name and the password of its URL."""
    url = f"http://{door.key['AccessKeyId']}:{{}}@{door.store.http}/media/d/live.ts"

    def counted():
        return tuple(door.metric(f"reelfs_http_{name}_total") for name in ("ingest_challenges", "refused_ingests"))

    def refusals(secret):
        before = counted()
        run("ffmpeg", "-hide_banner", "-f", "lavfi", "-i", "testsrc=d=0.2:s=64x64", "-f", "mpegts", "-method", "PUT",
            url.format(secret), check=False)
        return tuple(now - then for now, then in zip(counted(), before))
    assert refusals(door.key["SecretAccessKey"]) == (1, 0), "asked once, then let in"
    live = f"{door.store.path}/media/d/live.ts"
    wait_until(lambda: os.path.exists(live), 30, "it is there")   # ffmpeg ends without waiting for the answer
    assert os.stat(live).st_size > 1000
    os.unlink(live)
    before = counted()
    assert refusals("wrong")[0] >= 1, "asked"
    wait_until(lambda: counted()[1] > before[1], 30, "then refused")
    assert not os.path.exists(live)


# Users

def test_a_disabled_user_is_out_at_once(door):
    ann, door.key = door.key, door.user("create", "bob")
    try:
        client = door.client()
        assert client.describe_object(Path="d/f=1.ts")["ContentLength"] == len(BYTES)
        assert door.user("disable", "bob")["Status"] == "Disabled"
        refused(lambda: client.get_object(Path="d/f=1.ts"), "UnrecognizedClientException")
        assert door.user("enable", "bob")["Status"] == "Enabled"
        assert client.get_object(Path="d/f=1.ts")["StatusCode"] == 200
        door.key = door.user("rotate", "bob")
        refused(lambda: client.get_object(Path="d/f=1.ts"), "UnrecognizedClientException")
        assert door.client().get_object(Path="d/f=1.ts")["StatusCode"] == 200
        door.user("delete", "bob")
        refused(lambda: door.client().get_object(Path="d/f=1.ts"), "UnrecognizedClientException")
        assert [user["UserName"] for user in door.user("list")] == ["ann"]
    finally:
        door.key = ann


def test_users_without_a_daemon_and_what_the_disk_shows(make_store):
    store = make_store()

    def user(*arguments, **options):
        return store.cli("user", *arguments, "--store", store.dir, "--key-file", store.key, **options)
    made = json.loads(user("create", "ann", "--json").stdout)
    assert re.fullmatch(r"[A-Z0-9]{20}", made["AccessKeyId"])
    assert re.fullmatch(r"[A-Za-z0-9]{40}", made["SecretAccessKey"])
    assert user("create", "ann", check=False).returncode != 0
    assert "SecretAccessKey" not in said(user("list", "--json"))
    looked_at = 0
    for folder, _, names in os.walk(store.dir):
        for name in names:
            with open(f"{folder}/{name}", "rb") as file:
                data = file.read()
            looked_at += len(data)
            for secret in (made["SecretAccessKey"], made["AccessKeyId"]):
                assert secret.encode() not in data, f"{folder}/{name}"
    assert looked_at > 10_000
    store.mount()
    path = f"{store.container()}/a"
    write_file(path, b"a")
    os.chmod(path, 0o600)
    word = base64.b64encode(f"{made['AccessKeyId']}:{made['SecretAccessKey']}".encode()).decode()
    assert store.get(path, {"Authorization": f"Basic {word}"})[2] == b"a"
    assert made["SecretAccessKey"] not in store.log_tail()


def test_secrets_are_not_taken_in_the_clear_from_elsewhere(make_store):
    """Off loopback: signed requests pass, passwords and nobody do not."""
    address = next((text.split("/")[0] for text in said(run("ip", "-o", "-4", "addr", "show", "scope", "global"))
                    .split() if re.fullmatch(r"[0-9.]+/\d+", text)), None)
    assert address, "this machine has an address besides loopback"
    store = make_store()
    store.mount("--http", f"{address}:0", http=False)
    wait_until(lambda: store.take_addresses() or store.http, 10, "an address")
    path = f"{store.container()}/a"
    write_file(path, b"a")
    made = json.loads(store.cli("user", "create", "ann", "--store", store.dir, "--json").stdout)
    word = base64.b64encode(f"{made['AccessKeyId']}:{made['SecretAccessKey']}".encode()).decode()
    assert store.get(path)[0] == 403
    assert store.get(path, {"Authorization": f"Basic {word}"})[0] == 403
    status, headers, _ = store.request("PUT", "/media/b", {"Content-Length": "0"})
    assert status == 403 and "www-authenticate" not in headers
    client = boto3.client("mediastore-data", endpoint_url=f"http://{store.http}/media", region_name=REGION,
                          aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
    assert client.get_object(Path="a")["Body"].read() == b"a"


# TLS

def s_client(address, *options, send=b""):
    """What openssl says of a connection."""
    return said(run("openssl", "s_client", "-connect", address, "-servername", "localhost", *options, input=send,
                    stdin=None, check=False, timeout=30))


def served_certificate(address):
    text = s_client(address)
    found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S)
    assert found, text
    return found[0].strip()


def make_certificate(folder, name, key=None):
    """A certificate of openssl's making: (certificate, key)."""
    key = key or f"{folder}/{name}.key"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key,
        "-out", f"{folder}/{name}.pem")
    return f"{folder}/{name}.pem", key


class SecureDoor:
    def __init__(self, store, *arguments):
        self.store = store.mount("--https", "127.0.0.1:0", *arguments)
        self.https = store.status()["https"]
        self.file = f"{store.container('media')}/a.ts"
        write_file(self.file, BYTES)
        os.chmod(self.file, 0o600)
        self.key = json.loads(store.cli("user", "create", "ann", "--store", store.dir, "--json").stdout)
        self.word = f"{self.key['AccessKeyId']}:{self.key['SecretAccessKey']}"
        self.url = f"https://{self.https}/media/a.ts"


@pytest.fixture
def secure(make_store, scratch):
    certificate, key = make_certificate(scratch, "first")
    door = SecureDoor(make_store(), "--tls-certificate", certificate, "--tls-key", key)
    door.certificate, door.tls_key = certificate, key
    return door


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_versions(secure, version):
    text = s_client(secure.https, f"-tls{version.replace('.', '_')}", "-alpn", "h2,http/1.1",
                    send=b"GET /~reelfs/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert f"TLSv{version}" in text and "ALPN protocol: http/1.1" in text, text
    done = run("curl", "-sS", "--cacert", secure.certificate, "-u", secure.word, f"--tlsv{version}", "--tls-max",
               version, secure.url)
    assert done.stdout == BYTES


def test_older_tls_and_other_protocols_are_refused(secure):
    assert "Cipher is (NONE)" in s_client(secure.https, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert "no application protocol" in s_client(secure.https, "-alpn", "h2")
    plain = run("curl", "-sS", f"http://{secure.https}/~reelfs/health", check=False)
    assert plain.returncode != 0


def test_clients_over_tls(secure):
    """Basic, Bearer, signatures, many requests on a connection, a large body, a slow reader."""
    client = boto3.client("mediastore-data", endpoint_url=f"https://{secure.https}/media", region_name=REGION,
                          verify=secure.certificate, aws_access_key_id=secure.key["AccessKeyId"],
                          aws_secret_access_key=secure.key["SecretAccessKey"])
    for _ in range(3):
        assert client.get_object(Path="a.ts")["Body"].read() == BYTES
    store = secure.store
    token = json.loads(store.cli("token", "create", "--store", store.dir, "--container", "media", "--actions", "get",
                                 "--expires", "1h", "--json").stdout)["Token"]
    curl = ("curl", "-sS", "--cacert", secure.certificate)
    assert run(*curl, "-H", f"Authorization: Bearer {token}", secure.url).stdout == BYTES
    large = pattern(9, 20_000_000)
    path = f"{store.container('media')}/large.ts"
    write_file(path, large)
    os.chmod(path, 0o600)
    url = f"https://{secure.https}/media/large.ts"
    assert run(*curl, "-u", secure.word, url).stdout == large
    assert run(*curl, "-u", secure.word, "--limit-rate", "20M", "-r", "7-15000000", url).stdout == large[7:15_000_001]
    source = f"{store.base}/source"
    write_file(source, large)
    assert b"ContentSHA256" in run(*curl, "-u", secure.word, "-T", source, url + ".new").stdout
    assert open(f"{path}.new", "rb").read() == large
    twice = run(*curl, "-v", "-u", secure.word, secure.url, secure.url)
    assert twice.stdout == BYTES * 2 and b"Re-using existing connection" in twice.stderr


def test_a_growing_file_over_tls(secure):
    path = f"{secure.store.container('media')}/live.ts"
    with open(path, "wb", buffering=0) as live:
        os.chmod(path, 0o644)
        live.write(BYTES)
        reader = subprocess.Popen(["curl", "-sSN", "--cacert", secure.certificate,
                                   f"https://{secure.https}/media/live.ts"], stdout=subprocess.PIPE)
        try:
            assert reader.stdout.read(len(BYTES)) == BYTES
            live.write(b"more")
            assert reader.stdout.read(4) == b"more"
        except BaseException:
            reader.kill()
            raise
    assert reader.stdout.read() == b"" and reader.wait(30) == 0


def test_sighup_reloads_the_certificate(secure, scratch):
    first = served_certificate(secure.https)
    assert first in open(secure.certificate).read()
    second, key = make_certificate(scratch, "second")
    os.replace(key, secure.tls_key)
    os.replace(second, secure.certificate)
    os.kill(secure.store.pid, signal.SIGHUP)
    wait_until(lambda: served_certificate(secure.https) != first, 10, "the new certificate is served")
    # A bad one changes nothing, and is said.
    write_file(secure.certificate, b"no certificate")
    os.kill(secure.store.pid, signal.SIGHUP)
    wait_until(lambda: "the former certificate stays in use" in secure.store.log_tail(), 10, "an error in the log")
    assert served_certificate(secure.https) != first


def test_self_signed_on_request(make_store):
    store = make_store()
    certificate, key = f"{store.base}/tls/c.pem", f"{store.base}/tls/c.key"
    files = ("--tls-self-signed", "--tls-certificate", certificate, "--tls-key", key)
    door = SecureDoor(store, *files)
    assert os.stat(key).st_mode & 0o777 == 0o600
    assert run("curl", "-sS", "--cacert", certificate, "-u", door.word, door.url).stdout == BYTES
    assert run("curl", "-sS", door.url, check=False).returncode == 60
    first = served_certificate(door.https)
    store.umount()
    store.mount("--https", "127.0.0.1:0", *files)
    assert served_certificate(store.status()["https"]) == first, "made once"


def test_https_needs_a_certificate(make_store, scratch):
    store = make_store()
    certificate, _ = make_certificate(scratch, "one")
    _, key = make_certificate(scratch, "two")
    for files in ((), ("--tls-certificate", certificate), ("--tls-certificate", certificate, "--tls-key", key),
                  ("--tls-certificate", certificate, "--tls-key", "/no/such")):
        done = store.cli("mount", store.dir, store.path, "--foreground", "--key-file", store.key, "--https",
                         "127.0.0.1:0", *files, check=False)
        assert done.returncode != 0 and ("certificate" in said(done) or "tls" in said(done)), said(done)
