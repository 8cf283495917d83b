/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_keys.h"

#include <ctype.h>
#include <string.h>

#include "aws/endpoint.h"
#include "base/address.h"
#include "base/num.h"
#include "daemon/config.h"
#include "daemon/config_check.h"
#include "daemon/destination_text.h"
#include "record/format.h"

#define ID_MAX 31 /* what struct interface_identity holds */

static bool is_made_of(const char *text, const char *set, size_t min, size_t max)
{
    size_t len = strlen(text);
    return len >= min && len <= max && strspn(text, set) == len;
}

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool check_account(const char *text, struct fault *fault)
{
    return is_made_of(text, DIGITS, 12, 12);
}

static bool check_region(const char *text, struct fault *fault)
{
    return is_made_of(text, LOWER DIGITS "-", 1, ID_MAX);
}

static bool check_zone(const char *text, struct fault *fault)
{
    return is_made_of(text, LOWER UPPER DIGITS "-_.", 1, ID_MAX);
}

static bool check_name(const char *text, struct fault *fault)
{
    return is_made_of(text, LOWER UPPER DIGITS "-_.", 1, 64);
}

static bool is_id(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 &&
           is_made_of(text + len, LOWER UPPER DIGITS "-_", 1, ID_MAX - len);
}

static bool check_interface_id(const char *text, struct fault *fault)
{
    return strcmp(text, "derived") == 0 || is_id(text, "eni-");
}

static bool check_subnet_id(const char *text, struct fault *fault)
{
    return is_id(text, "subnet-");
}

static bool is_place_word(const char *text)
{
    return strcmp(text, "by-address") == 0 || strcmp(text, "derived") == 0;
}

static bool check_subnet_place(const char *text, struct fault *fault)
{
    return is_place_word(text) || is_id(text, "subnet-");
}

static bool check_vpc_place(const char *text, struct fault *fault)
{
    return is_place_word(text) || is_id(text, "vpc-");
}

static bool check_subnet_vpc(const char *text, struct fault *fault)
{
    return strcmp(text, "derived") == 0 || is_id(text, "vpc-");
}

static bool check_instance_id(const char *text, struct fault *fault)
{
    return strcmp(text, "derived") == 0 || is_id(text, "i-");
}

static bool check_resource(const char *text, struct fault *fault)
{
    return strcmp(text, "all") == 0 || is_id(text, "eni-") || is_id(text, "subnet-") || is_id(text, "vpc-");
}

/* fnmatch() takes an open bracket for a plain character, which nobody means who writes one. */
static bool has_closed_brackets(const char *glob)
{
    for (const char *c = strchr(glob, '['); c; c = strchr(c, '[')) {
        size_t skip = strspn(c + 1, "!^]"); /* a bracket that comes first is a member */
        c = strchr(c + 1 + skip, ']');
        if (!c)
            return false;
    }
    return true;
}

static bool check_device(const char *text, struct fault *fault)
{
    size_t len = strlen(text);
    bool plain = len == strcspn(text, "*?[]");
    for (const char *c = text; *c; c++)
        if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c) || *c == '/' || *c == '\\')
            return false;
    return len > 0 && len <= 64 && (!plain || len < IF_NAMESIZE) && has_closed_brackets(text);
}

/* PutLogEvents' rule for names (delivery.md 1.2). */
static bool check_log_group(const char *text, struct fault *fault)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_/#");
    return len >= 1 && len <= 512 && !text[len];
}

static bool check_path(const char *text, struct fault *fault)
{
    return text[0] == '/' && strlen(text) < PATH_ROOM;
}

static bool check_listen_address(const char *text, struct fault *fault)
{
    struct address address;
    return address_parse(text, strlen(text), &address);
}

static bool check_format(const char *text, struct fault *fault)
{
    struct format format;
    return format_parse(&format, text, fault) == 0;
}

