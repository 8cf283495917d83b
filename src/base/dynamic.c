/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dynamic.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

static int look_up(void *library, const char *library_name, const struct dynamic_function *functions,
                   size_t count, void *table, struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        void *address = dlsym(library, functions[i].name);
        if (!address)
            return fault_set(fault, -ELIBACC, "%s lacks %s: it is not of the version flowlog was built for",
                             library_name, functions[i].name);
        memcpy((char *)table + functions[i].offset, &address, sizeof address);
    }
    return 0;
}

int dynamic_load(void *table, const char *const *libraries, const struct dynamic_function *functions,
                 size_t count, const char *what, struct fault *fault)
{
    void *library = NULL;
    size_t i = 0;
    for (; libraries[i]; i++) {
        library = dlopen(libraries[i], RTLD_LAZY | RTLD_LOCAL);
        if (library)
            break;
    }
    if (!library)
        return fault_set(fault, -ELIBACC, "%s, which cannot be loaded: %s", what, dlerror());
    int r = look_up(library, libraries[i], functions, count, table, fault);
    if (r < 0)
        (void)dlclose(library);
    return r;
}
