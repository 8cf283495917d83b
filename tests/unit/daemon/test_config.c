/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "daemon/config_keys.h"
#include "daemon/config_reader.h"

#define STATE "/var/lib/flowlog"
#define TEXT_MAX (1024 * 1024)

/* What cli.md shows, less the destinations that this version lacks. */
static const char full_example[] =
    "attribution: nftrace\n"
    "account: \"123456789012\"\n"
    "region: eu-central-1\n"
    "topology:\n"
    "  interfaces:\n"
    "    - device: \"tap*\"                   # name or glob; hot-plugged ones join as they appear\n"
    "      role: port                       # nic | port\n"
    "      interface-id: derived\n"
    "      subnet-id: by-address\n"
    "      addresses: [10.77.1.5, '2001:db8::5']\n"
    "  subnets:\n"
    "    - {subnet-id: subnet-0a, vpc-id: vpc-0a, cidr: 10.77.1.0/24, az-id: lab-az1}\n"
    "capture: {map-entries: 4096, exclude: [dhcp, time-sync], attach: clsact}\n"
    "store: {path: /srv/store, retain: 7d, max-size: 2G, compact-after: 0s}\n"
    "listen: {address: 127.0.0.1, port: 8420}\n"
    "flow-logs:                             # declared here, or created through the API\n"
    "  - {name: local, resource: all, traffic-type: ALL, interval: 60, format: all, destination: "
    "\"file:///srv/store\", file-format: json}\n"
    "  - {name: archive, resource: vpc-0a, destination: \"file:///srv/archive/p\", hive: true, hourly: "
    "true}\n"
    "  - {name: ops, resource: subnet-0a, traffic-type: REJECT, destination: stdout, format: \"${srcaddr} "
    "${end}\"}\n";

static int parse(struct config *config, const char *text, struct config_report *report)
{
    return config_parse(config, text, strlen(text), "f.yaml", STATE, report);
}

/* For texts that must be right. */
static void parse_right(struct config *config, const char *text)
{
    struct config_report report CLEANUP(config_report_done);
    int r = parse(config, text, &report);
    if (r < 0)
        fail_msg("%s", buf_string(&report.mistakes));
    assert_int_equal(report.mistake_count, 0);
}

static void test_no_file_is_the_built_in_configuration(void **state)
{
    struct config config AUTO_CONFIG;
    struct config_report report CLEANUP(config_report_done);
    assert_int_equal(config_load(&config, NULL, STATE, &report), 0);
    assert_string_equal(config.topology.account, "000000000000");
    assert_int_equal(config.topology.rule_count, 1);
    assert_string_equal(config.topology.rules[0].device, "*");
    assert_int_equal(config.topology.rules[0].role, INTERFACE_NIC);
    assert_int_equal(config.capture.map_entries, 262144);
    assert_int_equal(config.capture.max_flows, 1048576);
    assert_int_equal(config.capture.attach, CAPTURE_ATTACH_AUTO);
    assert_int_equal(config.flow_log_count, 1);
    const struct flow_log *log = &config.flow_logs[0];
    assert_int_equal(log->interval, 60);
    assert_int_equal(log->traffic_type, TRAFFIC_ALL);
    assert_int_equal(log->file_format, FILE_FORMAT_PARQUET);
    assert_int_equal(log->codec, PARQUET_ZSTD);
    assert_int_equal(log->place.kind, DESTINATION_FILE);
    assert_string_equal(log->place.folder, STATE "/store");
    assert_true(log->hive && log->hourly);
    assert_int_equal(config.store.retain, 30 * 86400);
    assert_int_equal(config.store.max_size, 0);
    struct format all;
    assert_int_equal(format_parse(&all, "all", NULL), 0);
    assert_int_equal(log->format.count, all.count);
}

static void test_an_empty_file_is_the_same(void **state)
{
    static const char *const texts[] = {"",   "\n\n",       "# nothing\n", "---\n",
                                        "{}", "capture:\n", "flow-logs:\n"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct config config AUTO_CONFIG;
        parse_right(&config, texts[i]);
        assert_int_equal(config.topology.rule_count, 1);
        assert_int_equal(config.flow_log_count, 1);
    }
}

static void test_an_empty_list_is_not_the_default(void **state)
{
    struct config config AUTO_CONFIG;
    parse_right(&config, "flow-logs: []\ntopology: {interfaces: []}\n");
    assert_int_equal(config.flow_log_count, 0);
    assert_int_equal(config.topology.rule_count, 0);
}

static void test_a_relative_state_folder_is_made_absolute(void **state)
{
    char here[4096];
    char store[4200];
    assert_non_null(getcwd(here, sizeof here));
    (void)snprintf(store, sizeof store, "%s/st/store", here);
    struct config config AUTO_CONFIG;
    struct config_report report CLEANUP(config_report_done);
    assert_int_equal(config_load(&config, NULL, "st", &report), 0);
    assert_string_equal(config.flow_logs[0].place.folder, store);
}

