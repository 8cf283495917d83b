/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What one key cannot tell by itself: contradictions within an element of a list, and with those before it.
 */

#include "daemon/config_keys.h"

element_check config_check_interface;
element_check config_check_subnet;
element_check config_check_flow_log;
element_check config_check_api_destination;
