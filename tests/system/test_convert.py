# SPDX-License-Identifier: Apache-2.0
"""flowlog convert: forms, formats, bad lines, exit statuses (contract.md 17 to 21)."""

import csv
import gzip
import io
import json
import os
import pathlib
import pty
import re
import subprocess
import threading
import zlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
FLOWLOGS = ROOT / "tests/golden/flowlogs"

NAMES = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
LINE = "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
NODATA = "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA"


def flowlog(*arguments, **options):
    options.setdefault("text", True)
    return subprocess.run([BUILD / "flowlog", *arguments], capture_output=True, timeout=120, check=False, **options)


def convert(*arguments, status=0, **options):
    done = flowlog("convert", *arguments, **options)
    assert done.returncode == status, done.stderr
    return done


def bad_lines(done):
    """The number that ends the report."""
    return int(re.search(r"\d+", done.stderr.splitlines()[-1]).group())


def line(**changes):
    values = dict(zip(NAMES.split(), LINE.split())) | {name.replace("_", "-"): value for name, value in changes.items()}
    return " ".join(values.values())


@pytest.fixture
def log(tmp_path):
    """Writes a file of the lines given and returns its path."""
    def write(*lines, name="in.log", end="\n"):
        path = tmp_path / name
        path.write_bytes("".join(text + end for text in lines).encode())
        return path
    return write


# Forms

@pytest.mark.parametrize("name", ["out", "out.log", "out.txt"])
def test_text_file(log, tmp_path, name):
    done = convert(log(LINE, NODATA), "--out", tmp_path / name)
    assert done.stdout == ""
    assert (tmp_path / name).read_text() == LINE + "\n" + NODATA + "\n"


def test_gzip_is_one_member_with_the_text(log, tmp_path):
    out = tmp_path / "out.log.gz"
    convert(log(*[LINE] * 20000), "--header", "--out", out)
    inflater = zlib.decompressobj(wbits=31)
    text = inflater.decompress(out.read_bytes())
    assert inflater.eof and inflater.unused_data == b""
    assert text.decode() == NAMES + "\n" + (LINE + "\n") * 20000
    assert convert(out, "--header").stdout == text.decode()


def test_gzip_ratio_and_determinism(log, tmp_path):
    lines = [line(srcport=str(i * 40503 % 65536), dstaddr=f"172.{i % 31}.{i * 7 % 256}.{i * 131 % 256}", bytes=str(i * 977 % 99991))
             for i in range(20000)]
    source = log(*lines)
    for name in ("a.log.gz", "b.log.gz"):
        convert(source, "--out", tmp_path / name)
    packed = (tmp_path / "a.log.gz").read_bytes()
    assert packed == (tmp_path / "b.log.gz").read_bytes()
    assert len(packed) * 3 < source.stat().st_size


def test_json_lines(log, tmp_path):
    out = tmp_path / "out.json"
    convert(log(LINE, NODATA), "--out", out)
    accepted, nodata = [json.loads(text) for text in out.read_text().splitlines()]
    assert accepted == {"version": 2, "account-id": "123456789010", "interface-id": "eni-1235b8ca123456789",
                        "srcaddr": "172.31.16.139", "dstaddr": "172.31.16.21", "srcport": 20641, "dstport": 22, "protocol": 6,
                        "packets": 20, "bytes": 4249, "start": 1418530010, "end": 1418530070, "action": "ACCEPT",
                        "log-status": "OK"}
    assert nodata["srcaddr"] is None and nodata["packets"] is None and nodata["start"] == 1431280876
    assert convert(out, "--header").stdout == f"{NAMES}\n{LINE}\n{NODATA}\n"


def test_json_gz_and_back(log, tmp_path):
    convert(log(LINE), "--out", tmp_path / "out.json.gz")
    assert json.loads(gzip.decompress((tmp_path / "out.json.gz").read_bytes()))["dstport"] == 22
    assert convert(tmp_path / "out.json.gz").stdout == LINE + "\n"


