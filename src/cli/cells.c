/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cells.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/num.h"

#define MICROS 1000000
#define DAY_SECONDS 86400

void cell_reader_init(struct cell_reader *reader, const struct duckdb_functions *duckdb,
                      duckdb_result *result, size_t column, bool local_time)
{
    duckdb_logical_type type = duckdb->column_logical_type(result, column);
    *reader = (struct cell_reader){.type = duckdb->get_type_id(type), .local_time = local_time};
    if (reader->type == DUCKDB_TYPE_DECIMAL) {
        reader->scale = duckdb->decimal_scale(type);
        reader->internal = duckdb->decimal_internal_type(type);
    }
    char *alias = duckdb->logical_type_get_alias(type);
    reader->is_json = alias && strcmp(alias, "JSON") == 0;
    duckdb->free(alias);
    duckdb->destroy_logical_type(&type);
}

void cell_reader_set(struct cell_reader *reader, const struct duckdb_functions *duckdb, duckdb_vector vector)
{
    reader->values = vector_read(duckdb, vector);
}

/* An integer of any width; false for what is none. */
static bool read_integer(const void *data, duckdb_type type, uint32_t row, __int128 *ret)
{
    switch (type) {
    case DUCKDB_TYPE_TINYINT:
        *ret = (int16_t)((const int8_t *)data)[row];
        return true;
    case DUCKDB_TYPE_SMALLINT:
        *ret = ((const int16_t *)data)[row];
        return true;
    case DUCKDB_TYPE_INTEGER:
        *ret = ((const int32_t *)data)[row];
        return true;
    case DUCKDB_TYPE_BIGINT:
        *ret = ((const int64_t *)data)[row];
        return true;
    case DUCKDB_TYPE_UTINYINT:
        *ret = ((const uint8_t *)data)[row];
        return true;
    case DUCKDB_TYPE_USMALLINT:
        *ret = ((const uint16_t *)data)[row];
        return true;
    case DUCKDB_TYPE_UINTEGER:
        *ret = ((const uint32_t *)data)[row];
        return true;
    case DUCKDB_TYPE_UBIGINT:
        *ret = ((const uint64_t *)data)[row];
        return true;
    case DUCKDB_TYPE_HUGEINT: {
        const duckdb_hugeint *number = (const duckdb_hugeint *)data + row;
        *ret = (__int128)((unsigned __int128)(uint64_t)number->upper << 64 | number->lower);
        return true;
    }
    default:
        return false;
    }
}

/* Digits with a point before the last `scale`. */
static void print_number(__int128 number, uint8_t scale, char to[static CELL_TEXT_MAX])
{
    char reversed[CELL_TEXT_MAX];
    unsigned __int128 rest = number < 0 ? -(unsigned __int128)number : (unsigned __int128)number;
    size_t len = 0;
    while (rest > 0 || len <= scale) {
        if (scale > 0 && len == scale)
            reversed[len++] = '.';
        reversed[len++] = (char)('0' + (unsigned)(rest % 10));
        rest /= 10;
        if (scale > 0 && len > scale && rest == 0)
            break;
    }
    if (number < 0)
        reversed[len++] = '-';
    for (size_t i = 0; i < len; i++)
        to[i] = reversed[len - 1 - i];
    to[len] = '\0';
}

/* The shortest text that reads back as the same number, of a float or a double. */
static void print_float(double number, bool is_double, char to[static CELL_TEXT_MAX])
{
    int digits = is_double ? 15 : 6;
    int most = is_double ? 17 : 9;
    do
        (void)snprintf(to, CELL_TEXT_MAX, "%.*g", digits, number);
    while (digits++ < most &&
           (is_double ? num_read_double(to) != number : (float)num_read_double(to) != (float)number));
}