static bool check_tag_keys(const char *text, struct fault *fault)
{
    size_t first = strcspn(text, ",");
    const char *second = text[first] ? text + first + 1 : NULL;
    return !text[0] || (first > 0 && first <= 512 && (!second || (*second && !strchr(second, ','))));
}

static bool check_destination(const char *text, struct fault *fault)
{
    struct destination_text parsed;
    return destination_text_parse(&parsed, text, fault) == 0;
}

/* Copied as they stand into requests and logs, so nothing that is not printed. */
static bool check_printed(const char *text, struct fault *fault)
{
    for (const char *c = text; *c; c++)
        if (!isgraph((unsigned char)*c))
            return false;
    return strlen(text) < 2048;
}

static bool check_endpoint(const char *text, struct fault *fault)
{
    struct endpoint endpoint;
    return text[0] == '\0' || endpoint_parse_url(&endpoint, text, fault) == 0;
}

/* What curl takes: a scheme and a host at least. Passwords would be seen in --show-config. */
static bool check_proxy(const char *text, struct fault *fault)
{
    if (!text[0])
        return true;
    if (strchr(text, '@')) {
        (void)fault_set(fault, 0,
                        "found a user or password, allowed: only in https_proxy of the daemon's environment");
        return false;
    }
    static const char *const schemes[] = {"http://",    "https://",  "socks5://",
                                          "socks5h://", "socks4://", "socks4a://"};
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(text, schemes[i], len) == 0)
            return text[len] && !strpbrk(text, " \t");
    }
    return false;
}

static bool check_kms_key(const char *text, struct fault *fault)
{
    return strncmp(text, "arn:aws", 7) == 0 && strstr(text, ":kms:") &&
           (strstr(text, ":key/") || strstr(text, ":alias/")) && !strpbrk(text, " \t");
}

static bool check_aws_region(const char *text, struct fault *fault)
{
    return text[0] == '\0' || check_region(text, fault);
}

static bool check_file(const char *text, struct fault *fault)
{
    return text[0] == '\0' || check_path(text, fault);
}

#define RULE(member) .offset = offsetof(struct topology_rule, member)
#define SUBNET(member) .offset = offsetof(struct topology_subnet, member)
#define FLOW_LOG(member) .offset = offsetof(struct flow_log, member)
#define CONFIG(member) .offset = offsetof(struct config, member)

static const struct config_key interface_keys[] = {
    {.name = "device",
     .type = KEY_TEXT,
     RULE(device),
     .required = true,
     .check = check_device,
     .allowed = "the name of a network device, or a glob of names",
     .help = "Which devices the entry is about. The first entry that matches a device counts. Devices that "
             "appear "
             "later join as they appear. A glob never means the loopback device."},
    {.name = "role",
     .type = KEY_CHOICE,
     RULE(role),
     .words = "nic|port",
     .default_text = "nic",
     .help = "\"nic\": this host is the instance, and what the device receives is ingress. \"port\": the "
             "device is the "
             "host's side of a guest's link, and what it receives is the guest's egress."},
    {.name = "interface-id",
     .type = KEY_TEXT,
     RULE(interface_id),
     .default_text = "derived",
     .check = check_interface_id,
     .allowed = "derived or an id eni-...",
     .help =
         "What records call the interface. A derived id is a hash of machine id, MAC and device name. Of "
         "several "
         "devices that match one entry, the first gets an id given here and the others get derived ones."},
    {.name = "subnet-id",
     .type = KEY_TEXT,
     RULE(subnet_id),
     .default_text = "by-address",
     .check = check_subnet_place,
     .allowed = "by-address, derived or an id subnet-...",
     .help = "\"by-address\": the most specific of topology.subnets that holds an address of the interface; "
             "without one, "
             "and for \"derived\", a hash of its first address's prefix."},
    {.name = "vpc-id",
     .type = KEY_TEXT,
     RULE(vpc_id),
     .default_text = "by-address",
     .check = check_vpc_place,
     .allowed = "by-address, derived or an id vpc-...",
     .help = "\"by-address\": that of the subnet; without one, and for \"derived\", a hash of account and "
             "region."},
    {.name = "instance-id",
     .type = KEY_TEXT,
     RULE(instance_id),
     .default_text = "derived",
     .check = check_instance_id,
     .allowed = "derived or an id i-...",
     .help = "A derived id is a hash of this host's machine id; a port has none then."},
    {.name = "addresses",
     .type = KEY_ADDRESSES,
     RULE(addresses),
     .count_offset = offsetof(struct topology_rule, address_count),
     .max = 256,
     .help = "A port's own addresses, which are its guest's; the first of each family is the primary. A nic "
             "has those "
             "of its device."},
    {.name = NULL},
};

