# SPDX-License-Identifier: Apache-2.0
"""Where credentials come from: each source against a server of the test's own, and roles against moto's STS."""

import json
import time

import pytest

import probe
import services
from scripted import server, stamp

KEYS = {"AccessKeyId": "AKIAFROMSERVER", "SecretAccessKey": "secret/from+server=", "Token": "token-from-server"}
ROLE = "arn:aws:iam::123456789012:role/flowlog-writer"


@pytest.fixture
def home(tmp_path):
    """A home folder; home(name, text) writes ~/.aws/NAME."""

    def write(name, text):
        (tmp_path / ".aws").mkdir(exist_ok=True)
        (tmp_path / ".aws" / name).write_text(text, encoding="utf-8")

    write.path = str(tmp_path)
    return write


def find(home, settings=None, **environment):
    """What one process finds, once."""
    with probe.Probe(services.environment(HOME=home.path, **environment)) as asked:
        answer = asked.ask("credentials", **(settings or {}))
        asked.ask("credentials", end=True)
    return answer


def test_environment(home):
    found = find(home, AWS_ACCESS_KEY_ID="AKIA1", AWS_SECRET_ACCESS_KEY="s/1+", AWS_SESSION_TOKEN="t1")
    expected = {"access_key": "AKIA1", "secret_key": "s/1+", "session_token": "t1"}
    assert found == expected | {"source": "environment", "expires": 0}


def test_half_of_a_key(home):
    assert "one is missing" in find(home, AWS_ACCESS_KEY_ID="AKIA1")["fault"]


def test_profiles(home):
    home("credentials", "[default]\naws_access_key_id = AKIAD\naws_secret_access_key = sd\n[work]\n"
         "aws_access_key_id = AKIAW\naws_secret_access_key = sw\naws_session_token = tw\n")  # fmt: skip
    home("config", "[profile other]\naws_access_key_id = AKIAO\naws_secret_access_key = so\n")
    assert find(home)["access_key"] == "AKIAD"
    assert find(home, AWS_PROFILE="work")["session_token"] == "tw"
    assert find(home, {"profile": "other"})["access_key"] == "AKIAO"
    # A profile of the settings goes before the environment, one of the environment does not.
    keys = services.credentials()
    assert find(home, {"profile": "work"}, **keys)["access_key"] == "AKIAW"
    assert find(home, AWS_PROFILE="work", **keys)["access_key"] == services.ACCESS_KEY
    assert "profile 'absent'" in find(home, {"profile": "absent"})["fault"]


def test_nothing_anywhere(home):
    assert "no AWS credentials" in find(home)["fault"]


def test_what_a_service_cannot_do(home):
    home("config", "[profile s]\nsso_session = x\n"
         "[profile m]\nrole_arn = r\nsource_profile = m\nmfa_serial = 1\n"
         "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = a\n")  # fmt: skip
    assert "single sign-on" in find(home, {"profile": "s"})["fault"]
    assert "mfa_serial" in find(home, {"profile": "m"})["fault"]
    assert "source one another" in find(home, {"profile": "a"})["fault"]


def test_process(home, tmp_path):
    keys = {"Version": 1, "AccessKeyId": "AKIAP", "SecretAccessKey": "s/p", "SessionToken": "tp",
            "Expiration": stamp(time.time() + 3600)}
    (tmp_path / "keys").write_text(json.dumps(keys))
    commands = {"p": f"cat {tmp_path}/keys", "fails": "echo said >&2; exit 3", "none": "echo '{}'", "noise": "echo no",
                "endless": "yes", "absent": "/nonexistent/program"}
    home("config", "".join(f"[profile {name}]\ncredential_process = {command}\n" for name, command in commands.items())
         + "[profile role]\nrole_arn = arn\nsource_profile = fails\n")  # fmt: skip
    found = find(home, {"profile": "p"})
    assert (found["access_key"], found["secret_key"], found["session_token"]) == ("AKIAP", "s/p", "tp")
    assert found["source"] == "process of profile p" and found["expires"] > time.time()
    assert "profile fails: credential_process: it failed with status 3" in find(home, {"profile": "fails"})["fault"]
    assert "status 127" in find(home, {"profile": "absent"})["fault"]
    assert "output cannot be read" in find(home, {"profile": "endless"})["fault"]
    assert "credential_process" in find(home, {"profile": "role"})["fault"]
    for name in ("none", "noise"):
        assert "profile " + name + ": credential_process" in find(home, {"profile": name})["fault"]


def metadata(expires=3600, role="instance-role"):
    """An instance metadata service, version 2 only."""

    def answer(method, path, headers):
        if (method, path) == ("PUT", "/latest/api/token"):
            return (200, "the-token") if headers.get("x-aws-ec2-metadata-token-ttl-seconds") == "21600" else (400, "")
        if headers.get("x-aws-ec2-metadata-token") != "the-token":
            return 401, ""
        folder = "/latest/meta-data/iam/security-credentials/"
        if path == folder and role:
            return 200, role
        if path == folder + (role or "-"):
            return 200, json.dumps(KEYS | {"Code": "Success", "Expiration": stamp(time.time() + expires)})
        return 404, ""

    return answer


