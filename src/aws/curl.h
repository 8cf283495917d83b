/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* libcurl, loaded when the first request is made: with what it brings along it is half of what a program's
 * start takes. Functions are called as `curl->easy_init()`. */

#define CURL_DISABLE_TYPECHECK /* its macros know the functions by their names */
#include <curl/curl.h>

#include "base/fault.h"
#include "base/macro.h"

/* What we use of it, without its `curl_`. */
#define CURL_FUNCTIONS(X)                                                                                    \
    X(easy_cleanup)                                                                                          \
    X(easy_getinfo)                                                                                          \
    X(easy_init)                                                                                             \
    X(easy_perform)                                                                                          \
    X(easy_reset)                                                                                            \
    X(easy_setopt)                                                                                           \
    X(easy_strerror)                                                                                         \
    X(global_init)                                                                                           \
    X(slist_append)                                                                                          \
    X(slist_free_all)

struct curl_functions {
#define X(name) __typeof__(&curl_##name) name;
    CURL_FUNCTIONS(X)
#undef X
};

/* From any thread; initialised, and valid for good. -ELIBACC when it is missing. */
int curl_load(const struct curl_functions **ret, struct fault *fault) MUST_USE;

/* The same where it is known to be loaded. */
const struct curl_functions *curl_loaded(void);
