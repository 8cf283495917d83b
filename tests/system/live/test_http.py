# SPDX-License-Identifier: Apache-2.0
"""The listener: metrics as an independent reader understands them, and peers that are slow, rude or many."""

import subprocess
import time

from prometheus_client.openmetrics import parser

from . import http, lab, traffic
from .daemon import BUILD, clock_at, interface, interface_id, interposed

IDLE_SECONDS = 10  # a silent connection is closed after that


def read_metrics(namespace):
    """Family by name, and samples by name and labels."""
    status, headers, body = http.request(namespace, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in parser.text_string_to_metric_families(body.decode())}
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    return families, samples


def side(samples, name, direction, **labels):
    wanted = {("device", "eth0"), ("direction", direction), *labels.items()}
    found = [value for key, value in samples.items() if key[0] == name and wanted <= set(key[1:])]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def test_metrics_add_up(host, start, library):
    """Known packets: the counters of closed windows are the ledger's, and their sum closes."""
    ahead = clock_at(48)
    daemon = start(host.host, [interface("eth0")], begin=False)
    daemon.wrapper = interposed(library, clock=ahead)
    daemon.start()
    families, samples = read_metrics(host.host)
    assert families["flowlog_build"].type == "info" and families["flowlog_seen_packets"].unit == "packets"
    assert samples["flowlog_capturing",] == 1
    assert abs(samples["process_start_time_seconds",] - ahead - time.time()) < 15
    assert samples["process_resident_memory_bytes",] > 1 << 20 and samples["process_open_fds",] > 5
    ends = host.ends(4)
    with traffic.UdpSink(host.host, ends.b, 5353):
        traffic.udp(host.client, ends.a, ends.b, 5353, 127, 1)
    lab.wait_for(lambda: side(read_metrics(host.host)[1], "flowlog_seen_packets_total", "ingress") >= 127,
                 timeout=70, what="a closed window with the packets")
    _, samples = read_metrics(host.host)
    row = [row for row in daemon.status()[0]["ledger"] if row["closes"] is not None and row["ingress"]["seen"]]
    for direction in ("ingress", "egress"):
        told = {name: side(samples, f"flowlog_{name}_packets_total", direction)
                for name in ("seen", "recorded", "excluded", "not_ip", "malformed", "added", "discarded")}
        lost = [side(samples, "flowlog_lost_packets_total", direction, cause=cause) for cause in ("full", "busy")]
        assert told["seen"] == sum(told[name] for name in ("recorded", "excluded", "not_ip", "malformed")) + sum(lost)
        for name, value in told.items():
            assert value == sum(line[direction][name.replace("_", "-")] for line in row), name
    assert samples["flowlog_windows_closed_total",] >= 1
    named = (("device", "eth0"), ("interface_id", interface_id("eth0")))
    assert samples["flowlog_lost_long_packets_total", *named] == sum(line["lost-long"] for line in row) == 0
    labels = (("flow_log_id", daemon.status()[0]["flow-logs"][0]["id"]), ("name", "all"))
    delivered = ("flowlog_delivery_delivered_records_total", *labels)
    lab.wait_for(lambda: read_metrics(host.host)[1][delivered] >= 1, what="a delivery")
    assert samples["flowlog_delivery_failing", *labels] == 0
    for error in ("Rate limited", "Access error", "Unknown error"):
        assert samples["flowlog_delivery_error", ("error", error), *labels] == 0
    for cause in ("too-new", "too-old", "expired", "too-large", "invalid"):
        assert samples["flowlog_delivery_refused_records_total", ("cause", cause), *labels] == 0


def test_health_and_wrong_requests(host, start):
    """One clear answer each, and the daemon goes on."""
    daemon = start(host.host, [interface("eth0")])
    assert http.request(host.host, "/healthz")[::2] == (200, b"capturing\n")
    assert http.request(host.host, "/healthz", method="HEAD")[::2] == (200, b"")
    assert http.request(host.host, "/nothing")[0] == 404
    status, headers, _ = http.request(host.host, "/metrics", method="DELETE")
    assert status == 405 and headers["Allow"] == "GET, HEAD"
    for data in (b"", b"\r\n", b"\0" * 100, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 100000,
                 b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
                 b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
                 b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
                 b"GET /%00%ff%2e%2e/metrics HTTP/1.1\r\nHost: a\r\n\r\n"):
        answer = http.raw(host.host, data)
        assert b"200 OK" not in answer, answer[:200]
    assert http.request(host.host, "/healthz")[0] == 200
    daemon.stop()


def test_silent_peers_delay_nothing(host, start):
    """More connections than there is room for, all silent: the daemon answers elsewhere, and here when they are out."""
    daemon = start(host.host, [interface("eth0")])
    silent = [http.connect(host.host) for _ in range(80)]
    try:
        silent[0].sendall(b"GET /metrics HT")
        begun = time.monotonic()
        daemon.status()
        assert time.monotonic() - begun < 2
        assert http.request(host.host, "/healthz", timeout=IDLE_SECONDS + 10)[0] == 200
        assert time.monotonic() - begun < IDLE_SECONDS + 8
    finally:
        for peer in silent:
            peer.close()
    assert http.request(host.host, "/healthz")[0] == 200
    daemon.stop()


def test_taken_port(host, start, tmp_path):
    """Without `listen` a daemon goes on without it and says so; with it the start fails, and says why."""
    first = start(host.host, [interface("eth0")])
    second = start(host.host, [interface("lo")])
    assert "cannot listen on 127.0.0.1 port 8420: Address already in use; going on without" in second.log()
    second.stop()
    config = tmp_path / "declared.yaml"
    config.write_text("listen: {port: 8420}\n", encoding="ascii")
    with host.host.entered():
        ended = subprocess.run([BUILD / "flowlogd", "--config", config, "--state", tmp_path / "third"],
                               capture_output=True, text=True, timeout=20)
    assert ended.returncode == 4
    assert "listen: cannot listen on 127.0.0.1 port 8420: Address already in use" in ended.stderr
    first.stop()