static const struct config_key subnet_keys[] = {
    {.name = "subnet-id",
     .type = KEY_TEXT,
     SUBNET(subnet_id),
     .required = true,
     .check = check_subnet_id,
     .allowed = "an id subnet-...",
     .help = "A subnet with an IPv4 and an IPv6 block has two entries."},
    {.name = "vpc-id",
     .type = KEY_TEXT,
     SUBNET(vpc_id),
     .default_text = "derived",
     .check = check_subnet_vpc,
     .allowed = "derived or an id vpc-...",
     .help = "The VPC that it belongs to."},
    {.name = "cidr", .type = KEY_BLOCK, SUBNET(cidr), .required = true, .help = "Its addresses."},
    {.name = "az-id",
     .type = KEY_TEXT,
     SUBNET(az_id),
     .default_text = "",
     .check = check_zone,
     .allowed = "an availability zone id, up to 31 letters, digits, '-', '_' and '.'",
     .help = "Its availability zone; records say \"-\" without one."},
    {.name = NULL},
};

static const struct config_key topology_keys[] = {
    {.name = "documents",
     .type = KEY_TEXT,
     CONFIG(topology.documents),
     .reloadable = true,
     .default_text = "",
     .check = check_file,
     .allowed = "an absolute path",
     .help = "A folder of what \"aws ec2 describe-...\" prints, *.json. The API describes the VPCs, subnets, "
             "interfaces, "
             "security groups, network ACLs and route tables in it, and records tell what it says of the "
             "interfaces: one "
             "whose id is derived gets that of the document with its MAC, a port that of its address. Read "
             "at the start "
             "and at a reload."},
    {.name = "ip-ranges",
     .type = KEY_TEXT,
     CONFIG(topology.ip_ranges),
     .reloadable = true,
     .default_text = "",
     .check = check_file,
     .allowed = "an absolute path",
     .help = "AWS's ip-ranges.json, from which ${pkt-src-aws-service} and ${pkt-dst-aws-service} come. Read "
             "again when the "
             "file changes."},
    {.name = "metadata",
     .type = KEY_CHOICE,
     CONFIG(topology.metadata),
     .words = "auto|on|off",
     .default_text = "auto",
     .help = "Whether EC2's instance metadata is asked, once at the start, for account, region, availability "
             "zone, "
             "instance and each interface's ids, and in a container of ECS its task metadata. \"auto\": on a "
             "machine "
             "that says that it is of Amazon EC2, or where AWS_EC2_METADATA_SERVICE_ENDPOINT names the "
             "service; \"on\": "
             "the start fails when nobody answers. What the configuration says goes before."},
    {.name = "interfaces",
     .type = KEY_LIST,
     CONFIG(topology.rules),
     .reloadable = true,
     .count_offset = offsetof(struct config, topology.rule_count),
     .element_size = sizeof(struct topology_rule),
     .max = 4096,
     .children = interface_keys,
     .check_element = config_check_interface,
     .help = "What is recorded. Without this key every device but loopback is a nic. After a reload, an "
             "interface whose "
             "entry says something else begins anew."},
    {.name = "subnets",
     .type = KEY_LIST,
     CONFIG(topology.subnets),
     .reloadable = true,
     .count_offset = offsetof(struct config, topology.subnet_count),
     .element_size = sizeof(struct topology_subnet),
     .max = 4096,
     .children = subnet_keys,
     .check_element = config_check_subnet,
     .help = "Where addresses belong. After a reload that goes for interfaces that begin then."},
    {.name = NULL},
};