static void check_full_topology(const struct topology *topology)
{
    assert_string_equal(topology->account, "123456789012");
    assert_string_equal(topology->region, "eu-central-1");
    assert_int_equal(topology->rule_count, 1);
    assert_string_equal(topology->rules[0].device, "tap*");
    assert_int_equal(topology->rules[0].role, INTERFACE_PORT);
    assert_string_equal(topology->rules[0].interface_id, "derived");
    assert_string_equal(topology->rules[0].vpc_id, "by-address");
    assert_int_equal(topology->rules[0].address_count, 2);
    assert_int_equal(topology->rules[0].addresses[1].family, 6);
    assert_int_equal(topology->subnet_count, 1);
    assert_string_equal(topology->subnets[0].az_id, "lab-az1");
    assert_int_equal(topology->subnets[0].cidr.prefix, 24);
}

static void test_every_key_arrives(void **state)
{
    struct config config AUTO_CONFIG;
    parse_right(&config, full_example);
    check_full_topology(&config.topology);
    assert_int_equal(config.capture.map_entries, 4096);
    assert_int_equal(config.capture.attach, CAPTURE_ATTACH_CLSACT);
    assert_int_equal(config.capture.exclude, EXCLUDE_DHCP | EXCLUDE_TIME_SYNC);
    assert_int_equal(config.attribution, ATTRIBUTION_NFTRACE);
    assert_string_equal(config.store_path, "/srv/store");
    assert_int_equal(config.store.retain, 7 * 86400);
    assert_int_equal(config.store.max_size, 2ULL << 30);
    assert_int_equal(config.store.compact_after, 0);
    assert_int_equal(config.listen_port, 8420);
    assert_int_equal(config.flow_log_count, 3);
    const struct flow_log *logs = config.flow_logs;
    assert_int_equal(logs[0].interval, 60);
    assert_int_equal(logs[0].file_format, FILE_FORMAT_JSON);
    assert_int_equal(logs[1].interval, 600);
    assert_int_equal(logs[1].format.count, 14);
    assert_true(logs[1].hive && logs[1].hourly);
    assert_false(logs[0].hive || logs[0].hourly);
    assert_string_equal(logs[1].place.folder, "/srv/archive/p");
    assert_int_equal(logs[2].place.kind, DESTINATION_STDOUT);
    assert_int_equal(logs[2].traffic_type, TRAFFIC_REJECT);
    assert_int_equal(logs[2].format.count, 2);
}

static void test_listener_is_loopback_unless_told(void **state)
{
    static const char *const refused[] = {"0.0.0.0", "192.0.2.1", "::", "2001:db8::1", "localhost"};
    static const char with_tls[] = "listen: {address: '::', certificate: /c.pem, key: /k.pem}";
    struct config config AUTO_CONFIG;
    parse_right(&config, "");
    assert_false(config.listen_declared);
    assert_string_equal(config.listen_address, "127.0.0.1");
    assert_int_equal(config.listen_port, 8420);
    struct config declared AUTO_CONFIG;
    parse_right(&declared, "listen: {address: '::1'}");
    assert_true(declared.listen_declared);
    assert_int_equal(declared.listen_port, 8420);
    struct config open AUTO_CONFIG;
    parse_right(&open, with_tls);
    assert_string_equal(open.listen_key, "/k.pem");
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct config wrong AUTO_CONFIG;
        struct config_report report CLEANUP(config_report_done);
        AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
        buf_printf(&text, "listen: {address: '%s'}", refused[i]);
        assert_int_equal(parse(&wrong, buf_string(&text), &report), -EINVAL);
        assert_non_null(strstr(buf_string(&report.mistakes), "listen.address: found '"));
    }
}

static void test_printed_it_reads_back_as_it_was(void **state)
{
    struct config config AUTO_CONFIG;
    struct config again AUTO_CONFIG;
    AUTO_BUF struct buf printed = BUF_INIT(TEXT_MAX);
    AUTO_BUF struct buf printed_again = BUF_INIT(TEXT_MAX);
    parse_right(&config, full_example);
    config_print(&config, &printed);
    parse_right(&again, buf_string(&printed));
    config_print(&again, &printed_again);
    assert_string_equal(buf_string(&printed), buf_string(&printed_again));
    check_full_topology(&again.topology);
    assert_int_equal(again.flow_log_count, 3);
    for (size_t i = 0; i < again.flow_log_count; i++) {
        assert_true(flow_log_equal(&config.flow_logs[i], &again.flow_logs[i]));
        assert_string_equal(config.flow_logs[i].id, again.flow_logs[i].id);
    }
}