/* RFC 3339; the zone only where the type has one. */
static void print_time(int64_t seconds, unsigned micros, bool zone, bool local, char to[static CELL_TEXT_MAX])
{
    time_t time = seconds;
    struct tm parts;
    if (!(zone && local ? localtime_r(&time, &parts) : gmtime_r(&time, &parts))) {
        (void)snprintf(to, CELL_TEXT_MAX, "%" PRId64, seconds);
        return;
    }
    size_t len = strftime(to, CELL_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    if (micros > 0)
        len += (size_t)snprintf(to + len, CELL_TEXT_MAX - len, ".%06u", micros);
    if (!zone)
        return;
    long offset = local ? parts.tm_gmtoff : 0;
    if (offset == 0)
        (void)snprintf(to + len, CELL_TEXT_MAX - len, "Z");
    else
        (void)snprintf(to + len, CELL_TEXT_MAX - len, "%c%02ld:%02ld", offset < 0 ? '-' : '+',
                       labs(offset) / 3600, labs(offset) / 60 % 60);
}

static void print_timestamp(struct cell_reader *reader, int64_t value, int64_t per_second)
{
    int64_t seconds = value / per_second - (value % per_second < 0);
    int64_t rest = value - seconds * per_second;
    unsigned micros =
        (unsigned)(per_second >= MICROS ? rest / (per_second / MICROS) : rest * (MICROS / per_second));
    print_time(seconds, micros, reader->type == DUCKDB_TYPE_TIMESTAMP_TZ, reader->local_time, reader->text);
}

static void print_date(int32_t days, char to[static CELL_TEXT_MAX])
{
    time_t time = (time_t)days * DAY_SECONDS;
    struct tm parts;
    if (!gmtime_r(&time, &parts) || strftime(to, CELL_TEXT_MAX, "%Y-%m-%d", &parts) == 0)
        (void)snprintf(to, CELL_TEXT_MAX, "%" PRId32, days);
}

/* A value that is neither text nor number; its kind. */
static enum cell_kind print_other(struct cell_reader *reader, uint32_t row)
{
    const void *data = reader->values.data;
    double number;
    switch (reader->type) {
    case DUCKDB_TYPE_BOOLEAN:
        (void)snprintf(reader->text, CELL_TEXT_MAX, "%s", ((const bool *)data)[row] ? "true" : "false");
        return CELL_JSON;
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
        number = reader->type == DUCKDB_TYPE_FLOAT ? (double)((const float *)data)[row]
                                                   : ((const double *)data)[row];
        if (!isfinite(number))
            return CELL_NULL;
        print_float(number, reader->type == DUCKDB_TYPE_DOUBLE, reader->text);
        return CELL_NUMBER;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        print_timestamp(reader, ((const int64_t *)data)[row], MICROS);
        return CELL_TEXT;
    case DUCKDB_TYPE_TIMESTAMP_S:
        print_timestamp(reader, ((const int64_t *)data)[row], 1);
        return CELL_TEXT;
    case DUCKDB_TYPE_TIMESTAMP_MS:
        print_timestamp(reader, ((const int64_t *)data)[row], 1000);
        return CELL_TEXT;
    case DUCKDB_TYPE_TIMESTAMP_NS:
        print_timestamp(reader, ((const int64_t *)data)[row], 1000LL * MICROS);
        return CELL_TEXT;
    case DUCKDB_TYPE_DATE:
        print_date(((const int32_t *)data)[row], reader->text);
        return CELL_TEXT;
    default:
        return CELL_NULL;
    }
}

void cell_read(struct cell_reader *reader, uint32_t row, struct cell *ret)
{
    __int128 number;
    *ret = (struct cell){.text = "", .kind = CELL_NULL};
    if (vector_is_null(&reader->values, row))
        return;
    if (reader->type == DUCKDB_TYPE_VARCHAR) {
        struct text text = vector_text(&reader->values, row);
        *ret = (struct cell){text.at, text.len, reader->is_json ? CELL_JSON : CELL_TEXT};
        return;
    }
    bool is_decimal = reader->type == DUCKDB_TYPE_DECIMAL;
    ret->kind = CELL_NUMBER;
    if (read_integer(reader->values.data, is_decimal ? reader->internal : reader->type, row, &number))
        print_number(number, reader->scale, reader->text);
    else
        ret->kind = print_other(reader, row);
    ret->text = ret->kind == CELL_NULL ? "" : reader->text;
    ret->len = strlen(ret->text);
}
