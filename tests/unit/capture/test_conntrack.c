/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/conntrack.h"

/* Type information of a kernel that looks like this; the compiler knows the offsets as well. */
union address {
    uint32_t all[4];
};

union port {
    uint16_t all;
};

struct tuple {
    struct end {
        union address u3;
        union port u;
    } src;
    struct target {
        union address u3;
        union port u;
        uint8_t protonum;
    } dst;
};

struct tuple_hash {
    void *node[2];
    struct tuple tuple;
};

struct connection {
    uint64_t counts;
    struct tuple_hash tuplehash[2];
    uint64_t status;
};

static char folder[] = "/tmp/flowlog-types-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static void path_of(char ret[static 64], const char *name)
{
    (void)snprintf(ret, 64, "%s/%s", folder, name);
}

static int teardown(void **state)
{
    (void)state;
    const char *names[] = {"vmlinux", "nf_conntrack"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[64];
        path_of(path, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

static void write_types(const struct btf *btf, const char *name)
{
    char path[64];
    path_of(path, name);
    uint32_t size = 0;
    const void *data = btf__raw_data(btf, &size);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

#define ADD_FIELD(btf, owner, member, type)                                                                  \
    assert_int_equal(btf__add_field(btf, #member, type, (uint32_t)offsetof(owner, member) * 8, 0), 0)

static void add_connection_types(struct btf *btf)
{
    int word = btf__add_int(btf, "unsigned int", 4, 0);
    int half = btf__add_int(btf, "unsigned short", 2, 0);
    int byte = btf__add_int(btf, "unsigned char", 1, 0);
    int words = btf__add_array(btf, word, word, 4);
    int address = btf__add_union(btf, "nf_inet_addr", sizeof(union address));
    ADD_FIELD(btf, union address, all, words);
    int port = btf__add_union(btf, "nf_conntrack_man_proto", sizeof(union port));
    ADD_FIELD(btf, union port, all, half);
    int address_type = btf__add_typedef(btf, "address_t", address);
    int source = btf__add_struct(btf, "nf_conntrack_man", sizeof(struct end));
    ADD_FIELD(btf, struct end, u3, address);
    ADD_FIELD(btf, struct end, u, port);
    int target = btf__add_struct(btf, NULL, sizeof(struct target));
    ADD_FIELD(btf, struct target, u3, address_type);
    ADD_FIELD(btf, struct target, u, port);
    ADD_FIELD(btf, struct target, protonum, byte);
    int constant = btf__add_const(btf, target);
    int tuple = btf__add_struct(btf, "nf_conntrack_tuple", sizeof(struct tuple));
    ADD_FIELD(btf, struct tuple, src, source);
    ADD_FIELD(btf, struct tuple, dst, constant);
    int hash = btf__add_struct(btf, "nf_conntrack_tuple_hash", sizeof(struct tuple_hash));
    ADD_FIELD(btf, struct tuple_hash, tuple, tuple);
    int hashes = btf__add_array(btf, word, hash, 2);
    assert_true(btf__add_struct(btf, "nf_conn", sizeof(struct connection)) > 0);
    ADD_FIELD(btf, struct connection, tuplehash, hashes);
    ADD_FIELD(btf, struct connection, status, word);
}

static void expect_layout(void)
{
    struct conntrack_layout layout = {0};
    assert_int_equal(conntrack_layout_read(folder, &layout), 0);
    assert_int_equal(layout.known, 1);
    assert_int_equal(layout.status, offsetof(struct connection, status));
    assert_int_equal(layout.tuples, offsetof(struct connection, tuplehash));
    assert_int_equal(layout.tuple_size, sizeof(struct tuple_hash));
    assert_int_equal(layout.tuple, offsetof(struct tuple_hash, tuple));
    assert_int_equal(layout.source, offsetof(struct tuple, src.u3));
    assert_int_equal(layout.source_port, offsetof(struct tuple, src.u.all));
    assert_int_equal(layout.destination, offsetof(struct tuple, dst.u3));
    assert_int_equal(layout.destination_port, offsetof(struct tuple, dst.u.all));
    assert_int_equal(layout.protocol, offsetof(struct tuple, dst.protonum));
}

static struct btf *write_kernel(bool with_connections)
{
    struct btf *kernel = btf__new_empty();
    assert_non_null(kernel);
    assert_true(btf__add_int(kernel, "int", 4, BTF_INT_SIGNED) > 0);
    if (with_connections)
        add_connection_types(kernel);
    write_types(kernel, "vmlinux");
    return kernel;
}

static void test_in_the_kernel(void **state)
{
    (void)state;
    btf__free(write_kernel(true));
    expect_layout();
}

static void test_in_a_module(void **state)
{
    (void)state;
    struct btf *kernel = write_kernel(false);
    struct conntrack_layout layout;
    assert_int_equal(conntrack_layout_read(folder, &layout), -ENOENT); /* not loaded yet */
    struct btf *module = btf__new_empty_split(kernel);
    assert_non_null(module);
    add_connection_types(module);
    write_types(module, "nf_conntrack");
    expect_layout();
    btf__free(module);
    btf__free(kernel);
}

static void test_none_at_all(void **state)
{
    (void)state;
    struct conntrack_layout layout = {.status = 7};
    assert_int_equal(conntrack_layout_read("/nonexistent", &layout), -ENOENT);
    struct btf *kernel = write_kernel(false);
    write_types(kernel, "nf_conntrack"); /* whole types where a module's part of them is due */
    assert_true(conntrack_layout_read(folder, &layout) < 0);
    btf__free(kernel);
    assert_int_equal(layout.status, 7);
}

int main(void)
{
    libbpf_set_print(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_at_all),
        cmocka_unit_test(test_in_a_module),
        cmocka_unit_test(test_in_the_kernel),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
