/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A store as its readers see it: the files that hold each record once, at whatever moment. A folder that is
 * no store is listed the same way. Files whose name, or whose folder's name, begins with '.' or '_' are not
 * the reader's, as Hive, Spark and Athena have it.
 *
 * How it stays true while files are merged and removed (upkeep.h): a reader holds a shared lock on the
 * manifest that it went by, and what a later manifest takes out of use stays in its place as long as an
 * earlier one is locked.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "store/manifest.h"

#define DATASET_OWN ".flowlog" /* the store's own folder */

struct dataset_file {
    char *path; /* relative to the folder */
    uint64_t size;
    uint64_t modified_s;
    uint64_t links;
    bool named;       /* as AWS names objects: then `end` of all its records lies in begin_s <= end < end_s */
    uint64_t begin_s; /* the slot of the name; 0 without one */
    uint64_t end_s;   /* its end, or for a file of an hour (layout.h) that hour's */
    const struct change *change; /* what made it, while it stands beside the files that it replaces */
};

struct dataset {
    char *folder;
    struct dataset_file *files; /* in the order of begin_s, then path */
    size_t count;
    struct manifest manifest;
    uint64_t number; /* of the manifest */
    int lock;        /* -1: no store */
};

/*
 * The files, all of which can be opened until dataset_close(). -ENOENT when there is no such folder. A reader
 * that stays open for more than an hour is not waited for any more.
 */
int dataset_open(struct dataset *ret, const char *folder, struct fault *fault) MUST_USE;

/* Also of one that was zeroed and never opened. */
void dataset_close(struct dataset *dataset);
#define AUTO_DATASET CLEANUP(dataset_close)

/* Whether the folder has been made a store (upkeep_open()). */
bool dataset_is_store(const char *folder);

/* The store's own folder, and the manifest of a number. -ENAMETOOLONG. */
int dataset_print_own(char ret[static PATH_MAX], const char *folder, const char *name) MUST_USE;
int dataset_print_manifest(char ret[static PATH_MAX], const char *folder, uint64_t number) MUST_USE;

/* Numbers of all manifests, rising; owned. */
int dataset_list_manifests(const char *folder, uint64_t **ret, size_t *ret_count,
                           struct fault *fault) MUST_USE;
