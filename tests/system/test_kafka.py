# SPDX-License-Identifier: Apache-2.0
"""Delivery to Kafka: a real broker, killed in the middle; what it holds is read back by another client."""

import collections
import json
import time

import pytest

import fault_proxy
import kafka_broker
from authority import Authority
from delivering import Delivery, finish, interface, number


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory, authority):
    made = kafka_broker.Broker(tmp_path_factory.mktemp("kafka"), authority=authority)
    yield made
    made.close()


def deliver(tmp_path, broker, topic, **options):
    return Delivery(tmp_path, f"kafka://{broker.address}/{topic}", **options)


def assert_once_and_in_order(messages, count):
    """Every number once; the key is the interface, which is in one partition and in order."""
    assert sorted(number(line) for _, _, line in messages) == list(range(count))
    places, last = collections.defaultdict(set), {}
    for partition, key, line in messages:
        assert key == interface(line)
        places[key].add(partition)
        assert number(line) > last.get(key, -1)
        last[key] = number(line)
    assert all(len(partitions) == 1 for partitions in places.values()), places


def test_a_killed_broker_gets_every_record_once_and_in_order(tmp_path, broker):
    broker.make_topic("killed", partitions=3)
    probe = deliver(tmp_path, broker, "killed").start(60, 5000, 100)
    time.sleep(2)
    broker.kill()
    broker.start()
    counts = finish(probe)
    assert counts["delivered"] == 300000, counts
    assert_once_and_in_order(broker.read("killed"), 300000)


def test_every_fault_of_a_connection(tmp_path, broker):
    """Nothing is lost behind a connection that breaks in every way, and the account closes. Repeated is at most the
    batch of each request that was carried out without an answer that could be read."""
    broker.make_topic("faults", partitions=3)
    delivery = Delivery(tmp_path, f"kafka://127.0.0.1:{broker.proxy_port}/faults")
    probe = delivery.start(40, 1000, 100, wait_s=50)
    time.sleep(1)  # refused: nobody listens
    proxy = fault_proxy.FaultProxy(broker.proxy_port, broker.proxied_port, fault_proxy.FAULTS, begin=1000)
    try:
        counts = finish(probe)
        assert (counts["waiting"], counts["given-up"], counts["rejected"]) == (0, 0, 0), (counts, proxy.counts)
        assert not proxy.plan and all(proxy.counts[fault] for fault in fault_proxy.FAULTS), proxy.counts
    finally:
        proxy.close()
    numbers = collections.Counter(number(line) for _, _, line in broker.read("faults"))
    unanswered = [fault for fault in fault_proxy.FAULTS if "answer" in fault]
    assert sorted(numbers) == list(range(40000))
    assert numbers.total() - 40000 <= 1000 * len(unanswered), numbers.total()


def test_a_killed_probe_repeats_at_most_what_was_on_its_way(tmp_path, broker):
    broker.make_topic("repeated", partitions=3)
    delivery = deliver(tmp_path, broker, "repeated")
    probe = delivery.start(50, 5000, 20)
    time.sleep(1)
    probe.kill()
    probe.communicate()
    counts = delivery.run(0, 0)
    assert counts["waiting"] == 0, counts
    numbers = collections.Counter(number(line) for _, _, line in broker.read("repeated"))
    assert sorted(numbers) == list(range(max(numbers) + 1))
    assert numbers.total() - len(numbers) <= 5000  # one batch


def test_json_to_a_broker_that_wants_a_password(tmp_path, broker):
    broker.make_topic("json")
    secret = tmp_path / "credentials"
    secret.write_text(f"{kafka_broker.USER}\n{kafka_broker.PASSWORD}\n")
    options = {"security-protocol": "sasl-plaintext", "sasl-mechanism": "PLAIN", "file-format": "json"}
    options["credentials-file"] = str(secret)
    destination = f"kafka://127.0.0.1:{broker.sasl_port}/json"
    counts = Delivery(tmp_path, destination, **options).run(1, 10)
    assert counts["delivered"] == 10, counts
    for at, (_, key, text) in enumerate(broker.read("json")):
        record = json.loads(text)
        assert (record["interface-id"], record["bytes"], record["action"]) == (key, at, "ACCEPT")
    secret.write_text(f"{kafka_broker.USER}\nwrong\n")
    counts = Delivery(tmp_path / "wrong", destination, **options).run(1, 10, wait_s=5)
    assert (counts["waiting"], counts["word"]) == (10, "Access error"), counts
    assert "wrong" not in counts["log"] + counts["error"]


def test_over_tls_to_a_broker_whose_certificate_is_known(tmp_path, broker, authority):
    broker.make_topic("tls")
    destination, options = f"kafka://127.0.0.1:{broker.tls_port}/tls", {"security-protocol": "ssl"}
    counts = Delivery(tmp_path / "known", destination, ca_bundle=str(authority.bundle), **options).run(1, 1000)
    assert counts["delivered"] == 1000, counts
    assert_once_and_in_order(broker.read("tls"), 1000)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    counts = Delivery(tmp_path / "unknown", destination, ca_bundle=str(other.bundle), **options).run(1, 10, wait_s=5)
    assert (counts["waiting"], counts["delivered"]) == (10, 0), counts
    assert "certificate" in counts["error"].lower(), counts
    assert len(broker.read("tls")) == 1000


def test_a_topic_that_comes_later(tmp_path, broker):
    delivery = deliver(tmp_path, broker, "later")
    counts = delivery.run(3, 1000, wait_s=12)
    assert (counts["waiting"], counts["word"]) == (3000, "Access error"), counts
    assert "later" in counts["error"]
    broker.make_topic("later")
    assert delivery.run(0, 0)["waiting"] == 0
    assert_once_and_in_order(broker.read("later"), 3000)


def test_a_topic_with_small_messages(tmp_path, broker):
    """Sets of records that are too large are taken apart; what is too large by itself is set aside and counted."""
    broker.make_topic("small", max_message_bytes=2000)
    counts = deliver(tmp_path, broker, "small").run(1, 200)
    assert counts["delivered"] == 200, counts
    assert sorted(number(line) for _, _, line in broker.read("small")) == list(range(200))
    broker.make_topic("tiny", max_message_bytes=100)
    counts = deliver(tmp_path / "tiny", broker, "tiny").run(1, 5)
    assert counts["rejected"] == 5, counts
    assert broker.read("tiny") == []