static const struct config_key capture_keys[] = {
    {.name = "map-entries",
     .type = KEY_NUMBER,
     CONFIG(capture.map_entries),
     .min = 1024,
     .max = 16777216,
     .unit = "flows",
     .default_text = "262144",
     .help = "Room for flows in each of the kernel's two maps between two drains, about 200 bytes each. What "
             "finds no "
             "room is counted as lost, and records say SKIPDATA."},
    {.name = "max-flows",
     .type = KEY_NUMBER,
     CONFIG(capture.max_flows),
     .min = 1024,
     .max = 16777216,
     .unit = "flows",
     .default_text = "1048576",
     .help =
         "Room for flows of one window in the daemon, 64 bytes each, used as needed. A window with more is "
         "recorded in parts; nothing is lost."},
    {.name = "attach",
     .type = KEY_CHOICE,
     CONFIG(capture.attach),
     .words = "auto|tcx|clsact",
     .default_text = "auto",
     .help =
         "How programs are attached to devices. \"auto\" is tcx where the kernel has it (6.6), else clsact."},
    {.name = "pin-path",
     .type = KEY_TEXT,
     CONFIG(capture.pin_path),
     .default_text = "/sys/fs/bpf/flowlog",
     .check = check_path,
     .allowed = "an absolute path on a bpf file system",
     .help = "Folder of the maps and links that let counting go on while the daemon is restarted."},
    {.name = "exclude",
     .type = KEY_FLAGS,
     CONFIG(capture.exclude),
     .words = "dhcp|instance-metadata|time-sync|amazon-dns",
     .reloadable = true,
     .help = "Traffic that AWS does not record and that is recorded here unless listed: DHCP (UDP ports 67, "
             "68, 546 "
             "and 547), 169.254.169.254 and fd00:ec2::254, 169.254.169.123 and fd00:ec2::123, and port 53 of "
             "169.254.169.253 and fd00:ec2::253. The ledger counts it as excluded."},
    {.name = NULL},
};

static const struct config_key store_keys[] = {
    {.name = "path",
     .type = KEY_TEXT,
     CONFIG(store_path),
     .reloadable = true,
     .check = check_path,
     .allowed = "an absolute path",
     .help = "Where the flow log that exists when none is declared puts its files. Default: the folder "
             "\"store\" of the "
             "state folder."},
    {.name = "retain",
     .type = KEY_PERIOD,
     CONFIG(store.retain),
     .max = 36500 * 86400ULL,
     .reloadable = true,
     .default_text = "30d",
     .help = "How long files are kept, after the hour of their records and after they came into the store. "
             "\"0d\": until somebody removes them."},
    {.name = "max-size",
     .type = KEY_SIZE,
     CONFIG(store.max_size),
     .max = 1ULL << 50,
     .reloadable = true,
     .default_text = "0G",
     .help = "How much all files of the store may take; beyond, those of the oldest records go. \"0G\": any "
             "amount."},
    {.name = "log-group",
     .type = KEY_TEXT,
     CONFIG(store.log_group),
     .reloadable = true,
     .default_text = "/flowlog/store",
     .check = check_log_group,
     .allowed = "1 to 512 of letters, digits and . - _ / #",
     .help = "The log group as which the store is read by the CloudWatch Logs API (\"aws logs tail\")."},
    {.name = "compact-after",
     .type = KEY_PERIOD,
     CONFIG(store.compact_after),
     .max = 30 * 86400ULL,
     .reloadable = true,
     .default_text = "10m",
     .help = "So long after the hour has ended and its last file came, the small Parquet files of an hour "
             "become one. Who asks meanwhile sees each record once."},
    {.name = NULL},
};

