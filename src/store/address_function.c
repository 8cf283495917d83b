/* SPDX-License-Identifier: Apache-2.0 */
#include "store/address_function.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "parquet/vector.h"

/* The block of the row before, as it is nearly always the same one. */
struct last_block {
    struct text text;
    bool known;
    struct address_block block;
};

/* False where the text is no block. */
static bool find_block(struct last_block *last, struct text text)
{
    if (last->known && last->text.len == text.len && memcmp(last->text.at, text.at, text.len) == 0)
        return true;
    last->text = text;
    last->known = address_block_parse(text.at, text.len, &last->block);
    return last->known;
}

static bool is_dash(struct text text)
{
    return text.len == 1 && text.at[0] == '-';
}

enum answer { ANSWER_NULL = -1, ANSWER_FALSE, ANSWER_TRUE, ANSWER_FAULT };

static enum answer answer_row(struct last_block *last, struct text address_text, struct text block_text)
{
    struct address address;
    if (is_dash(block_text))
        return ANSWER_NULL;
    if (!find_block(last, block_text))
        return ANSWER_FAULT;
    if (!address_parse(address_text.at, address_text.len, &address))
        return ANSWER_NULL; /* also of "-" */
    return address_block_contains(&last->block, &address) ? ANSWER_TRUE : ANSWER_FALSE;
}

static void refuse_block(duckdb_function_info info, struct text text)
{
    struct fault fault;
    (void)fault_set(&fault, 0,
                    ADDRESS_FUNCTION_NAME ": '%.*s' is no address block, such as 10.0.0.0/8 or 2001:db8::/32",
                    text.len < 64 ? (int)text.len : 64, text.at);
    library_loaded()->scalar_function_set_error(info, fault.text);
}

static void in_cidr(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct duckdb_functions *duckdb = library_loaded();
    struct vector_reader addresses = vector_read(duckdb, duckdb->data_chunk_get_vector(input, 0));
    struct vector_reader blocks = vector_read(duckdb, duckdb->data_chunk_get_vector(input, 1));
    bool *to = duckdb->vector_get_data(output);
    uint32_t rows = (uint32_t)duckdb->data_chunk_get_size(input);
    struct last_block last = {0};
    for (uint32_t row = 0; row < rows; row++) {
        enum answer answer = ANSWER_NULL;
        if (!vector_is_null(&addresses, row) && !vector_is_null(&blocks, row))
            answer = answer_row(&last, vector_text(&addresses, row), vector_text(&blocks, row));
        if (answer == ANSWER_FAULT) {
            refuse_block(info, vector_text(&blocks, row));
            return;
        }
        to[row] = answer == ANSWER_TRUE;
        if (answer == ANSWER_NULL)
            vector_set_null(duckdb, output, row);
    }
}

int address_function_add(const struct session *session, struct fault *fault)
{
    const struct duckdb_functions *duckdb = session->duckdb;
    duckdb_logical_type text = duckdb->create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_logical_type boolean = duckdb->create_logical_type(DUCKDB_TYPE_BOOLEAN);
    duckdb_scalar_function function = duckdb->create_scalar_function();
    duckdb->scalar_function_set_name(function, ADDRESS_FUNCTION_NAME);
    duckdb->scalar_function_add_parameter(function, text);
    duckdb->scalar_function_add_parameter(function, text);
    duckdb->scalar_function_set_return_type(function, boolean);
    duckdb->scalar_function_set_function(function, in_cidr);
    duckdb_state state = duckdb->register_scalar_function(session->connection, function);
    duckdb->destroy_scalar_function(&function);
    duckdb->destroy_logical_type(&boolean);
    duckdb->destroy_logical_type(&text);
    return state == DuckDBSuccess ? 0 : fault_set(fault, -ENOMEM, "DuckDB takes no function");
}