/* One wrong thing each, and the line that says so. */
static const struct {
    const char *text;
    const char *mistake;
} mistakes[] = {
    {"acount: 1",
     "f.yaml:1: acount: found an unknown key, allowed: account, region, topology, capture, store, "
     "spool, listen, flow-logs, api-destinations, attribution; the nearest is 'account'"},
    {"\ncapture:\n  atach: tcx",
     "f.yaml:3: capture.atach: found an unknown key, allowed: map-entries, max-flows, "
     "attach, pin-path, exclude; the nearest is 'attach'"},
    {"{[a]: b}", "f.yaml:1: found a list as a key, allowed: a name"},
    {"account: 12", "f.yaml:1: account: found '12', allowed: 12 digits"},
    {"account: 12345678901x", "f.yaml:1: account: found '12345678901x', allowed: 12 digits"},
    {"account:", "f.yaml:1: account: found nothing, allowed: 12 digits"},
    {"account: ''", "f.yaml:1: account: found '', allowed: 12 digits"},
    {"account: ~", "f.yaml:1: account: found nothing, allowed: 12 digits"},
    {"account: \"123456789012\\0\"", "f.yaml:1: account: found '123456789012', allowed: 12 digits"},
    {"region: [a]", "f.yaml:1: region: found a list, allowed: up to 31 lower-case letters, digits and '-'"},
    {"region: a_b", "f.yaml:1: region: found 'a_b', allowed: up to 31 lower-case letters, digits and '-'"},
    {"region: a\nregion: b", "f.yaml:2: region: found again, allowed: once; the first is in line 1"},
    {"- a", "f.yaml:1: found no map, allowed: a map of keys"},
    {"capture: 5", "f.yaml:1: capture: found '5', allowed: a map of keys"},
    {"capture: {map-entries: 1023}",
     "f.yaml:1: capture.map-entries: found '1023', allowed: 1024 to 16777216"},
    {"capture: {map-entries: 16777217}",
     "f.yaml:1: capture.map-entries: found '16777217', allowed: 1024 to 16777216"},
    {"capture: {map-entries: 99999999999999999999999}",
     "f.yaml:1: capture.map-entries: found '99999999999999999999999', allowed: 1024 to 16777216"},
    {"capture: {attach: xdp}", "f.yaml:1: capture.attach: found 'xdp', allowed: auto, tcx or clsact"},
    {"capture: {pin-path: here}",
     "f.yaml:1: capture.pin-path: found 'here', allowed: an absolute path on a bpf "
     "file system"},
    {"capture: {exclude: dhcp}", "f.yaml:1: capture.exclude: found 'dhcp', allowed: a list of dhcp, "
                                 "instance-metadata, time-sync and amazon-dns"},
    {"capture: {exclude: [dns]}",
     "f.yaml:1: capture.exclude[0]: found 'dns', allowed: dhcp, instance-metadata, "
     "time-sync or amazon-dns"},
    {"listen: {certificate: /c.pem}", "f.yaml:1: listen.key: missing: listen.certificate needs it"},
    {"listen: {key: /k.pem}", "f.yaml:1: listen.certificate: missing: listen.key needs it"},
    {"topology: {documents: x}", "f.yaml:1: topology.documents: found 'x', allowed: an absolute path"},
    {"api-destinations: [{type: s4}]", "f.yaml:1: api-destinations[0].type: found 's4', allowed: "
                                       "cloud-watch-logs, s3 or kinesis-data-firehose"},
    {"api-destinations:\n- {type: s3}\n- {type: s3}\n",
     "f.yaml:3: api-destinations[1].type: found 's3' as in api-destinations[0], allowed: once"},
    {"api-destinations: [{type: cloud-watch-logs, acl: private}]",
     "f.yaml:1: api-destinations[0].acl: found for destination 'cloud-watch-logs', allowed: only with s3"},
    {"topology: {interfaces: eth0}", "f.yaml:1: topology.interfaces: found 'eth0', allowed: a list of maps"},
    {"topology: {interfaces: [eth0]}",
     "f.yaml:1: topology.interfaces[0]: found no map, allowed: a map of keys"},
    {"topology: {interfaces: [{role: nic}]}",
     "f.yaml:1: topology.interfaces[0].device: missing, allowed: the name "
     "of a network device, or a glob of names"},
    {"topology: {interfaces: [{device: 'tap['}]}", "f.yaml:1: topology.interfaces[0].device: found 'tap[', "
                                                   "allowed: the name of a network device, or a glob of "
                                                   "names"},
    {"topology: {interfaces: [{device: a-name-too-long0}]}",
     "f.yaml:1: topology.interfaces[0].device: found 'a-name-too-long0', allowed: the name of a network "
     "device, or "
     "a glob of names"},
    {"topology: {interfaces: [{device: a/b}]}", "f.yaml:1: topology.interfaces[0].device: found 'a/b', "
                                                "allowed: the name of a network device, or a glob of "
                                                "names"},
    {"topology: {interfaces: [{device: a, role: router}]}",
     "f.yaml:1: topology.interfaces[0].role: found 'router', allowed: nic or port"},
    {"topology: {interfaces: [{device: a, interface-id: eni}]}",
     "f.yaml:1: topology.interfaces[0].interface-id: found 'eni', allowed: derived or an id eni-..."},
    {"topology: {interfaces: [{device: a, interface-id: 'eni-0 1'}]}",
     "f.yaml:1: topology.interfaces[0].interface-id: found 'eni-0 1', allowed: derived or an id eni-..."},
    {"topology: {interfaces: [{device: a, role: port, addresses: [10.0.0.1, 10.0.0]}]}",
     "f.yaml:1: topology.interfaces[0].addresses[1]: found '10.0.0', allowed: an IPv4 or IPv6 address"},
    {"topology: {interfaces: [{device: a, addresses: [10.0.0.1]}]}",
     "f.yaml:1: topology.interfaces[0].addresses: found for a nic, allowed: only with role: port"},
    {"topology:\n  interfaces:\n  - device: a\n  - device: b\n  - device: a\n",
     "f.yaml:5: topology.interfaces[2].device: found 'a' as in interfaces[0], which hides this entry"},
    {"topology:\n  interfaces:\n  - {device: a, interface-id: eni-1}\n  - {device: b, interface-id: eni-1}\n",
     "f.yaml:4: topology.interfaces[1].interface-id: found 'eni-1' as in interfaces[0], allowed: an id of "
     "its own"},
    {"topology: {subnets: [{subnet-id: subnet-1, cidr: 10.0.0.0/33}]}",
     "f.yaml:1: topology.subnets[0].cidr: found '10.0.0.0/33', allowed: an address block as in 10.0.0.0/16 "
     "or "
     "2001:db8::/56"},
    {"topology: {subnets: [{cidr: 10.0.0.0/8}]}",
     "f.yaml:1: topology.subnets[0].subnet-id: missing, allowed: an id subnet-..."},
    {"topology: {subnets: [{subnet-id: subnet-1, cidr: 10.0.0.0/8}, {subnet-id: subnet-2, cidr: "
     "10.1.0.0/8}]}",
     "f.yaml:1: topology.subnets[1].cidr: found the block of subnets[0], allowed: one of its own"},
    {"topology: {subnets: [{subnet-id: subnet-1, cidr: 10.0.0.0/8, vpc-id: vpc-1}, "
     "{subnet-id: subnet-1, cidr: 'fd00::/64', vpc-id: vpc-2}]}",
     "f.yaml:1: topology.subnets[1].vpc-id: found 'vpc-2', but subnets[0] puts subnet-1 into 'vpc-1'"},
    {"flow-logs: [{name: a}]",
     "f.yaml:1: flow-logs[0].destination: missing, allowed: file:///FOLDER, "
     "stdout, s3://BUCKET[/PREFIX], cloudwatch:GROUP, firehose:STREAM or kafka://HOST:PORT/TOPIC"},
    {"flow-logs: [{destination: 's3://Bucket/p'}]",
     "f.yaml:1: flow-logs[0].destination: found bucket 'Bucket', allowed: 3 to 63 lower-case letters, "
     "digits, '-' and "
     "'.', with a letter or digit at both ends"},
    {"flow-logs: [{destination: 'arn:aws:s3:::bucket/a/AWSLogs/'}]",
     "f.yaml:1: flow-logs[0].destination: found prefix 'a/AWSLogs', but AWSLogs is the name of a folder made "
     "below it"},
    {"flow-logs: [{destination: 's3://bucket', proxy: 'http://u:p@x:1'}]",
     "f.yaml:1: flow-logs[0].proxy: found a user or password, allowed: only in https_proxy of the daemon's "
     "environment"},
    {"flow-logs: [{destination: 's3://bucket', kms-key: 'arn:aws:kms:r:1:key/2'}]",
     "f.yaml:1: flow-logs[0].kms-key: found without encryption: sse-kms, which it is for"},
    {"flow-logs: [{destination: stdout, acl: private}]",
     "f.yaml:1: flow-logs[0].acl: found for destination 'stdout', allowed: only with s3"},
    {"flow-logs: [{destination: 's3://bucket', external-id: e}]",
     "f.yaml:1: flow-logs[0].external-id: found without role-arn, which it is for"},
    {"flow-logs: [{destination: 'cloudwatch:g', use-fips: true, endpoint: 'http://x'}]",
     "f.yaml:1: flow-logs[0].use-fips: found with endpoint, which is taken as it stands"},
    {"flow-logs: [{destination: stdout, framing: newline}]",
     "f.yaml:1: flow-logs[0].framing: found for destination 'stdout', allowed: only with firehose"},
    {"flow-logs: [{destination: 's3://bucket', credentials-file: /c}]",
     "f.yaml:1: flow-logs[0].credentials-file: found for destination 's3://bucket', allowed: only with "
     "kafka"},
    {"flow-logs: [{destination: stdout, ca-bundle: /b}]",
     "f.yaml:1: flow-logs[0].ca-bundle: found for destination 'stdout', allowed: only with cloudwatch, "
     "firehose, s3 or kafka"},
    {"flow-logs: [{destination: 'file://x'}]",
     "f.yaml:1: flow-logs[0].destination: found 'file://x', allowed: file:///FOLDER, stdout, "
     "s3://BUCKET[/PREFIX], "
     "cloudwatch:GROUP, firehose:STREAM or kafka://HOST:PORT/TOPIC"},
    {"flow-logs: [{destination: 'file:///x/AWSLogs'}]",
     "f.yaml:1: flow-logs[0].destination: found 'file:///x/AWSLogs', but AWSLogs is the name of a folder "
     "made "
     "below it"},
    {"flow-logs: [{destination: 'cloudwatch:aws/x'}]", "f.yaml:1: flow-logs[0].destination: found log group "
                                                       "'aws/x', allowed: up to 512 letters, digits and '.', "
                                                       "'-', '_', '/', '#', not beginning with aws/"},
    {"flow-logs: [{destination: 'firehose:a b'}]",
     "f.yaml:1: flow-logs[0].destination: found Firehose stream 'a b', allowed: up to 64 letters, digits and "
     "'.', '-', '_'"},
    {"flow-logs: [{destination: 'kafka://k:1,k/t'}]",
     "f.yaml:1: flow-logs[0].destination: found brokers 'k:1,k', allowed: HOST:PORT, more of them after "
     "commas"},
    {"flow-logs: [{destination: 'kafka://k:70000/t'}]",
     "f.yaml:1: flow-logs[0].destination: found brokers 'k:70000', allowed: HOST:PORT, more of them after "
     "commas"},
    {"flow-logs: [{destination: 'kafka://k:1'}]", "f.yaml:1: flow-logs[0].destination: found topic '', "
                                                  "allowed: up to 249 letters, digits and '.', '-', '_'"},
    {"flow-logs: [{destination: 'arn:aws:sqs:eu-central-1:1:q'}]",
     "f.yaml:1: flow-logs[0].destination: found 'arn:aws:sqs:eu-central-1:1:q', allowed: file:///FOLDER, "
     "stdout, s3://BUCKET[/PREFIX], cloudwatch:GROUP, firehose:STREAM or kafka://HOST:PORT/TOPIC"},
    {"flow-logs: [{destination: 'cloudwatch:g', file-format: json}]",
     "f.yaml:1: flow-logs[0].file-format: found for cloudwatch:g, allowed there: plain-text"},
    {"flow-logs: [{destination: 'kafka://k:1/t', security-protocol: sasl-ssl}]",
     "f.yaml:1: flow-logs[0].credentials-file: missing: security-protocol asks for it"},
    {"flow-logs: [{destination: 'cloudwatch:g', endpoint: x}]",
     "f.yaml:1: flow-logs[0].endpoint: 'x' is no endpoint: expected http://HOST[:PORT] or "
     "https://HOST[:PORT]"},
    {"flow-logs: [{destination: 'firehose:s', framing: xml}]",
     "f.yaml:1: flow-logs[0].framing: found 'xml', allowed: json-message, raw-line or newline"},
    {"flow-logs: [{destination: stdout, interval: 61}]",
     "f.yaml:1: flow-logs[0].interval: found '61', allowed: 60 or 600"},
    {"flow-logs: [{destination: stdout, traffic-type: all}]",
     "f.yaml:1: flow-logs[0].traffic-type: found 'all', allowed: ALL, ACCEPT or REJECT"},
    {"flow-logs: [{destination: stdout, file-format: parquet}]",
     "f.yaml:1: flow-logs[0].file-format: found 'parquet' with stdout, allowed: plain-text or json"},
    {"flow-logs: [{destination: 'file:///x', file-format: orc}]",
     "f.yaml:1: flow-logs[0].file-format: found 'orc', allowed: plain-text, json or parquet"},
    {"flow-logs: [{destination: 'file:///x', file-format: parquet, codec: snappy}]",
     "f.yaml:1: flow-logs[0].codec: found 'snappy', allowed: gzip or zstd"},
    {"flow-logs: [{destination: stdout, hive: yes}]",
     "f.yaml:1: flow-logs[0].hive: found 'yes', allowed: true or false"},
    {"flow-logs: [{destination: stdout, resource: i-0a}]",
     "f.yaml:1: flow-logs[0].resource: found 'i-0a', allowed: all, or an id eni-..., subnet-... or vpc-..."},
    {"flow-logs:\n- {destination: stdout, name: a}\n- {destination: stdout, name: a, interval: 60}\n",
     "f.yaml:3: flow-logs[1].name: found 'a' as in flow-logs[0], allowed: a name of its own"},
    {"flow-logs:\n- {destination: stdout}\n- {destination: stdout}\n",
     "f.yaml:3: flow-logs[1].name: missing: all settings are as in flow-logs[0]; names tell the two apart"},
    {"a: [1\nb: 2", "f.yaml:2: found what is no YAML: did not find expected ',' or ']'"},
    {"region: x\n\tcapture: {}",
     "f.yaml:2: found what is no YAML: found a tab character that violates indentation"},
    {"region: x\n\xff", "f.yaml:2: found what is no YAML: invalid leading UTF-8 octet"},
    {"region: x\n---\nregion: y", "f.yaml:3: found a second document, allowed: one"},
    {"region: \"a\\nb\"",
     "f.yaml:1: region: found 'a b', allowed: up to 31 lower-case letters, digits and '-'"},
    {"topology: &t {interfaces: *t}", "f.yaml:1: topology.interfaces: found a map, allowed: a list of maps"},
    {"topology: {interfaces: &i [*i]}",
     "f.yaml:1: topology.interfaces[0]: found no map, allowed: a map of keys"},
};