def test_instance_metadata(home):
    with server(metadata()) as instance:
        found = find(home, AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=instance.url + "/")
    assert (found["access_key"], found["session_token"]) == (KEYS["AccessKeyId"], KEYS["Token"])
    assert found["source"] == "instance metadata"
    assert abs(found["expires"] - time.time() - 3600) < 60


def test_instance_without_a_role(home):
    with server(metadata(role=None)) as instance:
        found = find(home, AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=instance.url)
    assert "HTTP 404" in found["fault"]


def test_container_endpoint(home, tmp_path):
    token = tmp_path / "token"
    token.write_text("Bearer of/the-pod\n")

    def answer(method, path, headers):
        good = (method, path, headers.get("authorization")) == ("GET", "/creds?id=7", "Bearer of/the-pod")
        return (200, json.dumps(KEYS | {"Expiration": stamp(time.time() + 600)})) if good else (403, "no")

    with server(answer) as agent:
        variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.url + "/creds?id=7"}
        by_file = find(home, **variables, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token))
        by_text = find(home, **variables, AWS_CONTAINER_AUTHORIZATION_TOKEN="Bearer of/the-pod")
        refused = find(home, **variables, AWS_CONTAINER_AUTHORIZATION_TOKEN="wrong-one")
    assert by_file["access_key"] == by_text["access_key"] == KEYS["AccessKeyId"]
    assert by_file["source"] == "container endpoint"
    assert "HTTP 403" in refused["fault"] and "wrong-one" not in refused["fault"]


def test_container_endpoint_of_strangers(home):
    found = find(home, AWS_CONTAINER_CREDENTIALS_FULL_URI="http://192.0.2.1/creds", AWS_CONTAINER_AUTHORIZATION_TOKEN="x")
    assert "192.0.2.1" in found["fault"]


def test_roles_at_moto(home, moto):
    home("config", f"[profile writer]\nrole_arn = {ROLE}\nsource_profile = base\nexternal_id = e=1/+\n"
         f"duration_seconds = 900\n[profile env]\nrole_arn = {ROLE}\ncredential_source = Environment\n")  # fmt: skip
    home("credentials", "[base]\naws_access_key_id = AKIAB\naws_secret_access_key = sb\n")
    variables = {"AWS_ENDPOINT_URL_STS": moto.endpoint, "AWS_REGION": services.REGION}
    keys = services.credentials()
    for settings, environment in [
        ({"profile": "writer"}, {}),
        ({"profile": "env"}, keys),
        ({"role_arn": ROLE, "external_id": "e"}, keys),
    ]:
        found = find(home, settings, **variables, **environment)
        assert found["source"] == f"role {ROLE}", found
        assert found["access_key"].startswith("ASIA") and found["session_token"]
    assert abs(find(home, {"profile": "writer"}, **variables)["expires"] - time.time() - 900) < 60


def test_what_sts_is_asked(home):
    home("config", f"[profile writer]\nrole_arn = {ROLE}\nsource_profile = writer\nexternal_id = e=1/+ 2\n"
         "role_session_name = me\naws_access_key_id = AKIAB\naws_secret_access_key = sb\n")  # fmt: skip
    with server(lambda *_: (403, "<E><Code>AccessDenied</Code><Message>Not you</Message></E>")) as sts:
        found = find(home, {"profile": "writer"}, AWS_ENDPOINT_URL_STS=sts.url)
        form = sts.seen[0][3].decode()
    assert "AccessDenied: Not you" in found["fault"]
    assert "&ExternalId=e%3D1%2F%2B%202" in form and "&RoleSessionName=me" in form
    assert "Credential=AKIAB/" in sts.seen[0][2]["authorization"]


def test_web_identity_at_moto(home, moto, tmp_path):
    token = tmp_path / "web-token"
    token.write_text("header.payload.signature\n")
    found = find(
        home,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
        AWS_ROLE_ARN=ROLE,
        AWS_ENDPOINT_URL_STS=moto.endpoint,
        AWS_REGION=services.REGION,
    )
    assert found["source"] == f"role {ROLE}", found
    assert found["access_key"].startswith("ASIA")


def test_refresh(home):
    """Asked again before the end; what is still valid bridges a failure; what has expired does not."""
    life, working = 1000, [True]

    def answer(method, path, headers):
        if not working[0]:
            return 500, ""
        return metadata(expires=life)(method, path, headers)

    with server(answer) as instance:
        variables = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": instance.url}
        with probe.Probe(services.environment(HOME=home.path, **variables)) as asked:
            start = int(time.time())
            first = asked.ask("credentials", now=start)
            assert first["access_key"] and len(instance.seen) == 3
            asked.ask("credentials", now=start + 700)
            assert len(instance.seen) == 3, "asked again too early"
            working[0] = False
            assert asked.ask("credentials", now=start + 800)["access_key"] == first["access_key"]
            assert len(instance.seen) == 4
            asked.ask("credentials", now=start + 810)
            assert len(instance.seen) == 4, "a failing source is asked once a minute"
            assert "HTTP 500" in asked.ask("credentials", now=start + 1001)["fault"]
            working[0] = True
            assert asked.ask("credentials", now=start + 1002)["access_key"] == first["access_key"]
            asked.ask("credentials", end=True)
