"""What lies in a store of AWS or of one that speaks like it, seen through AWS's own client.

    boto.py ENDPOINT COMMAND ARGUMENT…        one JSON value on stdout
"""

import base64
import json
import sys

import boto3
from botocore.config import Config


def client(service):
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 5})
    return boto3.client(service, endpoint_url=sys.argv[1], region_name="us-east-1", config=config)


def pages(client, operation, field, **arguments):
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(field, [])


def objects(bucket):
    """All objects of a bucket by their keys, with their bytes."""
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


def queue(name, *attributes):
    """Makes a queue, and gives its URL."""
    attributes = dict(attribute.split("=", 1) for attribute in attributes)
    return client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def messages(url):
    """Takes all messages of a queue."""
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
    """All items of a table, as DynamoDB writes values."""
    found = list(pages(client("dynamodb"), "scan", "Items", TableName=table, ConsistentRead=True))
    return json.loads(json.dumps(found, default=lambda value: base64.b64encode(value).decode()))


def describe(table):
    """How a table is made."""
    return json.loads(json.dumps(client("dynamodb").describe_table(TableName=table)["Table"], default=str))


print(json.dumps(globals()[sys.argv[2]](*sys.argv[3:])))