static void test_each_mistake_is_told_with_line_and_key(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        struct config config AUTO_CONFIG;
        struct config_report report CLEANUP(config_report_done);
        assert_int_equal(parse(&config, mistakes[i].text, &report), -EINVAL);
        AUTO_BUF struct buf expected = BUF_INIT(TEXT_MAX);
        buf_printf(&expected, "%s\n", mistakes[i].mistake);
        assert_string_equal(buf_string(&report.mistakes), buf_string(&expected));
        assert_int_equal(report.mistake_count, 1);
        assert_null(config.flow_logs);
    }
}

static void test_wrong_format_names_position_and_nearest_field(void **state)
{
    struct config config AUTO_CONFIG;
    struct config_report report CLEANUP(config_report_done);
    assert_int_equal(parse(&config, "flow-logs:\n- destination: stdout\n  format: '${srcadr}'", &report),
                     -EINVAL);
    const char *said = buf_string(&report.mistakes);
    assert_ptr_equal(strstr(said, "f.yaml:3: flow-logs[0].format: "), said);
    assert_non_null(strstr(said, "srcaddr"));
}

static void test_all_mistakes_at_once_in_order_of_lines(void **state)
{
    struct config config AUTO_CONFIG;
    struct config_report report CLEANUP(config_report_done);
    assert_int_equal(parse(&config,
                           "account: 1\n"
                           "topology:\n"
                           "  interfaces:\n"
                           "    - role: x\n"
                           "      device: a/b\n"
                           "region: A\n"
                           "flow-logs: [{destination: x, hive: 1}]\n",
                           &report),
                     -EINVAL);
    assert_int_equal(report.mistake_count, 6);
    unsigned last = 0;
    unsigned lines = 0;
    for (const char *line = buf_string(&report.mistakes); *line; line = strchr(line, '\n') + 1, lines++) {
        unsigned number;
        assert_int_equal(sscanf(line, "f.yaml:%u: ", &number), 1);
        assert_true(number >= last);
        last = number;
    }
    assert_int_equal(lines, 6);
}