def test_csv(log, tmp_path):
    convert(log(LINE, NODATA), "--out", tmp_path / "out.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert rows[0] == dict(zip(NAMES.split(), LINE.split()))
    assert rows[1]["srcaddr"] == "" and rows[1]["log-status"] == "NODATA"


def test_form_can_be_asked_for(log, tmp_path):
    assert json.loads(convert(log(LINE), "-o", "json").stdout)["bytes"] == 4249
    assert convert(log(LINE), "-ocsv").stdout.splitlines()[0] == NAMES.replace(" ", ",")
    convert(log(LINE), "--as=json", "--out", tmp_path / "odd.log.gz")
    assert json.loads(gzip.decompress((tmp_path / "odd.log.gz").read_bytes()))["bytes"] == 4249


def test_standard_input(log):
    assert convert("-", input=LINE).stdout == LINE + "\n"
    packed = gzip.compress(LINE.encode())
    assert convert("-", input=packed, text=False).stdout.decode() == LINE + "\n"


def test_forms_that_are_not_written_or_read(log, tmp_path):
    done = convert(log(LINE), "--out", tmp_path / "out.log.zst", status=2)
    assert "out.log.zst" in done.stderr and not (tmp_path / "out.log.zst").exists()
    foreign = tmp_path / "in.log.zst"
    foreign.write_bytes(bytes.fromhex("28b52ffd") + bytes([255]) * 100)
    assert "zstd data are damaged" in convert(foreign, status=4).stderr


# Formats

def test_custom_format_and_version(log):
    done = convert(log(LINE), "--format", "${version} ${vpc-id} ${dstport} ${dstport} ${log-status}", "--header")
    assert done.stdout == "version vpc-id dstport dstport log-status\n3 - 22 22 OK\n"


def test_same_format_is_written_as_read_but_where_it_is_not(log):
    """Lines of the output's own format are copied; what is written otherwise than it stands there is not."""
    done = convert(log(LINE, line(srcport="020641", packets="007"), line(version="3"), line(start="1418530010000"), NODATA,
                       line(srcaddr="2001:DB8::1"), end="\r\n"))
    assert done.stdout.splitlines() == [LINE, line(packets="7"), LINE, LINE, NODATA, line(srcaddr="2001:DB8::1")]
    twice = "${bytes} ${dstport} ${bytes}"
    assert convert(log("1 22 3"), "--input-format", twice, "--format", twice).stdout == "3 22 3\n"


def test_all(log):
    header, record = convert(log(LINE), "--format", "all", "--header").stdout.splitlines()
    names = header.split()
    assert len(names) == len(record.split()) and names[:14] == NAMES.split() and names[53] == "next-hop-interface-type"
    assert all(name.startswith("x-") for name in names[54:])
    assert record.split()[0] == "11"
    assert record.split()[14:] == ["-"] * (len(names) - 14)


def test_input_format(log):
    path = log("22 172.31.16.21", "443 ::1")
    done = convert(path, "--input-format", "${dstport} ${dstaddr}", "--format", "${dstaddr} ${dstport} ${action}")
    assert done.stdout == "172.31.16.21 22 -\n::1 443 -\n"
    assert convert(log(LINE), "--input-format", "default").stdout == LINE + "\n"


def test_header_line_goes_before_input_format(log):
    assert convert(log(NAMES, LINE), "--input-format", "${dstport} ${dstaddr}").stdout == LINE + "\n"


def test_any_column_order(log):
    names, values = NAMES.split()[::-1], LINE.split()[::-1]
    assert convert(log(" ".join(names), " ".join(values))).stdout == LINE + "\n"


def test_lost_fields_are_said_unless_chosen(log):
    path = log("start end vpc-id", "1 2 vpc-1")
    assert "vpc-id" in convert(path).stderr
    assert "vpc-id" not in convert(path, "--format", "default").stderr
    assert json.loads(convert(path, "-o", "json").stdout) == {"start": 1, "end": 2, "vpc-id": "vpc-1"}


@pytest.mark.parametrize("text,says", [
    (" ${version}", "position 1"), ("${version} ", "position 11"), ("${version}  ${end}", "position 12"),
    ("$${version}", "position 2"), ("${}", "position 3"), ("${srcadr}", "'srcaddr'"), ("${SRCADDR}", "'srcaddr'"),
    ("${version},${end}", "position 11"), ("${version} ${end", "position 14"), ("", "empty"), ("version", "position 1"),
    ("${version}\n", "position 11"),
])
@pytest.mark.parametrize("option", ["--format", "--input-format"])
def test_refused_formats(log, tmp_path, option, text, says):
    out = tmp_path / "out.log"
    done = convert(log(LINE), option, text, "--out", out, status=2)
    assert done.stdout == "" and not out.exists()
    assert len(done.stderr.splitlines()) == 1 and option in done.stderr
    if text != "${version} ":
        assert says in done.stderr


# Bad lines

BAD = {
    "too few": LINE.rsplit(" ", 1)[0],
    "too many": LINE + " OK",
    "two spaces": LINE.replace(" 22 ", "  22 "),
    "trailing space": LINE + " ",
    "no number": line(dstport="ssh"),
    "negative": line(packets="-5"),
    "port": line(srcport="65536"),
    "protocol": line(protocol="256"),
    "bytes": line(bytes="9223372036854775808"),
    "huge": line(bytes="1" * 400),
    "fraction": line(packets="1.5"),
    "start": line(start="-"),
    "end": line(end="-"),
    "address": line(srcaddr="172.31.16.256"),
    "address of six": line(dstaddr="2001:db8::1::2"),
    "name": line(dstaddr="localhost"),
    "action": line(action="DROP"),
    "action in lower case": line(action="accept"),
    "status": line(log_status="FINE"),
    "tab": LINE.replace(" ", "\t", 1),
    "escape": line(interface_id="eni\x1b[31m"),
    "words": "this is no record",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad_line(log, tmp_path, bad):
    rejects = tmp_path / "rejects"
    path = log(NAMES, LINE, bad, NODATA)
    for options, status in (([], 0), (["--strict"], 1)):
        done = convert(path, "--rejects", rejects, *options, status=status)
        assert done.stdout == f"{LINE}\n{NODATA}\n"
        assert rejects.read_text() == bad + "\n"
        reports = done.stderr.splitlines()
        assert len(reports) == 2 and reports[0].startswith(f"{path}:3: ")
        assert len(reports[0]) > len(f"{path}:3: ") and "\x1b" not in reports[0]
        assert bad_lines(done) == 1


NOT_BAD = {
    "CRLF": f"{NAMES}\r\n{LINE}\r\n",
    "no last newline": f"{NAMES}\n{LINE}",
    "CR and no newline": f"{NAMES}\r\n{LINE}\r",
    "blank lines": f"\n\n{LINE}\n\n\n",
    "blanks": f"   \n\t\n{LINE}\n \t \r\n",
    "comments": f"# of AWS\n#\n{LINE}\n  # indented\n#{LINE}\n",
    "repeated header": f"{NAMES}\n{NAMES}\n{LINE}\n{NAMES}\n",
    "underscores in the header": f"{NAMES.replace('-', '_')}\n{LINE}\n",
    "milliseconds": line(start="1418530010123", end="1418530070999"),
    "unknown account": f"{NAMES}\n{LINE}\n",
}


@pytest.mark.parametrize("text", NOT_BAD.values(), ids=NOT_BAD.keys())
def test_not_bad(tmp_path, text):
    path = tmp_path / "in.log"
    path.write_bytes(text.encode())
    done = convert(path, "--strict")
    assert done.stdout == LINE + "\n"
    assert bad_lines(done) == 0 and len(done.stderr.splitlines()) == 1


def test_rejects_are_in_order_and_verbatim(log, tmp_path):
    bad = ["one", "two two\r", "  three", "#no: 4".replace("#", "x"), "fünf"]
    path = log(NAMES, bad[0], LINE, *bad[1:3], LINE, *bad[3:])
    done = convert(path, "--rejects", tmp_path / "rejects")
    assert (tmp_path / "rejects").read_bytes() == "".join(text + "\n" for text in bad).encode()
    assert [int(report.split(":")[1]) for report in done.stderr.splitlines()[:-1]] == [2, 4, 5, 7, 8]
    assert bad_lines(done) == 5


def test_rejects_may_be_read_again(log, tmp_path):
    """Mended lines come out where the bad ones went in."""
    convert(log(line(dstport="65536")), "--rejects", tmp_path / "rejects")
    mended = (tmp_path / "rejects").read_text().replace("65536", "22")
    assert convert("-", input=mended).stdout == LINE + "\n"


def test_changed_header_in_the_middle(log):
    path = log("start end dstport", "1 2 22", "dstport start end", "443 3 4", "443 3")
    done = convert(path, "--format", "${start} ${end} ${dstport}")
    assert done.stdout == "1 2 22\n3 4 443\n" and bad_lines(done) == 1


def test_unknown_column_is_left_out_and_said(log):
    done = convert(log("start new-field end", "1 x 2"), "--format", "${start} ${end}", "--strict", status=1)
    assert done.stdout == "1 2\n" and "new-field" in done.stderr


def test_very_long_line(log, tmp_path):
    path = log(LINE, "x" * 50_000_000, LINE)
    done = convert(path, "--rejects", tmp_path / "rejects")
    assert done.stdout == f"{LINE}\n{LINE}\n" and bad_lines(done) == 1
    assert (tmp_path / "rejects").stat().st_size == 50_000_001


def test_binary_noise(tmp_path):
    path = tmp_path / "noise"
    path.write_bytes(bytes(i * i * 7919 >> 3 & 255 for i in range(300000)))
    done = convert(path)
    assert done.stdout == "" and bad_lines(done) > 0


# Gzip

def test_concatenated_members(log, tmp_path):
    path = tmp_path / "in.gz"
    half = len(LINE) // 2
    path.write_bytes(gzip.compress((LINE + "\n" + LINE[:half]).encode()) + gzip.compress(b"") +
                     gzip.compress((LINE[half:] + "\n").encode()) + bytes(100))
    assert convert(path).stdout == f"{LINE}\n{LINE}\n"


def test_cut_gzip(tmp_path):
    lines = [line(srcport=str(i * 40503 % 65536), bytes=str(i * 7919 % 1000003)) for i in range(50000)]
    packed = gzip.compress(("\n".join(lines) + "\n").encode())
    path = tmp_path / "cut.log.gz"
    path.write_bytes(packed[:len(packed) * 2 // 3])
    done = convert(path, "--out", tmp_path / "out.log", status=4)
    got = (tmp_path / "out.log").read_text().splitlines()
    assert 20000 < len(got) < 50000 and got == lines[:len(got)]
    assert str(path) in done.stderr and "cut off" in done.stderr


def test_damaged_gzip(tmp_path):
    packed = bytearray(gzip.compress((LINE + "\n").encode() * 1000))
    packed[-6] ^= 1
    path = tmp_path / "damaged.log.gz"
    path.write_bytes(packed)
    assert "damaged" in convert(path, status=4).stderr


# JSON

def test_json_bad_lines(log, tmp_path):
    good = {"srcaddr": "10.0.0.1", "start": 1, "end": "2", "log_status": "OK", "other": [1]}
    bad = ['{"start": -1}', '{"start": 1,', "nonsense", '{"srcport": 65536}', '{"hello": 1}', "[]", '{"action": "DROP"}']
    path = log(json.dumps(good), *bad, json.dumps(good), name="in.json")
    done = convert(path, "--rejects", tmp_path / "rejects", "--format", "${srcaddr} ${start} ${end} ${log-status}")
    assert done.stdout == "10.0.0.1 1 2 OK\n" * 2
    assert bad_lines(done) == len(bad)
    assert (tmp_path / "rejects").read_text().splitlines() == bad


def test_cloudwatch_subscription(tmp_path):
    sample = FLOWLOGS / "otel-cloudwatch-subscription-custom.json"
    custom = "${version} ${interface-id} ${srcaddr} ${dstaddr}"
    expected = "2 eni-1235b8ca123456789 172.31.16.139 172.31.16.21\n2 eni-1235b8ca123456789 172.31.9.69 172.31.9.12\n"
    pretty = tmp_path / "pretty.json"
    pretty.write_text(json.dumps(json.loads(sample.read_text()), indent=2))
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(sample.read_bytes()) * 2)
    assert convert(sample, "--input-format", custom, "--format", custom).stdout == expected
    assert convert(pretty, "--input-format", custom, "--format", custom).stdout == expected
    assert convert(packed, "--input-format", custom, "--format", custom).stdout == expected * 2


def test_firehose_messages(log):
    path = log(json.dumps({"message": LINE}) * 3, end="")
    assert convert(path).stdout == (LINE + "\n") * 3


# Files and exit statuses

def test_missing_input_and_the_others(log, tmp_path):
    done = convert("/nowhere/x.log", log(LINE), "/nowhere/y.log", "--out", tmp_path / "out.log", status=4)
    assert (tmp_path / "out.log").read_text() == LINE + "\n"
    assert "/nowhere/x.log" in done.stderr and "/nowhere/y.log" in done.stderr


def test_missing_input_alone(tmp_path):
    done = convert("/nowhere/x.log", "--out", tmp_path / "out.log", status=4)
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out.log").exists()


def test_folder_as_input(tmp_path):
    assert str(tmp_path) in convert(tmp_path, status=4).stderr


def test_wrong_usage(log):
    for arguments in ([], [log(LINE), "--formt", "all"], [log(LINE), "--out"], [log(LINE), "-o", "xml"],
                      [log(LINE), "--strict=1"], [log(LINE), "--rejects", log(LINE)]):
        done = convert(*arguments, status=2)
        assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
    assert "'--format'" in convert("--formt", "all", status=2).stderr
    assert log(LINE).read_text() == LINE + "\n"


def test_output_cannot_be_made(log):
    assert "/nowhere/out.log" in convert(log(LINE), "--out", "/nowhere/out.log", status=4).stderr
    assert "/nowhere/rejects" in convert(log(LINE), "--rejects", "/nowhere/rejects", status=4).stderr


def test_full_disk(log):
    done = convert(log(*[LINE] * 10000), "--out", "/dev/full", status=4)
    assert "No space left" in done.stderr
    assert "/dev/full" in convert(log("bad"), "--rejects", "/dev/full", status=4).stderr


def test_output_over_an_input(log):
    path = log(NODATA, LINE)
    convert(path, "--out", path, "--header")
    assert path.read_text() == f"{NAMES}\n{NODATA}\n{LINE}\n"
    assert sorted(entry.name for entry in path.parent.iterdir()) == [path.name]


def test_nothing_in_is_nothing_out(log, tmp_path):
    done = convert(log(), "--header", "--out", tmp_path / "out.log")
    assert (tmp_path / "out.log").read_text() == NAMES + "\n" and bad_lines(done) == 0


def test_two_dashes_end_options(tmp_path):
    (tmp_path / "--strict").write_text(LINE)
    assert convert("--", "--strict", cwd=tmp_path).stdout == LINE + "\n"


def test_many_files_are_one_stream(log):
    paths = [log(NAMES, line(srcport=str(i)), name=f"{i}.log") for i in range(300)]
    assert convert(*paths).stdout.splitlines() == [line(srcport=str(i)) for i in range(300)]


def test_progress_on_a_terminal_only(log):
    path = log(*[LINE] * 1_000_000)
    control, terminal = pty.openpty()
    shown = bytearray()

    def watch():
        while True:
            try:
                shown.extend(os.read(control, 65536))
            except OSError:
                return
    watcher = threading.Thread(target=watch)
    watcher.start()
    with open("/dev/null", "wb") as null:
        # Three times the file, so that it takes longer than what passes without a word.
        subprocess.run([BUILD / "flowlog", "convert", *[path] * 3], stdout=null, stderr=terminal, timeout=300, check=True)
    os.close(terminal)
    watcher.join()
    os.close(control)
    text = shown.decode()
    assert re.search(r"MB of .* records/s", text) and text.rstrip().endswith("bad lines: 0; records: 3000000")
    assert convert(path, "--out", "/dev/null").stderr.splitlines() == ["bad lines: 0; records: 1000000"]
