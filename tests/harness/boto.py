"""Inspects AWS services and their stand-ins through AWS's own client, and containers of Azurite.

    boto.py ENDPOINT COMMAND ARGUMENT…        one JSON value on stdout
"""

import base64
import hashlib
import hmac
import json
import sys
import urllib.parse
import urllib.request
from email.utils import formatdate
from xml.etree import ElementTree

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config


def client(service):
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 5})
    return boto3.client(service, endpoint_url=sys.argv[1], region_name="us-east-1", config=config)


def pages(client, operation, field, **arguments):
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(field, [])


def objects(bucket):
    """Returns all objects of a bucket: bytes by key."""
    s3 = client("s3")
    keys = [found["Key"] for found in pages(s3, "list_objects_v2", "Contents", Bucket=bucket)]
    read = lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return {key: base64.b64encode(read(key)).decode() for key in keys}


def put(bucket, key, text):
    return client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())["ETag"]


def remove(bucket, prefix):
    s3 = client("s3")
    for found in list(pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix)):
        s3.delete_object(Bucket=bucket, Key=found["Key"])


def bucket(name):
    client("s3").create_bucket(Bucket=name)


def azure(method, path, body=None, **query):
    """Sends a request to Azurite, whose account and key are the same everywhere."""
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    length, kind = "", ""
    if body is not None:
        headers = {"x-ms-blob-type": "BlockBlob", **headers}
        length, kind = str(len(body)), "application/octet-stream"
    signed = [f"{field}:{value}" for field, value in headers.items()]
    asked = [f"{name}:{value}" for name, value in sorted(query.items())]
    path = f"/{account}/{path}"
    standard = ["", "", length, "", kind, *[""] * 6]
    text = "\n".join([method, *standard, *signed, f"/{account}{path}", *asked])
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(digest).decode()}"
    if kind:
        headers["Content-Type"] = kind
    url = f"{sys.argv[1]}{path}?{urllib.parse.urlencode(query)}"
    return urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)).read()


def container(name):
    azure("PUT", name, restype="container")


def blob(container, name, text):
    azure("PUT", f"{container}/{urllib.parse.quote(name)}", text.encode())


def blobs(name):
    """Returns all blobs of a container: bytes by name."""
    listed = ElementTree.fromstring(azure("GET", name, comp="list", restype="container"))
    names = [found.text for found in listed.iter("Name")]
    quoted = {name: urllib.parse.quote(name) for name in names}
    return {key: base64.b64encode(azure("GET", f"{name}/{quoted[key]}")).decode() for key in names}


def queue(name, *attributes):
    """Creates a queue and returns its URL."""
    attributes = dict(attribute.split("=", 1) for attribute in attributes)
    return client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def messages(url):
    """Receives and deletes all messages of a queue."""
    sqs, taken = client("sqs"), []
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=60
        )
        if not answer.get("Messages"):
            return taken
        for message in answer["Messages"]:
            taken.append({"body": message["Body"], **message["Attributes"]})
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def items(table):
    """Returns all items of a table, in DynamoDB's notation."""
    found = list(pages(client("dynamodb"), "scan", "Items", TableName=table, ConsistentRead=True))
    return json.loads(json.dumps(found, default=lambda value: base64.b64encode(value).decode()))


def describe(table):
    """Describes a table."""
    return json.loads(json.dumps(client("dynamodb").describe_table(TableName=table)["Table"], default=str))


def is_signed(service, encoded):
    """Whether a raw request has the signature that AWS's own client would give it."""
    head, body = base64.b64decode(encoded).split(b"\r\n\r\n", 1)
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    fields = dict(part.split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(", "))
    signed = {name: headers[name] for name in fields["SignedHeaders"].split(";")}
    method, target, _ = first.split(" ")
    request = AWSRequest(method, f"http://{headers['host']}{target}", signed, body)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(boto3.Session().get_credentials(), service, "us-east-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return signer.signature(text, request) == fields["Signature"]


print(json.dumps(globals()[sys.argv[2]](*sys.argv[3:])))
