"""Clients of MediaStore's data plane, unmodified, behind one small interface: the AWS command line of Debian's
package, boto3, the JavaScript SDK v3 of npm (one version, pinned with its dependencies in javascript/), and curl.

Each call returns a Reply: the operation's members, and the error's name where it failed."""

import base64
import io
import json
import os
import shutil
import subprocess
import tempfile

# Where Debian's botocore finds the CRT library it signs with it, and then takes no body it cannot rewind.
os.environ["BOTO_DISABLE_CRT"] = "true"

import boto3  # noqa: E402
import botocore.config  # noqa: E402
import botocore.exceptions  # noqa: E402

from harness import BIN, SOURCE, run, said  # noqa: E402

REGION = "us-west-2"
AWS = "/usr/bin/aws"   # Debian's, whatever else is on PATH


class Reply:
    def __init__(self, members=None, body=None, status=None, error=None, attempts=1):
        self.members, self.body, self.status, self.error = members or {}, body, status, error
        self.attempts = attempts

    def __getitem__(self, name):
        assert self.error is None, f"{self.error} ({self.status})"
        return self.members[name]

    def __repr__(self):
        return f"Reply({self.status}, {self.error}, {self.members})"


class Client:
    """What all have. `options` are Python's names of the members; a value of None leaves one out."""

    def __init__(self, endpoint, key, **config):
        self.endpoint, self.key, self.config = endpoint, key, config

    def put(self, path, body, **options):
        return self.call("PutObject", Path=path, Body=body, **options)

    def get(self, path, **options):
        return self.call("GetObject", Path=path, **options)

    def describe(self, path):
        return self.call("DescribeObject", Path=path)

    def delete(self, path):
        return self.call("DeleteObject", Path=path)

    def items(self, path=None, page=None):
        """All items of a folder, over as many pages as it takes."""
        raise NotImplementedError

    def close(self):
        pass


class Boto3(Client):
    def _client(self):
        config = botocore.config.Config(retries={"max_attempts": 0})
        return boto3.client("mediastore-data", endpoint_url=self.endpoint,
                            region_name=self.config.get("region", REGION), verify=self.config.get("ca"),
                            aws_access_key_id=self.key["AccessKeyId"],
                            aws_secret_access_key=self.key["SecretAccessKey"],
                            aws_session_token=self.config.get("token"), config=config)

    def call(self, operation, **options):
        name = {"PutObject": "put_object", "GetObject": "get_object", "DescribeObject": "describe_object",
                "DeleteObject": "delete_object", "ListItems": "list_items"}[operation]
        try:
            found = getattr(self._client(), name)(**{k: v for k, v in options.items() if v is not None})
        except botocore.exceptions.ClientError as error:
            return Reply(status=error.response["ResponseMetadata"]["HTTPStatusCode"],
                         error=error.response["Error"]["Code"])
        status = found.pop("ResponseMetadata")["HTTPStatusCode"]
        body = found.pop("Body").read() if "Body" in found else None
        return Reply(found, body, status)

    def put_stream(self, path, body, **options):
        """A body that cannot be rewound, so that its length is unknown: sent in chunks."""
        class Once(io.RawIOBase):
            def __init__(self):
                self.left = io.BytesIO(body)

            def readable(self):
                return True

            def read(self, size=-1):
                return self.left.read(size)
        return self.call("PutObject", Path=path, Body=Once(), **options)

    def items(self, path=None, page=None):
        pages = self._client().get_paginator("list_items").paginate(
            **({} if path is None else {"Path": path}), **({} if page is None else {"MaxResults": page}))
        return [item for one in pages for item in one["Items"]]

    def presigned(self, operation, expires, **options):
        return self._client().generate_presigned_url(operation, Params=options, ExpiresIn=expires)


