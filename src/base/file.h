/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fault.h"

/* Reads a whole file of at most buf->max bytes. -EFBIG when it is larger. */
int file_read(const char *path, struct buf *buf, struct fault *fault) MUST_USE;

/* Creates the folder and those above it, to last through a power cut as file_sync_folder_of() does. */
int file_make_folders(const char *path, mode_t mode, struct fault *fault) MUST_USE;

/*
 * Puts a file in its place whole or not at all: written beside it, synced, renamed over it, folder synced.
 * What stood there before stays until the rename, also when the disk is full.
 */
int file_replace(const char *path, const void *data, size_t len, struct fault *fault) MUST_USE;

/* The same, of what `fill` writes to the descriptor; it returns 0 or a negative error. */
typedef int file_filler(void *context, int fd);
int file_replace_filled(const char *path, file_filler *fill, void *context, struct fault *fault) MUST_USE;

/* The same for secrets: nobody but the owner may read it. */
int file_replace_private(const char *path, const void *data, size_t len, struct fault *fault) MUST_USE;

/* Writes all of it, going on after short writes and signals. */
int file_write_all(int fd, const void *data, size_t len) MUST_USE;

/* As many open files as the system allows this process at all. */
void file_raise_limit(void);

/* Makes a rename in the file's folder last through a power cut, where the file system can. */
void file_sync_folder_of(const char *path);