static const struct config_key spool_keys[] = {
    {.name = "max-size",
     .type = KEY_SIZE,
     CONFIG(spool.max_size),
     .min = 1 << 20,
     .max = 1ULL << 44,
     .default_text = "4G",
     .help = "How much of one flow log waits at most, in the folder \"spool\" of the state folder, while its "
             "destination "
             "cannot be reached. Beyond it the oldest is given up, and records say SKIPDATA."},
    {.name = "max-age",
     .type = KEY_PERIOD,
     CONFIG(spool.max_age),
     .min = 600,
     .max = 3650 * 86400ULL,
     .default_text = "14d",
     .help = "How old it may become; what is older is given up."},
    {.name = NULL},
};

static const struct config_key listen_keys[] = {
    {.name = "address",
     .type = KEY_TEXT,
     CONFIG(listen_address),
     .check = check_listen_address,
     .allowed = "an IPv4 or IPv6 address",
     .help = "Where it listens. Other than loopback needs a certificate, and at the start an access key. "
             "Default: " CONFIG_ADDRESS_DEFAULT "."},
    {.name = "port",
     .type = KEY_NUMBER,
     CONFIG(listen_port),
     .min = 1,
     .max = 65535,
     .help = "Its TCP port. Default: 8420."},
    {.name = "certificate",
     .type = KEY_TEXT,
     CONFIG(listen_certificate),
     .default_text = "",
     .check = check_file,
     .allowed = "an absolute path",
     .help = "PEM file of its certificate and those that it rests on; it speaks TLS alone then. Read again "
             "at a reload."},
    {.name = "key",
     .type = KEY_TEXT,
     CONFIG(listen_key),
     .default_text = "",
     .check = check_file,
     .allowed = "an absolute path",
     .help = "PEM file of the certificate's private key."},
    {.name = NULL},
};

