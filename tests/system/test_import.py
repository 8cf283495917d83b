# SPDX-License-Identifier: Apache-2.0
"""flowlog import: each record once, whatever comes again or late, and whenever it is killed."""

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import time

import pyarrow.parquet
import pytest

import services
from storing import (
    BUILD, HEADER, HOUR, KILLED, ROOT, STRIDE, answered, files, flowlog, kill_steps, line, once, seen, write_log
)

SAMPLES = ROOT / "tests/golden/flowlogs"


def counts(done):
    """Bad lines, records, inputs imported, known, failed: what the last line on standard error says."""
    return [int(number) for number in re.findall(r"\d+", done.stderr.splitlines()[-1])]


def bring(store, *inputs, **options):
    return flowlog("import", "--store", store, *inputs, **options)


def test_records_lie_where_aws_puts_them(tmp_path):
    store = tmp_path / "store"
    named = tmp_path / "111122223333_vpcflowlogs_us-east-1_fl-0a1b_20231114T2355Z_0a1b2c3d.log.gz"
    write_log(named, [1], 3598)  # ends in the next hour
    write_log(tmp_path / "plain.log", [2])
    bring(store, named, tmp_path / "plain.log")
    root = store / "AWSLogs"
    [one, other] = files(store)
    assert re.fullmatch(
        r"aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=us-east-1/year=2023/month=11/day=15/hour=00/"
        r"111122223333_vpcflowlogs_us-east-1_fl-0a1b_20231115T0000Z_[0-9a-f]{16}\.log\.parquet", str(one.relative_to(root)))
    assert re.fullmatch(
        r"aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=local/year=2023/month=11/day=14/hour=23/"
        r"123456789012_vpcflowlogs_local_fl-0{17}_20231114T2300Z_[0-9a-f]{16}\.log\.parquet", str(other.relative_to(root)))
    [row] = pyarrow.parquet.ParquetFile(other).read().to_pylist()
    assert row == dict(zip(HEADER.replace("-", "_").split(), [
        2, "123456789012", "eni-1", "192.0.2.1", "198.51.100.7", 1024, 443, 6, 1, 2, HOUR, HOUR + 5, "ACCEPT", "OK"]))


def test_what_was_imported_changes_nothing(tmp_path):
    store = tmp_path / "store"
    log = write_log(tmp_path / "in" / "a.log", range(50))
    assert counts(bring(store, log)) == [0, 50, 1, 0, 0]
    before = {path: path.stat().st_ino for path in files(store)}
    shutil.copy(log, tmp_path / "in" / "b.log")  # the same under another name
    assert counts(bring(store, tmp_path / "in")) == [0, 0, 0, 2, 0]
    assert {path: path.stat().st_ino for path in files(store)} == before
    write_log(tmp_path / "in" / "c.log", range(50, 60))
    shutil.copy(tmp_path / "in" / "c.log", tmp_path / "in" / "d.log")  # twice at once
    assert counts(bring(store, tmp_path / "in")) == [0, 10, 1, 3, 0]
    assert answered(store) == seen(store) == once(range(60))


def test_every_form(tmp_path):
    """Text, gzip, JSON, Parquet, standard input, globs: as many records as convert reads, with the same values."""
    store = tmp_path / "store"
    sources = tmp_path / "in"
    write_log(sources / "a.log", range(10))
    write_log(sources / "b.log.gz", range(10, 20))
    for number, name in ((20, "c.json"), (30, "d.parquet"), (40, "e.json.gz")):
        text = write_log(tmp_path / "text.log", range(number, number + 10))
        flowlog("convert", text, "--out", sources / name)
    stdin = "\n".join(line(number) for number in range(50, 60))
    bring(store, f"{sources}/*.log", f"{sources}/[b-e]*", "-", input=stdin)
    assert answered(store) == seen(store) == once(range(60))


def test_samples(tmp_path):
    """All samples at once: what comes out is what convert makes of them, field by field."""
    store = tmp_path / "store"
    done = bring(store, SAMPLES, status=0)
    names = flowlog("fields", "-o", "json").stdout.splitlines()
    columns = ", ".join(f'"{json.loads(name)["name"].replace("-", "_")}"' for name in dict.fromkeys(names))
    wanted = f"SELECT {columns} FROM flow_logs"
    direct = flowlog("query", "--from", SAMPLES, "-o", "json", wanted, status=None).stdout.splitlines()
    imported = flowlog("query", "--from", store, "-o", "json", wanted).stdout.splitlines()

    def plain(rows):  # a text that is missing is null in text and '-' in Parquet
        return sorted(json.dumps({key: value for key, value in json.loads(row).items() if value not in (None, "-")},
                                 sort_keys=True) for row in rows)

    assert plain(imported) == plain(direct)
    assert counts(done)[1] == len(direct) > 20