class CommandLine(Client):
    """aws mediastore-data. Numbers it prints as text are made numbers again."""

    def __init__(self, endpoint, key, env, scratch, **config):
        super().__init__(endpoint, key, **config)
        self.env, self.scratch = env, scratch

    def run(self, *arguments, **env):
        ca = ("--ca-bundle", self.config["ca"]) if self.config.get("ca") else ()
        return run(AWS, "mediastore-data", "--endpoint-url", self.endpoint, *ca, *arguments, check=False,
                   env=dict(self.env, AWS_ACCESS_KEY_ID=self.key["AccessKeyId"],
                            AWS_SECRET_ACCESS_KEY=self.key["SecretAccessKey"],
                            AWS_DEFAULT_REGION=self.config.get("region", REGION), AWS_PAGER="", AWS_MAX_ATTEMPTS="1",
                            AWS_EC2_METADATA_DISABLED="true", **env))

    def call(self, operation, Body=None, **options):
        command = {"PutObject": "put-object", "GetObject": "get-object", "DescribeObject": "describe-object",
                   "DeleteObject": "delete-object"}[operation]
        arguments = []
        for name, value in options.items():
            if value is not None:
                option = "".join(f"-{c.lower()}" if c.isupper() else c for c in name)
                arguments += [f"-{option}", value]
        out = None
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            if operation == "PutObject":
                with open(f"{folder}/in", "wb") as file:
                    file.write(Body)
                arguments += ["--body", f"{folder}/in"]
            if operation == "GetObject":
                arguments += [f"{folder}/out"]
            done = self.run(command, *arguments)
            if operation == "GetObject" and done.returncode == 0:
                with open(f"{folder}/out", "rb") as file:
                    out = file.read()
        if done.returncode != 0:
            text = said(done)
            assert "An error occurred (" in text, text
            return Reply(error=text.split("An error occurred (")[1].split(")")[0])
        members = json.loads(done.stdout) if done.stdout.strip() else {}
        if "ContentLength" in members:
            members["ContentLength"] = int(members["ContentLength"])
        return Reply(members, out, int(members.get("StatusCode", 200)))

    def items(self, path=None, page=None):
        done = self.run("list-items", "--output", "json", *([] if path is None else ["--path", path]),
                        *([] if page is None else ["--page-size", str(page)]))
        assert done.returncode == 0, said(done)
        return json.loads(done.stdout)["Items"]


def javascript_sdk():
    """The folder that holds the SDK: installed once into the build, from the versions and hashes of
    javascript/package-lock.json."""
    here = f"{SOURCE}/tests/system/javascript"
    into = os.environ.get("REELFS_BUILD") or os.path.dirname(BIN)
    place = f"{into}/javascript"
    with open(f"{here}/package-lock.json", "rb") as file:
        wanted = file.read()
    try:
        with open(f"{place}/package-lock.json", "rb") as file:
            if file.read() == wanted:
                return place
    except FileNotFoundError:
        pass
    fresh = tempfile.mkdtemp(prefix="javascript-", dir=into)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(f"{here}/{name}", fresh)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=fresh, timeout=600)
    shutil.rmtree(place, ignore_errors=True)
    os.rename(fresh, place)
    return place


class JavaScript(Client):
    """@aws-sdk/client-mediastore-data in one node process."""

    def __init__(self, endpoint, key, **config):
        super().__init__(endpoint, key, **config)
        self.process = subprocess.Popen(
            ["node", f"{SOURCE}/tests/system/javascript/client.js", javascript_sdk()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=dict(os.environ, **({"NODE_EXTRA_CA_CERTS": config["ca"]} if config.get("ca") else {})))

    def call(self, operation, stream=False, Body=None, config=None, **options):
        request = {
            "command": operation, "stream": stream,
            "config": dict({"endpoint": self.endpoint, "region": self.config.get("region", REGION), "maxAttempts": 1,
                            "credentials": {"accessKeyId": self.key["AccessKeyId"],
                                            "secretAccessKey": self.key["SecretAccessKey"]}}, **(config or {})),
            "input": {k: v for k, v in options.items() if v is not None}}
        if Body is not None:
            request["input"]["Body"] = base64.b64encode(Body).decode()
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "node has ended"
        answer = json.loads(line)
        if "error" in answer:
            return Reply(status=answer.get("status"), error=answer["error"])
        members = answer["members"]
        body = base64.b64decode(members.pop("Body")) if "Body" in members else None
        return Reply(members, body, answer["status"], attempts=answer["attempts"])

    def put_stream(self, path, body, **options):
        return self.call("PutObject", stream=True, Path=path, Body=body, **options)

    def items(self, path=None, page=None):
        found, token = [], None
        while True:
            reply = self.call("ListItems", Path=path, MaxResults=page, NextToken=token)
            found += reply["Items"]
            token = reply.members.get("NextToken")
            if token is None:
                return found

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Curl:
    """curl, which signs (SIG of the specification's checklist)."""

    def __init__(self, key):
        self.pair = f"{key['AccessKeyId']}:{key['SecretAccessKey']}"
        self.signing = ["--aws-sigv4", f"aws:amz:{REGION}:mediastore", "--user", self.pair]
        self.unsigned_body = ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]

    def command(self, *arguments):
        return ["curl", "-sS", *self.signing, *self.unsigned_body, *arguments]

    def __call__(self, *arguments, **options):
        """(status, headers, body) of a signed request; header names in lower case."""
        return self.parse(run(*self.command("-i", "--no-progress-meter", *arguments), **options).stdout)

    @staticmethod
    def parse(raw):
        while True:
            head, _, body = raw.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            if status >= 200:
                return status, {name.lower(): value.strip() for name, _, value in
                                (line.partition(":") for line in lines[1:])}, body
            raw = body
