/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/curl.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/dynamic.h"

static const struct dynamic_function rows[] = {
#define X(function) {"curl_" #function, offsetof(struct curl_functions, function)},
    CURL_FUNCTIONS(X)
#undef X
};

static struct curl_functions functions; /* filled once, under the mutex, and never changed */

int curl_load(const struct curl_functions **ret, struct fault *fault)
{
    static const char *const libraries[] = {"libcurl-gnutls.so.4", "libcurl.so.4", NULL};
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static bool loaded;
    (void)pthread_mutex_lock(&mutex);
    int r = loaded ? 0
                   : dynamic_load(&functions, libraries, rows, ARRAY_SIZE(rows),
                                  "AWS's services need libcurl", fault);
    if (r == 0 && !loaded)
        (void)functions.global_init(CURL_GLOBAL_DEFAULT);
    loaded |= r == 0;
    (void)pthread_mutex_unlock(&mutex);
    if (r == 0)
        *ret = &functions;
    return r;
}

const struct curl_functions *curl_loaded(void)
{
    return &functions;
}
