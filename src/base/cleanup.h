/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Locals that free themselves, and hand-over of what they own. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

static inline void cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_fclose(FILE **file)
{
    if (*file)
        fclose(*file);
}

static inline void cleanup_closedir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

#define AUTO_FREE CLEANUP(cleanup_free)
#define AUTO_CLOSE CLEANUP(cleanup_close)
#define AUTO_FCLOSE CLEANUP(cleanup_fclose)
#define AUTO_CLOSEDIR CLEANUP(cleanup_closedir)

/* The pointer's value, leaving NULL behind: ownership goes to the caller. */
#define TAKE(pointer)                                                                                        \
    ({                                                                                                       \
        __auto_type taken_ = (pointer);                                                                      \
        (pointer) = NULL;                                                                                    \
        taken_;                                                                                              \
    })

/* The descriptor's value, leaving -1 behind. */
#define TAKE_FD(fd)                                                                                          \
    ({                                                                                                       \
        int taken_ = (fd);                                                                                   \
        (fd) = -1;                                                                                           \
        taken_;                                                                                              \
    })