static const struct config_key flow_log_keys[] = {
    {.name = "name",
     .type = KEY_TEXT,
     FLOW_LOG(name),
     .default_text = "",
     .check = check_name,
     .allowed = "up to 64 letters, digits, '-', '_' and '.'",
     .help = "Its id (fl-...) is derived from account, region and name, without a name from its settings; so "
             "it is the "
             "same after a restart."},
    {.name = "resource",
     .type = KEY_TEXT,
     FLOW_LOG(resource),
     .default_text = "all",
     .check = check_resource,
     .allowed = "all, or an id eni-..., subnet-... or vpc-...",
     .help = "Whose traffic: that of one interface, of the interfaces of a subnet or VPC, or of all."},
    {.name = "traffic-type",
     .type = KEY_CHOICE,
     FLOW_LOG(traffic_type),
     .words = "ALL|ACCEPT|REJECT",
     .default_text = "ALL",
     .help = "Which flows."},
    {.name = "interval",
     .type = KEY_NUMBER,
     FLOW_LOG(interval),
     .words = "60|600",
     .unit = "seconds",
     .default_text = "600",
     .help = "The aggregation interval. Windows are aligned to the epoch."},
    {.name = "format",
     .type = KEY_TEXT,
     FLOW_LOG(format_text),
     .default_text = "default",
     .check = check_format,
     .allowed = "default, all, or fields as in '${srcaddr} ${dstaddr}'",
     .help =
         "Fields of a record and their order: the 14 of version 2, all, or a custom format in AWS's syntax; "
         "\"flowlog fields\" lists them."},
    {.name = "interface-tags",
     .type = KEY_TEXT,
     FLOW_LOG(interface_tags),
     .default_text = "",
     .check = check_tag_keys,
     .allowed = "one or two tag keys, with a comma between",
     .help = "The tags of topology.documents whose values ${interface-tag} and ${interface-tag-2} tell."},
    {.name = "instance-tags",
     .type = KEY_TEXT,
     FLOW_LOG(instance_tags),
     .default_text = "",
     .check = check_tag_keys,
     .allowed = "one or two tag keys, with a comma between",
     .help = "The same for ${instance-tag} and ${instance-tag-2}."},
    {.name = "asg-tags",
     .type = KEY_TEXT,
     FLOW_LOG(asg_tags),
     .default_text = "",
     .check = check_tag_keys,
     .allowed = "one or two tag keys, with a comma between",
     .help = "The same for ${asg-tag} and ${asg-tag-2}, of the instance's Auto Scaling group."},
    {.name = "destination",
     .type = KEY_TEXT,
     FLOW_LOG(destination),
     .required = true,
     .check = check_destination,
     .allowed = "file:///FOLDER, stdout, s3://BUCKET[/PREFIX], cloudwatch:GROUP, firehose:STREAM or "
                "kafka://HOST:PORT/TOPIC",
     .help = "\"file:///FOLDER\" writes objects under FOLDER/AWSLogs in AWS's key layout; the path is taken "
             "as it stands, "
             "without percent-decoding. \"stdout\" writes lines without a header to standard output. "
             ""
             "\"s3://BUCKET/PREFIX\" puts the same objects into S3 or what speaks like it. "
             "\"cloudwatch:GROUP\" puts events into one log stream per interface, eni-...-all, -accept or "
             "-reject; group "
             "and streams are made when they are missing. \"firehose:STREAM\" puts one record per line. "
             "\"kafka://HOST:PORT[,HOST:PORT...]/TOPIC\" sends one message per record, its key the interface "
             "id. ARNs of "
             "log groups and Firehose streams are taken, too."},
#include "daemon/config_service_keys.inc"
    {.name = "security-protocol",
     .type = KEY_CHOICE,
     FLOW_LOG(security_protocol),
     .words = "plaintext|ssl|sasl-plaintext|sasl-ssl",
     .default_text = "plaintext",
     .help = "How Kafka's brokers are spoken to."},
    {.name = "sasl-mechanism",
     .type = KEY_CHOICE,
     FLOW_LOG(sasl_mechanism),
     .words = "PLAIN|SCRAM-SHA-256|SCRAM-SHA-512",
     .default_text = "SCRAM-SHA-512",
     .help = "How flowlogd proves who it is to them, where security-protocol is one of sasl."},
    {.name = "credentials-file",
     .type = KEY_TEXT,
     FLOW_LOG(credentials_file),
     .default_text = "",
     .check = check_file,
     .allowed = "an absolute path",
     .help = "Two lines: the user name for that, and the password. Read when the daemon starts or reloads."},
    {.name = "file-format",
     .type = KEY_CHOICE,
     FLOW_LOG(file_format),
     .words = "plain-text|json|parquet",
     .default_text = "plain-text",
     .help =
         "\"plain-text\": gzip text with a header line. \"json\": gzip, a JSON object per line. \"parquet\": "
         "AWS's column names and types, in objects alone. To standard output and Kafka the others are not "
         "compressed; log "
         "groups and Firehose take plain-text."},
    {.name = "hive",
     .type = KEY_BOOL,
     FLOW_LOG(hive),
     .default_text = "false",
     .help = "Folders named as in \"year=2026/month=01\"."},
    {.name = "hourly",
     .type = KEY_BOOL,
     FLOW_LOG(hourly),
     .default_text = "false",
     .help = "A folder for each hour, not only for each day."},
    {.name = NULL},
};

static const struct config_key api_destination_keys[] = {
    {.name = "type",
     .type = KEY_CHOICE,
     .offset = offsetof(struct api_destination, type),
     .required = true,
     .words = "cloud-watch-logs|s3|kinesis-data-firehose",
     .help = "The LogDestinationType that the entry is about."},
#include "daemon/config_service_keys.inc" // NOLINT(readability-duplicate-include): for another table
    {.name = NULL},
};

