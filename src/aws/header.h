/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct http_header {
    const char *name; /* in any case */
    const char *value;
};