static void test_lists_are_bounded(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
    buf_text(&text, "flow-logs:\n");
    for (int i = 0; i < CONFIG_FLOW_LOGS_MAX; i++)
        buf_printf(&text, "- {name: l%d, destination: stdout}\n", i);
    struct config all AUTO_CONFIG;
    parse_right(&all, buf_string(&text));
    assert_int_equal(all.flow_log_count, 1024);
    buf_text(&text, "- {name: beyond, destination: stdout}\n");
    struct config config AUTO_CONFIG;
    struct config_report report CLEANUP(config_report_done);
    assert_int_equal(parse(&config, buf_string(&text), &report), -EINVAL);
    assert_string_equal(buf_string(&report.mistakes),
                        "f.yaml:2: flow-logs: found 1025 entries, allowed: up to 1024\n");
}

/* Lists of aliases multiply; a file of some kilobytes must not take minutes. */
static void test_aliases_do_not_explode(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
    buf_text(&text, "topology:\n  interfaces:\n  - &i {device: [], addresses: &a [");
    for (int i = 0; i < 250; i++)
        buf_text(&text, "x, ");
    buf_text(&text, "x]}\n");
    for (int i = 0; i < 4000; i++)
        buf_text(&text, "  - *i\n");
    struct config config AUTO_CONFIG;
    struct config_report report CLEANUP(config_report_done);
    assert_int_equal(parse(&config, buf_string(&text), &report), -EINVAL);
    assert_int_equal(report.mistake_count, 1000);
}

