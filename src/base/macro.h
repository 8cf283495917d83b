/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, arguments) __attribute__((format(printf, text, arguments)))

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL
