# SPDX-License-Identifier: Apache-2.0
"""Signatures, encodings and endpoints beside those of botocore, on odd keys and on many random requests."""

import itertools
import random
import urllib.parse

import pytest
from botocore import auth, awsrequest, credentials, exceptions

import probe
import services

TIME = "20261125T125000Z"
HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ODD_KEYS = [
    "plain/key.log.gz",
    "with space/and  two",
    "plus+equals=and&question?hash#percent%41",
    "//doubled//slashes/",
    "./dots/../and/./more/..",
    "umlaut-ü/中文/emoji-😀",
    "quotes'\"(brackets)[square]{curly}",
    "!$*,;:@~_-.",
    "tab\tand\nnewline",
]
ALPHABET = "abz019 /+=&%?#~._-!*'();:@,$[]ü中😀\\"


@pytest.fixture(scope="module")
def asked():
    with probe.Probe(services.environment()) as made:
        yield made


def witness(service, method, url, headers, payload_hash):
    """Canonical request and authorization as botocore makes them."""
    kind = auth.S3SigV4Auth if service == "s3" else auth.SigV4Auth
    keys = credentials.Credentials(services.ACCESS_KEY, services.SECRET_KEY)
    signer = kind(keys, service, services.REGION)
    request = awsrequest.AWSRequest(method=method, url=url)
    for name, value in headers:
        request.headers[name] = value
    request.headers["X-Amz-Content-SHA256"] = payload_hash
    request.context["timestamp"] = TIME
    request.context["payload_signing_enabled"] = True
    canonical = signer.canonical_request(request)
    scope = signer.credential_scope(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    text = f"AWS4-HMAC-SHA256 Credential={services.ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
    return canonical, text


def check(asked, service, method, path, query, headers):
    url = f"https://host.example{path}{'?' if query else ''}{query}"
    canonical, authorization = witness(service, method, url, headers, HASH)
    answer = asked.ask(
        "sign",
        method=method,
        path=path,
        query=query,
        headers=[["host", "host.example"], *headers, ["X-Amz-Content-SHA256", HASH]],
        payload_hash=HASH,
        time=TIME,
        region=services.REGION,
        service=service,
        access_key=services.ACCESS_KEY,
        secret_key=services.SECRET_KEY,
    )
    assert answer == {"canonical": canonical, "authorization": authorization}


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys(asked, key):
    path = "/bucket/" + urllib.parse.quote(key, safe="/-._~")
    assert asked.ask("encode", text="/bucket/" + key)["text"] == path
    check(asked, "s3", "PUT", path, "", [])
    check(asked, "s3", "PUT", path, "partNumber=7&uploadId=a%2Bb%3D%2F", [["x-amz-acl", "bucket-owner-full-control"]])


def random_text(dice, length):
    return "".join(dice.choice(ALPHABET) for _ in range(dice.randrange(length)))


def random_query(dice):
    pairs = []
    for _ in range(dice.randrange(5)):
        name = urllib.parse.quote(random_text(dice, 6), safe="-._~")
        value = urllib.parse.quote(random_text(dice, 6), safe="-._~")
        pairs.append(f"{name}={value}" if dice.random() < 0.8 else name)
    return "&".join(pairs)


def random_headers(dice):
    names = ["X-Amz-Acl", "content-type", "x-amz-meta-b", "X-Amz-Storage-Class", "x-amz-meta-a", "Content-MD5"]
    dice.shuffle(names)
    values = ["text", " around ", "two  spaces   inside", "comma, and; semicolon", "a=b"]
    return [[name, dice.choice(values)] for name in names[: dice.randrange(len(names))]]


@pytest.mark.parametrize("service", ["s3", "logs"])
def test_random_requests(asked, service):
    dice = random.Random(20260102)
    for _ in range(1000):
        path = "/" + urllib.parse.quote(random_text(dice, 20), safe="/-._~")
        check(asked, service, dice.choice(["GET", "PUT", "POST"]), path, random_query(dice), random_headers(dice))


REGIONS = ["eu-central-1", "us-east-1", "ap-southeast-7", "mx-central-1", "cn-north-1", "us-gov-west-1"]
REGIONS += ["us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1"]


@pytest.mark.parametrize("service", ["s3", "logs", "firehose", "sts"])
def test_endpoints(asked, service):
    witness = services.client(service, None)._ruleset_resolver._provider
    choices = ("", "fips", "dual_stack", "fips dual_stack", "virtual")
    for region, chosen in itertools.product(REGIONS, choices):
        flags = {"fips": "fips" in chosen, "dual_stack": "dual_stack" in chosen}
        rules = {"Region": region, "UseFIPS": flags["fips"], "UseDualStack": flags["dual_stack"]}
        question = {"service": service, "region": region} | flags
        if service == "s3":
            question |= {"bucket": "a-bucket", "addressing": 2 if chosen == "virtual" else 1}
            rules |= {"Bucket": "a-bucket", "ForcePathStyle": chosen != "virtual"}
        try:
            expected = witness.resolve_endpoint(**rules).url
        except exceptions.BotoCoreError:
            expected = None
        assert asked.ask("endpoint", **question).get("url") == expected, question
