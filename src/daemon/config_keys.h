/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The table of configuration keys, and what a row says about one value. */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/macro.h"

#define PATH_ROOM (PATH_MAX - 512) /* of paths given; leaves the rest to what is made below */

enum key_type {
    KEY_TEXT,      /* char *, owned */
    KEY_NUMBER,    /* uint64_t: min..max, or one of `words` */
    KEY_SIZE,      /* uint64_t: bytes, min..max, written with K, M or G (of 1024) */
    KEY_PERIOD,    /* uint64_t: seconds, min..max, written with s, m, h or d */
    KEY_CHOICE,    /* an enum: which of `words` */
    KEY_BOOL,      /* bool */
    KEY_FLAGS,     /* unsigned: a list of `words`, a bit each */
    KEY_ADDRESSES, /* struct address *, owned, and size_t at count_offset: a list */
    KEY_BLOCK,     /* struct address_block */
    KEY_MAP,       /* `children` in the same struct */
    KEY_LIST, /* pointer to structs of element_size, owned, and size_t at count_offset; `children` in each */
};

enum key_standing {
    KEY_WORKS,
    KEY_MISSING, /* not in this version, and ignoring it would mislead: a mistake */
};

struct config_reader;
struct yaml_node_s;

/* Whether a text may stand there; a fault says why not where the row's `allowed` does not say it all. */
typedef bool key_check(const char *text, struct fault *fault);

/* Looks at list[index], just read from `node`, beside those before it. */
typedef void element_check(struct config_reader *reader, struct yaml_node_s *node, const void *list,
                           size_t index);

struct config_key {
    const char *name; /* NULL ends a table */
    uint8_t type;     /* enum key_type */
    uint8_t standing; /* enum key_standing */
    bool required;
    bool reloadable;
    size_t offset;
    size_t count_offset;
    uint64_t min, max;        /* of a KEY_NUMBER; max elements of a list */
    const char *words;        /* "a|b|c" */
    const char *unit;         /* of a KEY_NUMBER */
    const char *default_text; /* read like what stands in a file; NULL: required, or made when all is read */
    const char *allowed;      /* of a KEY_TEXT, for people */
    const char *help;         /* sentences for the manual */
    key_check *check;
    const struct config_key *children;
    size_t element_size;
    element_check *check_element;
};

extern const struct config_key config_keys[];

/* Rows of the lists whose elements are also made without a file. */
extern const struct config_key *const config_key_interfaces;
extern const struct config_key *const config_key_flow_logs;

/* How a service is spoken to, which flow logs made through the API take from api-destinations. */
extern const struct config_key *const config_key_service;

/* The row of that name among its siblings, or NULL. */
const struct config_key *config_key_find(const struct config_key *keys, const char *name, size_t len);

/*
 * Stores what the text means in the struct at `base`, in place of what was there: for rows that are no map
 * and no list of maps; for lists of words or addresses it adds one. -EINVAL when it is not allowed, -ENOMEM.
 */
int config_key_set(const struct config_key *key, void *base, const char *text, size_t len,
                   struct fault *fault) MUST_USE;

/* The value of `from` into the struct at `base`, in place of what was there; for the same rows. -ENOMEM. */
int config_key_copy(const struct config_key *key, void *base, const void *from) MUST_USE;

/* Of the value that stands in the struct itself; for the types that rows outside lists have. */
size_t config_key_size(const struct config_key *key);

/* Defaults of all rows; -ENOMEM. */
int config_keys_set_defaults(const struct config_key *keys, void *base) MUST_USE;

void config_keys_free(const struct config_key *keys, void *base);

/* "60 or 600", "1024 to 16777216", "nic or port", …; of one item where the value is a list of words or
 * addresses. */
void config_key_print_allowed(const struct config_key *key, bool item, struct buf *buf);

/*
 * "name: value" as YAML, with the line's end and what belongs to it below; nothing for a text that nobody
 * gave. What has no effect in this version is left out.
 */
void config_key_print(const struct config_key *key, const void *base, unsigned indent, struct buf *buf);
void config_keys_print(const struct config_key *keys, const void *base, unsigned indent, struct buf *buf);