static void test_a_missing_file_is_one_line(void **state)
{
    struct config config AUTO_CONFIG;
    struct config_report report CLEANUP(config_report_done);
    assert_int_equal(config_load(&config, "/nonexistent/x.yaml", STATE, &report), -ENOENT);
    assert_string_equal(buf_string(&report.mistakes),
                        "/nonexistent/x.yaml: cannot open: No such file or directory\n");
}

static void test_flow_log_ids_are_stable(void **state)
{
    struct config config AUTO_CONFIG;
    struct config changed AUTO_CONFIG;
    parse_right(&config, "flow-logs: [{name: a, destination: stdout}, {name: b, destination: stdout}, "
                         "{destination: stdout}, {destination: stdout, interval: 60}]");
    parse_right(&changed, "flow-logs: [{name: a, destination: 'file:///x', interval: 60}]");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(strlen(config.flow_logs[i].id), 20);
        assert_memory_equal(config.flow_logs[i].id, "fl-", 3);
        assert_int_equal(strspn(config.flow_logs[i].id + 3, "0123456789abcdef"), 17);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(config.flow_logs[i].id, config.flow_logs[k].id);
    }
    assert_string_equal(changed.flow_logs[0].id, config.flow_logs[0].id);
    /* Frozen: files of earlier versions carry it. */
    assert_string_equal(config.flow_logs[0].id, "fl-086cd9157b9777b46");
}

static void test_what_a_reload_cannot_change(void **state)
{
    static const struct {
        const char *fresh;
        const char *names;
    } cases[] = {
        {"account: '111122223333'", "account"},
        {"flow-logs: [{destination: stdout}]", ""},
        {"capture: {exclude: [dhcp]}", ""},
        {"capture: {map-entries: 2048, attach: tcx}", "capture.map-entries, capture.attach"},
        {"topology: {interfaces: [{device: eth0}]}", ""},
        {"topology: {subnets: [{subnet-id: subnet-1, cidr: 10.0.0.0/8}]}", ""},
        {"store: {path: /x}", ""},
        {"listen: {port: 1}", "listen.port"},
    };
    struct config current AUTO_CONFIG;
    parse_right(&current, "");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config fresh AUTO_CONFIG;
        AUTO_BUF struct buf names = BUF_INIT(TEXT_MAX);
        parse_right(&fresh, cases[i].fresh);
        unsigned count = config_unreloadable(&current, &fresh, &names);
        assert_string_equal(buf_string(&names), cases[i].names);
        assert_int_equal(count > 0, cases[i].names[0] != '\0');
    }
}

