/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A YAML document on its way into a configuration: where we are in it, and what was found wrong. */

#include <stddef.h>
#include <yaml.h>

#include "base/macro.h"
#include "daemon/config.h"
#include "daemon/config_keys.h"

struct config_reader;

/* Reads the document; mistakes go to the report. -ENOMEM; a wrong document is no error here. */
int config_read(struct config *config, const char *text, size_t len, const char *name,
                struct config_report *report) MUST_USE;

/*
 * For checks of list elements: a mistake in the value of `key` in the map `node`, or in the map as a whole if
 * the key is not there. "FILE:LINE: path.key: …".
 */
void config_mistake(struct config_reader *reader, yaml_node_t *node, const char *key, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Whether the map gives the key another value than its default. */
bool config_says(struct config_reader *reader, yaml_node_t *node, const struct config_key *key);

/* "FILE: …" or "FILE:LINE: …" when there is no document to point into; line 0 is none. */
void config_report_mistake(struct config_report *report, const char *name, size_t line, const char *text);
