"""`pumice batch` on S3s that other people wrote: moto and s3rver.

usage: s3.py PROGRAM NODE_MODULES
"""

import http.server
import json
import logging
import pathlib
import subprocess
import sys
import tempfile
import threading

import boto3
from botocore.config import Config
from moto import settings
from moto.server import ThreadedMotoServer

PROGRAM, MODULES = sys.argv[1], pathlib.Path(sys.argv[2])
ROLE = "arn:aws:iam::123456789012:role/batch"
BUCKETS = ["plain-bucket", "dotted.bucket"]
# 200 records of 60 kB: two parts.
RECORDS, LONG = 200, "x" * 60_000
failed = False


def check(what, holds, more=""):
    global failed
    failed |= not holds
    print(f"{'ok' if holds else 'FAILED'}: {what}{'' if holds else f': {more}'}", flush=True)


class Jobs(http.server.BaseHTTPRequestHandler):
    """The service of batch jobs: a job is over when it is looked at."""

    jobs, s3 = {}, None

    def do_POST(self):
        job = json.loads(self.rfile.read(int(self.headers["content-length"])))
        arn = f"arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/job{len(self.jobs):09}"
        self.jobs[arn] = {**job, "jobArn": arn, "status": "Completed", "submitTime": "2026-11-27T04:00:00Z"}
        self.run(self.jobs[arn])
        self.reply({"jobArn": arn})

    def do_GET(self):
        if self.path.startswith("/model-invocation-jobs"):
            self.reply({"invocationJobSummaries": list(self.jobs.values())})
        else:
            self.reply(next(job for arn, job in self.jobs.items() if arn[-12:] == self.path[-12:]))

    def run(self, job):
        place = lambda uri: uri.removeprefix("s3://").split("/", 1)
        bucket, key = place(job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"])
        lines = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()
        results = [json.dumps({**json.loads(line), "modelOutput": {"stopReason": "end_turn"}}) for line in lines]
        bucket, folder = place(job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"])
        folder = f"{folder}{job['jobArn'][-12:]}"
        results = "\n".join(reversed(results)).encode()
        self.s3.put_object(Bucket=bucket, Key=f"{folder}/{key.split('/')[-1]}.out", Body=results)
        self.s3.put_object(Bucket=bucket, Key=f"{folder}/manifest.json.out", Body=b"{}")

    def reply(self, body):
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def exercise(name, url, key, secret, checks_signatures):
    """Uploads whole and in parts, lists and downloads; and is refused with another secret where that is checked."""
    Jobs.s3 = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
    )  # fmt: skip
    for bucket in BUCKETS:
        Jobs.s3.create_bucket(Bucket=bucket)
    jobs = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jobs)
    threading.Thread(target=jobs.serve_forever, daemon=True).start()

    def pumice(folder, *arguments, secret=secret):
        env = {
            "HOME": folder, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_ENDPOINT_URL_S3": url, "AWS_ENDPOINT_URL_BEDROCK": f"http://127.0.0.1:{jobs.server_port}",
            "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        return subprocess.run([PROGRAM, "batch", *arguments], cwd=folder, env=env, capture_output=True, text=True)

    def submit(folder, bucket, job, **more):
        place = ["--s3", f"s3://{bucket}/jobs (1)/of!me".replace(" ", "_"), "--role", ROLE, "-m", "m", "--name", job]
        return pumice(folder, "submit", "in.jsonl", *place, **more)

    with tempfile.TemporaryDirectory() as folder:
        for bucket in BUCKETS:
            for kind, text in [("whole", "Hi"), ("in parts", LONG)]:
                job = f"{name}-{bucket.replace('.', '-')}-{kind.replace(' ', '-')}"
                message = {"role": "user", "content": [{"text": text}]}
                lines = [
                    json.dumps({"recordId": str(at), "modelInput": {"messages": [message]}}) for at in range(RECORDS)
                ]
                pathlib.Path(folder, "in.jsonl").write_text("\n".join(lines))
                ran = submit(folder, bucket, job)
                check(f"{name}, {bucket}: an input is uploaded {kind}", ran.returncode == 0, ran.stderr)
                if kind == "in parts" and name == "moto":
                    found = Jobs.s3.head_object(Bucket=bucket, Key=f"jobs_(1)/of!me/{job}/in.jsonl")
                    check(f"{name}, {bucket}: it has 2 parts", found["ETag"].endswith('-2"'), found["ETag"])
                ran = pumice(folder, "fetch", job)
                found = pathlib.Path(folder, f"{job}.jsonl")
                ids = [json.loads(line)["recordId"] for line in found.open()] if found.exists() else []
                in_order = ids == [str(at) for at in range(RECORDS)]
                check(f"{name}, {bucket}: the results are listed and fetched in order", in_order, ran.stderr)
        if checks_signatures:
            ran = submit(folder, BUCKETS[0], f"{name}-wrong", secret=secret[::-1])
            refused = ran.returncode == 3 and "SignatureDoesNotMatch" in ran.stderr
            check(f"{name}: another secret is refused, so signatures are checked", refused, ran.stderr)
    jobs.shutdown()


def with_moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    iam = boto3.client("iam", endpoint_url=url, region_name="us-east-1", **keys)
    iam.create_user(UserName="me")
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="me", PolicyName="s3", PolicyDocument=json.dumps(rights))
    keys = iam.create_access_key(UserName="me")["AccessKey"]
    # From here on every request needs a right and its signature.
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    exercise("moto", url, keys["AccessKeyId"], keys["SecretAccessKey"], True)
    settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
    server.stop()


def with_s3rver():
    if not (MODULES / "s3rver").exists():
        print("skipped: s3rver is not installed")
        return
    script = """
        const S3rver = require(process.argv[1] + '/s3rver');
        new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: process.argv[2] })
            .run((error, address) => console.log(error ? error : address.port));
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["node", "--no-warnings", "-e", script, str(MODULES), folder]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = server.stdout.readline().strip()
            exercise("s3rver", f"http://127.0.0.1:{port}", "S3RVER", "S3RVER", False)
        finally:
            server.kill()
            server.wait()


logging.getLogger("werkzeug").setLevel(logging.ERROR)
with_moto()
with_s3rver()
sys.exit(failed)