static void test_reload_takes_over_what_it_may(void **state)
{
    struct config current AUTO_CONFIG;
    struct config fresh AUTO_CONFIG;
    parse_right(&current, "region: a\ncapture: {exclude: [dhcp]}");
    parse_right(&fresh, full_example);
    config_reload(&current, &fresh);
    assert_string_equal(current.topology.region, "a");
    assert_int_equal(current.capture.map_entries, 262144);
    assert_int_equal(current.capture.exclude, EXCLUDE_DHCP | EXCLUDE_TIME_SYNC);
    assert_int_equal(current.flow_log_count, 3);
    assert_string_equal(current.flow_logs[1].place.folder, "/srv/archive/p");
    assert_string_equal(current.topology.rules[0].device, "tap*");
    assert_int_equal(current.topology.subnet_count, 1);
    assert_int_equal(fresh.flow_log_count, 1);
    assert_string_equal(fresh.topology.rules[0].device, "*");
    assert_int_equal(fresh.topology.subnet_count, 0);
}

static void test_flow_logs_cover_their_resource(void **state)
{
    static const struct interface interface = {
        .identity = {.interface_id = "eni-1", .subnet_id = "subnet-1", .vpc_id = "vpc-1"}};
    static const struct {
        const char *resource;
        bool covered;
    } cases[] = {{"all", true},       {"eni-1", true}, {"eni-2", false},  {"subnet-1", true},
                 {"subnet-2", false}, {"vpc-1", true}, {"vpc-11", false}, {"eni-", false}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct flow_log log = {.resource = (char *)cases[i].resource};
        assert_int_equal(flow_log_covers(&log, &interface), cases[i].covered);
    }
}

static void test_destination_settings_follow_the_flow_log(void **state)
{
    struct config config AUTO_CONFIG;
    parse_right(&config, full_example);
    struct destination_settings settings = flow_log_destination(&config, &config.flow_logs[1], 7);
    assert_string_equal(settings.folder, "/srv/archive/p");
    assert_string_equal(settings.account, "123456789012");
    assert_string_equal(settings.region, "eu-central-1");
    assert_string_equal(settings.flow_log_id, config.flow_logs[1].id);
    assert_true(settings.hive && settings.hourly);
    assert_int_equal(settings.origin, 7);
}

static void test_stream_destinations(void **state)
{
    static const struct {
        const char *text, *target, *brokers, *region;
        enum destination_kind kind;
    } cases[] = {
        {"cloudwatch:/flow/logs", "/flow/logs", "", "", DESTINATION_CLOUDWATCH},
        {"arn:aws-cn:logs:cn-north-1:123456789012:log-group:a/b:*", "a/b", "", "cn-north-1",
         DESTINATION_CLOUDWATCH},
        {"arn:aws:logs:eu-west-1:123456789012:log-group:g", "g", "", "eu-west-1", DESTINATION_CLOUDWATCH},
        {"firehose:s.1", "s.1", "", "", DESTINATION_FIREHOSE},
        {"arn:aws:firehose:eu-west-1:123456789012:deliverystream/s", "s", "", "eu-west-1",
         DESTINATION_FIREHOSE},
        {"arn:aws:firehose:eu-west-1:123456789012:deliverystream:s", "s", "", "eu-west-1",
         DESTINATION_FIREHOSE},
        {"kafka://k1:9092,[fd00::1]:9092/flows", "flows", "k1:9092,[fd00::1]:9092", "", DESTINATION_KAFKA},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct destination_text parsed;
        assert_int_equal(destination_text_parse(&parsed, cases[i].text, NULL), 0);
        assert_int_equal(parsed.kind, cases[i].kind);
        assert_string_equal(parsed.target, cases[i].target);
        assert_string_equal(parsed.brokers, cases[i].brokers);
        assert_string_equal(parsed.region, cases[i].region);
    }
}

static void test_stream_settings_follow_the_flow_log(void **state)
{
    struct config config AUTO_CONFIG;
    parse_right(
        &config,
        "region: eu-central-1\n"
        "flow-logs:\n"
        "- {destination: 'cloudwatch:g', traffic-type: REJECT, profile: p, role-arn: r}\n"
        "- {destination: 'arn:aws:firehose:eu-west-1:123456789012:deliverystream/s', framing: newline,\n"
        "   endpoint: 'http://127.0.0.1:1', role-arn: r, external-id: e}\n"
        "- {destination: 'kafka://k:1/t', security-protocol: sasl-ssl, sasl-mechanism: SCRAM-SHA-256,\n"
        "   credentials-file: /c, ca-bundle: /b}\n");
    struct destination_settings logs = flow_log_destination(&config, &config.flow_logs[0], 7);
    struct destination_settings firehose = flow_log_destination(&config, &config.flow_logs[1], 7);
    struct destination_settings kafka = flow_log_destination(&config, &config.flow_logs[2], 7);
    assert_string_equal(logs.stream_suffix, "reject");
    assert_string_equal(logs.aws.service, "logs");
    assert_string_equal(logs.aws.region, "eu-central-1");
    assert_string_equal(logs.aws.profile, "p");
    assert_string_equal(logs.aws.role_arn, "r");
    assert_null(logs.aws.endpoint);
    assert_string_equal(firehose.aws.service, "firehose");
    assert_string_equal(firehose.aws.region, "eu-west-1");
    assert_string_equal(firehose.aws.endpoint, "http://127.0.0.1:1");
    assert_string_equal(firehose.aws.external_id, "e");
    assert_int_equal(firehose.framing, FRAMING_NEWLINE);
    assert_int_equal(kafka.kafka.security, KAFKA_SASL_SSL);
    assert_int_equal(kafka.kafka.mechanism, KAFKA_SCRAM_SHA_256);
    assert_string_equal(kafka.kafka.credentials_file, "/c");
    assert_string_equal(kafka.aws.ca_bundle, "/b");
}