const struct config_key config_keys[] = {
    {.name = "account",
     .type = KEY_TEXT,
     CONFIG(topology.account),
     .default_text = "000000000000",
     .check = check_account,
     .allowed = "12 digits",
     .help = "The account that records and object names tell. Quote it: YAML takes a leading 0 for another "
             "number."},
    {.name = "region",
     .type = KEY_TEXT,
     CONFIG(topology.region),
     .default_text = "local",
     .check = check_region,
     .allowed = "up to 31 lower-case letters, digits and '-'",
     .help = "The region that records and object names tell."},
    {.name = "topology",
     .type = KEY_MAP,
     .children = topology_keys,
     .help = "Which interfaces, and who they are."},
    {.name = "capture", .type = KEY_MAP, .children = capture_keys, .help = "How packets are counted."},
    {.name = "store", .type = KEY_MAP, .children = store_keys, .help = "The local store."},
    {.name = "spool",
     .type = KEY_MAP,
     .children = spool_keys,
     .help = "What is recorded and not delivered yet."},
    {.name = "listen",
     .type = KEY_MAP,
     .children = listen_keys,
     .help = "The HTTP listener, which answers /metrics and /healthz. When "
             "the key is not there and the port is taken, the daemon goes on without a listener and says so; "
             "with it, that stops the start."},
    {.name = "flow-logs",
     .type = KEY_LIST,
     CONFIG(flow_logs),
     .count_offset = offsetof(struct config, flow_log_count),
     .element_size = sizeof(struct flow_log),
     .max = CONFIG_FLOW_LOGS_MAX,
     .reloadable = true,
     .children = flow_log_keys,
     .check_element = config_check_flow_log,
     .help =
         "What is recorded where: up to 1,024, those made through the API included, of one interface or of "
         "many. Without this key there is one flow log: all interfaces, all fields, "
         "60 seconds, to Parquet files in the store."},
    {.name = "api-destinations",
     .type = KEY_LIST,
     CONFIG(api_destinations),
     .count_offset = offsetof(struct config, api_destination_count),
     .element_size = sizeof(struct api_destination),
     .max = 3,
     .reloadable = true,
     .children = api_destination_keys,
     .check_element = config_check_api_destination,
     .help = "How flow logs that are made through the API reach their destinations, as far as AWS's "
             "parameters have "
             "no word for it; an entry for each kind of destination."},
    {.name = "attribution",
     .type = KEY_CHOICE,
     CONFIG(attribution),
     .words = "none|nftrace",
     .reloadable = true,
     .default_text = "none",
     .help =
         "What fills x-reject-rule. With \"nftrace\", when a minute has ended, the up to 16 tuples that "
         "netfilter rejected most and whose rule is not known are looked at for up to 30 s: a table of the "
         "daemon's own (inet flowlog_trace_...) lets the kernel trace a few packets of each. Later records "
         "of "
         "such a flow name the rule, as \"inet filter/input handle 12\" (percent-encoded: it is one field), "
         "for 10 minutes or until the ruleset changes; packets that are traced meanwhile keep it known. "
         "Flows "
         "of a scan do not come again: where 8 or more of a minute share an end with its port, or both ends, "
         "packets of up to four such crowds are traced for 55 s, some 10 of each in a second, and each names "
         "the rule of its own flow alone. No "
         "rule and no packet is changed, and the kernel removes the table also when the daemon is killed. "
         "While it is there, each packet costs the host more (a third of what forwarding a small one does, "
         "as measured without crowds); when none comes that is looked for, the pauses become longer, up to "
         "16 minutes. "
         "Where it is not certain the field stays empty: packets of one flow met different rules, or the "
         "ruleset changed within the minute."},
    {.name = NULL},
};

const struct config_key *const config_key_interfaces = &topology_keys[3];
const struct config_key *const config_key_flow_logs = &config_keys[7];
const struct config_key *const config_key_service = &api_destination_keys[1];

const struct config_key *config_key_find(const struct config_key *keys, const char *name, size_t len)
{
    for (; keys->name; keys++)
        if (strlen(keys->name) == len && memcmp(keys->name, name, len) == 0)
            return keys;
    return NULL;
}
