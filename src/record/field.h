/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The field catalogue: one row per record field, from which the format parser, the text and JSON writers, the
 * readers, `flowlog fields`, the manual page and (later) Parquet, SQL and the console are fed. Rows are in
 * the order of AWS's tables: 54 VPC fields, the transit gateway's own, then ours (x-).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type { FIELD_INT32, FIELD_INT64, FIELD_STRING };

/* What a value has to look like; decides parsing, checking and printing. */
enum field_kind {
    FIELD_KIND_NUMBER,
    FIELD_KIND_ADDRESS,
    FIELD_KIND_WORD,       /* text without spaces */
    FIELD_KIND_ACTION,     /* ACCEPT, REJECT */
    FIELD_KIND_LOG_STATUS, /* OK, NODATA, SKIPDATA */
    FIELD_KIND_TIME,       /* seconds since the epoch, never `-` */
};

enum field_scope {
    FIELD_SCOPE_VPC = 1,
    FIELD_SCOPE_TRANSIT_GATEWAY = 2,
    FIELD_SCOPE_OWN = 4,
};

/* Rows: identifier, name, version, type, kind, scope, `-` when, meaning. See field.c for the text columns. */
enum field_id {
    FIELD_VERSION,
    FIELD_ACCOUNT_ID,
    FIELD_INTERFACE_ID,
    FIELD_SRCADDR,
    FIELD_DSTADDR,
    FIELD_SRCPORT,
    FIELD_DSTPORT,
    FIELD_PROTOCOL,
    FIELD_PACKETS,
    FIELD_BYTES,
    FIELD_START,
    FIELD_END,
    FIELD_ACTION,
    FIELD_LOG_STATUS,
    FIELD_VPC_ID,
    FIELD_SUBNET_ID,
    FIELD_INSTANCE_ID,
    FIELD_TCP_FLAGS,
    FIELD_TYPE,
    FIELD_PKT_SRCADDR,
    FIELD_PKT_DSTADDR,
    FIELD_REGION,
    FIELD_AZ_ID,
    FIELD_SUBLOCATION_TYPE,
    FIELD_SUBLOCATION_ID,
    FIELD_PKT_SRC_AWS_SERVICE,
    FIELD_PKT_DST_AWS_SERVICE,
    FIELD_FLOW_DIRECTION,
    FIELD_TRAFFIC_PATH,
    FIELD_ECS_CLUSTER_ARN,
    FIELD_ECS_CLUSTER_NAME,
    FIELD_ECS_CONTAINER_INSTANCE_ARN,
    FIELD_ECS_CONTAINER_INSTANCE_ID,
    FIELD_ECS_CONTAINER_ID,
    FIELD_ECS_SECOND_CONTAINER_ID,
    FIELD_ECS_SERVICE_NAME,
    FIELD_ECS_TASK_DEFINITION_ARN,
    FIELD_ECS_TASK_ARN,
    FIELD_ECS_TASK_ID,
    FIELD_REJECT_REASON,
    FIELD_RESOURCE_ID,
    FIELD_ENCRYPTION_STATUS,
    FIELD_INSTANCE_TAG,
    FIELD_INSTANCE_TAG_2,
    FIELD_INTERFACE_TAG,
    FIELD_INTERFACE_TAG_2,
    FIELD_ASG_TAG,
    FIELD_ASG_TAG_2,
    FIELD_INTERFACE_TYPE,
    FIELD_NEXT_HOP_INTERFACE_ID,
    FIELD_NEXT_HOP_SUBNET_ID,
    FIELD_NEXT_HOP_AZ_ID,
    FIELD_NEXT_HOP_VPC_ID,
    FIELD_NEXT_HOP_INTERFACE_TYPE,
    FIELD_RESOURCE_TYPE,
    FIELD_TGW_ID,
    FIELD_TGW_ATTACHMENT_ID,
    FIELD_TGW_SRC_VPC_ACCOUNT_ID,
    FIELD_TGW_DST_VPC_ACCOUNT_ID,
    FIELD_TGW_SRC_VPC_ID,
    FIELD_TGW_DST_VPC_ID,
    FIELD_TGW_SRC_SUBNET_ID,
    FIELD_TGW_DST_SUBNET_ID,
    FIELD_TGW_SRC_ENI,
    FIELD_TGW_DST_ENI,
    FIELD_TGW_SRC_AZ_ID,
    FIELD_TGW_DST_AZ_ID,
    FIELD_TGW_PAIR_ATTACHMENT_ID,
    FIELD_PACKETS_LOST_NO_ROUTE,
    FIELD_PACKETS_LOST_BLACKHOLE,
    FIELD_PACKETS_LOST_MTU_EXCEEDED,
    FIELD_PACKETS_LOST_TTL_EXPIRED,
    FIELD_X_REJECT_SOURCE,
    FIELD_X_REJECT_RULE,
    FIELD_X_DROP_REASON,
    FIELD_X_LOST_PACKETS,
    FIELD_COUNT,
    FIELD_UNKNOWN = FIELD_COUNT, /* column of a file whose name is not in the catalogue: read over */
};

#define FIELD_MEMBER_SIZE 32

struct field {
    const char *name;
    char member[FIELD_MEMBER_SIZE]; /* of a JSON object: the name in quotes and a colon; name_len + 3 bytes */
    uint8_t name_len;
    uint8_t version;         /* record version that introduced it; our own have the newest, 11 */
    uint8_t type;            /* enum field_type: AWS's Parquet type */
    uint8_t kind;            /* enum field_kind */
    uint8_t scope;           /* enum field_scope, or-ed */
    uint64_t max;            /* largest number it holds; 0 where it holds no number */
    const char *absent_when; /* when the value is `-` */
    const char *meaning;
};

extern const struct field field_catalogue[FIELD_COUNT + 1]; /* FIELD_UNKNOWN has a row, too */

/* AWS's own word for the type: INT_32, INT_64, STRING. */
const char *field_type_name(enum field_type type);

static inline bool field_is_own(enum field_id id)
{
    return field_catalogue[id].scope == FIELD_SCOPE_OWN;
}

/* Kinds whose value is a number in a record and in JSON. */
static inline bool field_is_number(enum field_id id)
{
    return field_catalogue[id].max != 0;
}

/* The field of that exact name, or -1. */
int field_find(const char *name, size_t len);

/* The name with the smallest edit distance, for "did you mean"; never NULL. */
const char *field_nearest(const char *name, size_t len);
