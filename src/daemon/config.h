/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's configuration: YAML, every key a row of the table in config_keys.c, from which it is parsed,
 * checked, printed, compared and documented. All mistakes of a file are found at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/macro.h"
#include "daemon/destination_text.h"
#include "deliver/destination.h"
#include "record/format.h"
#include "topology/identity.h"

#define CONFIG_STATE_DEFAULT "/var/lib/flowlog"
#define CONFIG_STORE_NOTE "store-path" /* file of the state folder: where the store is */
#define CONFIG_ADDRESS_DEFAULT "127.0.0.1"
#define CONFIG_PORT_DEFAULT 8420
#define FLOW_LOG_ID_MAX 24
#define CONFIG_FLOW_LOGS_MAX 1024            /* of a daemon, those made through the API included */
#define CONFIG_TEXT_MAX (16UL * 1024 * 1024) /* room for config_print() of any */

enum capture_attach { CAPTURE_ATTACH_AUTO, CAPTURE_ATTACH_TCX, CAPTURE_ATTACH_CLSACT };

/* What fills x-reject-rule. */
enum attribution_kind { ATTRIBUTION_NONE, ATTRIBUTION_NFTRACE };

/* Bits of capture.exclude: traffic that AWS does not record (record.md 8), as far as a flow key can tell. */
enum capture_exclude {
    EXCLUDE_DHCP = 1,              /* UDP 67/68, DHCPv6 546/547 */
    EXCLUDE_INSTANCE_METADATA = 2, /* 169.254.169.254, fd00:ec2::254 */
    EXCLUDE_TIME_SYNC = 4,         /* 169.254.169.123, fd00:ec2::123 */
    EXCLUDE_AMAZON_DNS = 8,        /* 169.254.169.253, fd00:ec2::253, port 53 */
};

enum traffic_type { TRAFFIC_ALL, TRAFFIC_ACCEPT, TRAFFIC_REJECT };

struct config_capture {
    uint64_t map_entries; /* flows in each of the two kernel maps */
    uint64_t max_flows;   /* flows of a window table in user space */
    enum capture_attach attach;
    char *pin_path;
    unsigned exclude; /* enum capture_exclude, or-ed */
};

struct config_spool {  /* bounds of each flow log's spool */
    uint64_t max_size; /* bytes */
    uint64_t max_age;  /* seconds */
};

struct config_store {
    uint64_t retain;        /* seconds that files are kept; 0: for good */
    uint64_t max_size;      /* bytes of all of them; 0: any number */
    char *log_group;        /* its name for the CloudWatch Logs API */
    uint64_t compact_after; /* seconds after its end that an hour's files become one */
};

struct flow_log {
    char *name;     /* "" when not given */
    char *resource; /* "all", or an eni-, subnet- or vpc- id */
    enum traffic_type traffic_type;
    uint64_t interval; /* 60 or 600 seconds */
    char *format_text;
    char *interface_tags, *instance_tags,
        *asg_tags; /* "KEY[,KEY]" of the tags that records tell; "" for none */
    char *destination;
    enum file_format file_format;
    enum parquet_codec codec;
    bool hive;
    bool hourly;
    char *endpoint, *region, *profile, *role_arn, *external_id, *proxy, *ca_bundle; /* "" when not given */
    bool use_fips;
    enum endpoint_addressing addressing;
    enum s3_acl acl;
    enum s3_encryption encryption;
    char *kms_key; /* "" when not given */
    enum s3_storage_class storage_class;
    enum s3_checksum checksum;
    enum framing framing;
    enum kafka_security security_protocol;
    enum kafka_mechanism sasl_mechanism;
    char *credentials_file;    /* "" when not given */
    uint64_t publish_interval; /* seconds; the destination's own when none is given */

    /* Worked out from the above. */
    char id[FLOW_LOG_ID_MAX]; /* "fl-" + 17 hex digits, the same after a restart */
    struct format format;
    struct destination_text place; /* points into `destination` */
};

/* What flow logs made through the API take to a kind of destination. */
struct api_destination {
    struct flow_log settings; /* of them, what config_key_service has rows for; must come first, as those rows
                                 count from its start */
    enum { API_CLOUDWATCH, API_S3, API_FIREHOSE } type;
};

struct config {
    struct topology topology; /* account, region, interfaces, subnets */
    struct config_capture capture;
    enum attribution_kind attribution;
    char *store_path; /* where the flow log goes that exists when none is declared */
    struct config_store store;
    struct config_spool spool;
    char *listen_address;
    uint64_t listen_port;
    char *listen_certificate, *listen_key; /* paths; "" for plain HTTP, on loopback alone */
    bool listen_declared;                  /* somebody asked for it, so it must work */
    struct flow_log *flow_logs;
    size_t flow_log_count;
    struct api_destination *api_destinations;
    size_t api_destination_count;
    size_t
        declared_count; /* of them, the first ones, are of the file; the others were made through the API */
};

/* Mistakes, "FILE:LINE: key: …", in the order of the lines. */
struct config_report {
    struct buf mistakes; /* one per line; empty when the file is right */
    unsigned mistake_count;
};

void config_report_done(struct config_report *report);

/*
 * Reads a file; `path` NULL is no configuration at all, so the defaults of cli.md. `state` is the state
 * folder. -EINVAL when it is wrong: `report` then holds every mistake and *ret is empty. Other errors (cannot
 * be read, no memory) are one mistake line too. The report is initialised here and is the caller's to free in
 * every case.
 */
int config_load(struct config *ret, const char *path, const char *state,
                struct config_report *report) MUST_USE;

/* The same from memory; `name` stands for the file in the report. */
int config_parse(struct config *ret, const char *text, size_t len, const char *name, const char *state,
                 struct config_report *report) MUST_USE;

void config_done(struct config *config);
#define AUTO_CONFIG CLEANUP(config_done)

/* The effective configuration as YAML, every key with its value: `flowlogd --show-config`. */
void config_print(const struct config *config, struct buf *buf);

/*
 * For SIGHUP: names of the keys that differ and take effect only after a restart, comma-separated, into
 * `names`; returns how many.
 */
unsigned config_unreloadable(const struct config *current, const struct config *fresh, struct buf *names);

/* Takes over what may change while running; `fresh` gets the values before, to be freed when nobody has them.
 */
void config_reload(struct config *current, struct config *fresh);

/* Whether a flow log of a fresh configuration is the same subscription, so that its destination may stay
 * open. */
bool flow_log_equal(const struct flow_log *a, const struct flow_log *b);

/* "ALL", "ACCEPT", "REJECT". */
const char *traffic_type_name(enum traffic_type type);

/* Whether records of this interface belong to the flow log. */
bool flow_log_covers(const struct flow_log *flow_log, const struct interface *interface);

/* What deliver/ needs to know of a flow log; borrows from both. */
struct destination_settings flow_log_destination(const struct config *config, const struct flow_log *flow_log,
                                                 uint64_t origin);

/* The section on keys of flowlog.yaml(5), as troff. */
void config_manual(struct buf *buf);
