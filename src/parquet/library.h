/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * DuckDB's C API, loaded when it is first needed: it costs 27 ms and 34 MiB, which programs that touch
 * neither Parquet nor SQL shall not pay. Functions are called as `duckdb->query(…)`.
 */

#include <duckdb.h>

#include "base/fault.h"

/* What we use of it, without its `duckdb_`. */
#define DUCKDB_FUNCTIONS(X)                                                                                  \
    X(bind_add_result_column)                                                                                \
    X(bind_get_extra_info)                                                                                   \
    X(close)                                                                                                 \
    X(column_count)                                                                                          \
    X(column_logical_type)                                                                                   \
    X(column_name)                                                                                           \
    X(column_type)                                                                                           \
    X(connect)                                                                                               \
    X(create_config)                                                                                         \
    X(create_logical_type)                                                                                   \
    X(create_scalar_function)                                                                                \
    X(create_table_function)                                                                                 \
    X(data_chunk_get_column_count)                                                                           \
    X(data_chunk_get_size)                                                                                   \
    X(data_chunk_get_vector)                                                                                 \
    X(data_chunk_set_size)                                                                                   \
    X(decimal_internal_type)                                                                                 \
    X(decimal_scale)                                                                                         \
    X(destroy_config)                                                                                        \
    X(destroy_data_chunk)                                                                                    \
    X(destroy_logical_type)                                                                                  \
    X(destroy_pending)                                                                                       \
    X(destroy_prepare)                                                                                       \
    X(destroy_result)                                                                                        \
    X(destroy_scalar_function)                                                                               \
    X(destroy_table_function)                                                                                \
    X(disconnect)                                                                                            \
    X(execute_pending)                                                                                       \
    X(execute_prepared_streaming)                                                                            \
    X(fetch_chunk)                                                                                           \
    X(free)                                                                                                  \
    X(function_get_extra_info)                                                                               \
    X(function_get_init_data)                                                                                \
    X(function_get_local_init_data)                                                                          \
    X(function_set_error)                                                                                    \
    X(get_type_id)                                                                                           \
    X(init_get_column_count)                                                                                 \
    X(init_get_column_index)                                                                                 \
    X(init_get_extra_info)                                                                                   \
    X(init_set_error)                                                                                        \
    X(init_set_init_data)                                                                                    \
    X(interrupt)                                                                                             \
    X(init_set_max_threads)                                                                                  \
    X(logical_type_get_alias)                                                                                \
    X(open_ext)                                                                                              \
    X(pending_error)                                                                                         \
    X(pending_execute_task)                                                                                  \
    X(pending_execution_is_finished)                                                                         \
    X(pending_prepared_streaming)                                                                            \
    X(prepare)                                                                                               \
    X(prepare_error)                                                                                         \
    X(prepared_statement_column_count)                                                                       \
    X(prepared_statement_column_name)                                                                        \
    X(prepared_statement_column_type)                                                                        \
    X(prepared_statement_type)                                                                               \
    X(query)                                                                                                 \
    X(register_scalar_function)                                                                              \
    X(register_table_function)                                                                               \
    X(result_error)                                                                                          \
    X(result_error_type)                                                                                     \
    X(scalar_function_add_parameter)                                                                         \
    X(scalar_function_set_error)                                                                             \
    X(scalar_function_set_function)                                                                          \
    X(scalar_function_set_name)                                                                              \
    X(scalar_function_set_return_type)                                                                       \
    X(set_config)                                                                                            \
    X(table_function_set_bind)                                                                               \
    X(table_function_set_extra_info)                                                                         \
    X(table_function_set_function)                                                                           \
    X(table_function_set_init)                                                                               \
    X(table_function_set_local_init)                                                                         \
    X(table_function_set_name)                                                                               \
    X(table_function_supports_projection_pushdown)                                                           \
    X(vector_assign_string_element_len)                                                                      \
    X(vector_ensure_validity_writable)                                                                       \
    X(vector_get_data)                                                                                       \
    X(vector_get_validity)                                                                                   \
    X(vector_size)

struct duckdb_functions {
#define X(name) __typeof__(&duckdb_##name) name;
    DUCKDB_FUNCTIONS(X)
#undef X
};

/* From any thread. The table stays valid for good. -ELIBACC when the library or a function of it is missing.
 */
int library_load(const struct duckdb_functions **ret, struct fault *fault) MUST_USE;

/* The same where it is known to be loaded: in what DuckDB calls. */
const struct duckdb_functions *library_loaded(void);