def test_bad_lines(tmp_path):
    store, rejects = tmp_path / "store", tmp_path / "rejects"
    bad = ["2 123456789012 eni-1 nonsense", line(7).replace("1024", "70000")]
    log = tmp_path / "a.log"
    log.write_text("\n".join([HEADER, line(1), bad[0], line(2), bad[1], line(3)]) + "\n")
    done = bring(store, log, "--rejects", rejects, "--strict", status=1)
    assert counts(done) == [2, 3, 1, 0, 0]
    assert [text.split(": ")[0] for text in done.stderr.splitlines()[:-1]] == [f"{log}:3", f"{log}:5"]
    assert rejects.read_text().splitlines() == bad
    assert answered(store) == once([1, 2, 3])
    bring(store, log, "--rejects", rejects, "--strict")  # nothing came, so nothing was bad
    assert rejects.read_text().splitlines() == bad


def test_an_input_that_breaks_off_is_left_out_until_it_is_mended(tmp_path):
    store, sources = tmp_path / "store", tmp_path / "in"
    whole = gzip.compress("".join(line(n) + "\n" for n in range(100, 4000)).encode())
    write_log(sources / "a.log", range(10))
    (sources / "b.log.gz").write_bytes(whole[: len(whole) // 2])
    (sources / "c.parquet").write_bytes(b"PAR1 and no more")
    write_log(sources / "d.log", range(10, 20))
    done = bring(store, sources, tmp_path / "none.log", status=4)
    assert counts(done) == [0, 20, 2, 0, 2]
    for name in ("b.log.gz", "c.parquet", "none.log"):
        told = [text for text in done.stderr.splitlines() if text.startswith("flowlog import: ") and name in text]
        assert len(told) == 1, done.stderr
    assert answered(store) == once(range(20))
    (sources / "b.log.gz").write_bytes(whole)
    (sources / "c.parquet").unlink()
    bring(store, sources)
    assert answered(store) == once([*range(20), *range(100, 4000)])


def test_hours_in_any_order(tmp_path):
    """More hours than files may be open, in random order."""
    store, log = tmp_path / "store", tmp_path / "a.log"
    numbers = list(range(1000))
    random.Random(4).shuffle(numbers)
    log.write_text("".join(line(number, number % 100 * 3600) + "\n" for number in numbers))
    bring(store, log)
    assert answered(store) == seen(store) == once(range(1000))
    for path in files(store):
        ends = pyarrow.parquet.ParquetFile(path).read(["end"]).column("end").to_pylist()
        assert len({end // 3600 for end in ends}) == 1
    assert len(files(store)) == 100


@pytest.mark.parametrize("arguments, status, words", [
    ([], 2, "an input is missing"),
    (["--input-format", "${nonsense}", "x"], 2, "--input-format"),
    (["--threads", "0", "x"], 2, "threads"),
    (["missing.log"], 4, "missing.log"),
    (["--rejects", "/nowhere/x", "/dev/null"], 4, "/nowhere/x"),
])
def test_usage(tmp_path, arguments, status, words):
    done = flowlog("import", "--store", tmp_path / "store", *arguments, status=status)
    assert words in done.stderr and "Usage" not in done.stderr


def killed_then_finished(store, sources, environment):
    """False when it came to its end before the step."""
    first = bring(store, sources, "--threads", "1", status=None, env=environment)
    if first.returncode != KILLED:
        assert first.returncode == 0, first.stderr
        return False
    meanwhile = seen(store)
    assert not meanwhile - once(range(60)), meanwhile
    bring(store, sources)
    assert seen(store) == once(range(60)), environment
    assert not list((store / ".flowlog" / "import").glob("*"))
    return True


def test_killed_at_each_step(tmp_path, kill_at):
    """Whatever step of it is the last, the next import makes it whole, and nothing is there twice."""
    sources = tmp_path / "in"
    write_log(sources / "a.log", range(20))
    write_log(sources / "b.log", range(20, 40), 7200)  # a file each
    write_log(sources / "c.log.gz", range(40, 60))

    def attempt(n):
        return killed_then_finished(tmp_path / f"store{n}", sources, kill_at(n))

    assert kill_steps(attempt) > 60 // STRIDE


def test_killed_at_any_moment(tmp_path):
    """Larger inputs, several at a time, killed again and again until it is done."""
    store, sources = tmp_path / "store", tmp_path / "in"
    for n in range(12):
        write_log(sources / f"{n}.log.gz", range(n * 20000, (n + 1) * 20000), n * 1000)
    generator = random.Random(9)
    for attempts in range(100):
        process = subprocess.Popen([BUILD / "flowlog", "import", "--store", store, sources],
                                   stderr=subprocess.DEVNULL)
        try:
            process.wait(generator.uniform(0.05, 0.4) + attempts * 0.1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            continue
        break
    assert process.returncode == 0 and attempts > 0
    rows = flowlog("query", "--from", store, "-o", "csv", "SELECT count(*), count(DISTINCT bytes) FROM flow_logs")
    assert rows.stdout.splitlines()[1] == "240000,240000"


@pytest.fixture
def service(moto):
    """Options and environment of a command that asks moto."""
    return {"options": ["--endpoint", moto.endpoint, "--region", services.REGION],
            "env": services.environment(**services.credentials())}


def test_s3(tmp_path, moto, service):
    """Objects are fetched once, whatever prefix they are asked for by, and known again as files."""
    client, bucket = services.client("s3", moto.endpoint), f"import-{os.getpid()}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": services.REGION})
    prefix = "p/AWSLogs/111122223333/vpcflowlogs/us-east-1/2023/11/14/111122223333_vpcflowlogs_us-east-1_fl-0a_20231114T23"
    log = write_log(tmp_path / "a.log.gz", range(10))
    client.upload_file(str(log), bucket, prefix + "00Z_00000001.log.gz")
    client.upload_file(str(write_log(tmp_path / "b.log.gz", range(10, 20), 300)), bucket, prefix + "05Z_00000002.log.gz")
    store, options = tmp_path / "store", service["options"]
    assert counts(bring(store, f"s3://{bucket}/p", *options, env=service["env"])) == [0, 20, 2, 0, 0]
    assert counts(bring(store, f"s3://{bucket}", *options, env=service["env"])) == [0, 0, 0, 2, 0]
    assert counts(bring(store, log)) == [0, 0, 0, 1, 0]
    client.upload_file(str(write_log(tmp_path / "c.log.gz", range(20, 30), 60)), bucket, prefix + "00Z_00000003.log.gz")
    assert counts(bring(store, f"s3://{bucket}/p", *options, env=service["env"])) == [0, 10, 1, 2, 0]
    assert answered(store) == seen(store) == once(range(30))
    assert all(path.name.startswith("111122223333_vpcflowlogs_us-east-1_fl-0a_") for path in files(store))
    other = tmp_path / "other"  # first as a file, then as an object, which is then known by its name as well
    bring(other, log)
    assert counts(bring(other, f"s3://{bucket}/p", *options, env=service["env"])) == [0, 20, 2, 1, 0]
    bring(store, f"s3://{bucket}-none/p", *options, env=service["env"], status=4)
    bring(store, f"s3://{bucket}/p", "--endpoint", "http://127.0.0.1:9", env=service["env"], status=3)


def test_cloudwatch(tmp_path, moto, service):
    """Events come once each; late ones and those that say the same as others come, too."""
    client, group = services.client("logs", moto.endpoint), f"/import/{os.getpid()}"
    client.create_log_group(logGroupName=group)
    now = int(time.time())

    def put(stream, numbers, seconds_ago):
        events = [{"timestamp": (now - seconds_ago) * 1000, "message": line(number, now - HOUR - seconds_ago)}
                  for number in numbers]
        client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    for stream in ("eni-1-all", "eni-2-all"):
        client.create_log_stream(logGroupName=group, logStreamName=stream)
    put("eni-1-all", range(10), 600)
    put("eni-2-all", range(10, 20), 500)
    store = tmp_path / "store"

    def again():
        return counts(bring(store, f"cloudwatch:{group}", *service["options"], env=service["env"]))[1]

    assert again() == 20 and again() == 0
    put("eni-1-all", range(20, 30), 400)
    put("eni-2-all", range(30, 40), 5000)  # late
    assert again() == 20 and again() == 0
    assert answered(store) == once(range(40))
    put("eni-2-all", range(30, 40), 5000)  # the same once more, as another event
    assert again() == 10 and sum(answered(store).values()) == 50