static void check_rows(const struct config_key *keys, struct buf *manual)
{
    size_t count = 0;
    for (const struct config_key *key = keys; key->name; key++, count++) {
        assert_non_null(key->help);
        assert_ptr_equal(config_key_find(keys, key->name, strlen(key->name)), key);
        if (key->type == KEY_TEXT && key->standing != KEY_MISSING)
            assert_non_null(key->allowed);
        if (key->children)
            check_rows(key->children, manual);
        if (key->standing == KEY_MISSING)
            continue;
        AUTO_BUF struct buf last_part = BUF_INIT(256);
        for (const char *c = key->name; *c; c++)
            buf_printf(&last_part, *c == '-' ? "\\-" : "%c", *c);
        assert_non_null(strstr(buf_string(manual), buf_string(&last_part)));
    }
    assert_true(count < 64); /* KEYS_MAX of the reader */
}

/* They mean nothing to other destinations; said as they are by default they do no harm. */
static void test_keys_of_services_are_for_services(void **state)
{
    static const char *const others[] = {"file:///x", "stdout", "kafka://k:1/t"};
    static const struct {
        const char *key, *value;
    } cases[] = {{"endpoint", "'http://x'"}, {"region", "eu-west-1"},   {"profile", "p"},
                 {"role-arn", "r"},          {"proxy", "'http://x:1'"}, {"use-fips", "true"}};
    for (size_t i = 0; i < ARRAY_SIZE(others) * ARRAY_SIZE(cases); i++) {
        const char *destination = others[i / ARRAY_SIZE(cases)];
        const size_t at = i % ARRAY_SIZE(cases);
        char text[256];
        char told[256];
        struct config config AUTO_CONFIG;
        struct config_report report CLEANUP(config_report_done);
        (void)snprintf(text, sizeof text, "flow-logs: [{destination: '%s', %s: %s}]", destination,
                       cases[at].key, cases[at].value);
        (void)snprintf(
            told, sizeof told,
            "f.yaml:1: flow-logs[0].%s: found for destination '%s', allowed: only with cloudwatch, "
            "firehose or s3\n",
            cases[at].key, destination);
        assert_int_equal(parse(&config, text, &report), -EINVAL);
        assert_string_equal(buf_string(&report.mistakes), told);
    }
    struct config config AUTO_CONFIG;
    parse_right(&config,
                "flow-logs: [{destination: stdout, use-fips: false, acl: bucket-owner-full-control}]");
}

static void test_every_row_is_documented(void **state)
{
    AUTO_BUF struct buf manual = BUF_INIT(TEXT_MAX);
    config_manual(&manual);
    check_rows(config_keys, &manual);
    assert_string_equal(config_key_interfaces->name, "interfaces");
    assert_string_equal(config_key_flow_logs->name, "flow-logs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_file_is_the_built_in_configuration),
        cmocka_unit_test(test_an_empty_file_is_the_same),
        cmocka_unit_test(test_an_empty_list_is_not_the_default),
        cmocka_unit_test(test_a_relative_state_folder_is_made_absolute),
        cmocka_unit_test(test_every_key_arrives),
        cmocka_unit_test(test_listener_is_loopback_unless_told),
        cmocka_unit_test(test_printed_it_reads_back_as_it_was),
        cmocka_unit_test(test_each_mistake_is_told_with_line_and_key),
        cmocka_unit_test(test_wrong_format_names_position_and_nearest_field),
        cmocka_unit_test(test_all_mistakes_at_once_in_order_of_lines),
        cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test(test_aliases_do_not_explode),
        cmocka_unit_test(test_a_missing_file_is_one_line),
        cmocka_unit_test(test_flow_log_ids_are_stable),
        cmocka_unit_test(test_what_a_reload_cannot_change),
        cmocka_unit_test(test_reload_takes_over_what_it_may),
        cmocka_unit_test(test_flow_logs_cover_their_resource),
        cmocka_unit_test(test_destination_settings_follow_the_flow_log),
        cmocka_unit_test(test_stream_destinations),
        cmocka_unit_test(test_stream_settings_follow_the_flow_log),
        cmocka_unit_test(test_keys_of_services_are_for_services),
        cmocka_unit_test(test_every_row_is_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
