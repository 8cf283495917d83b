/* SPDX-License-Identifier: Apache-2.0 */
#include "base/gzip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"

#define BIG (16 * 1024 * 1024)

static void writer_cleanup(struct gzip_writer **writer)
{
    gzip_writer_free(*writer);
}

static void reader_cleanup(struct gzip_reader **reader)
{
    gzip_reader_free(*reader);
}

/* One member with `data`, given in pieces. */
static void pack(struct buf *to, const char *data, size_t len, size_t piece)
{
    CLEANUP(writer_cleanup) struct gzip_writer *writer = NULL;
    assert_int_equal(gzip_writer_new(&writer), 0);
    for (size_t at = 0; at < len; at += piece) {
        size_t some = len - at < piece ? len - at : piece;
        assert_int_equal(gzip_writer_add(writer, data + at, some, false, to), 0);
    }
    assert_int_equal(gzip_writer_add(writer, NULL, 0, true, to), 0);
}

/* Inflates with so much input and room at a time; 0 or the error, and whether the end was a whole one. */
static int unpack(const struct buf *packed, size_t in_piece, size_t out_piece, struct buf *to,
                  bool *ret_complete)
{
    CLEANUP(reader_cleanup) struct gzip_reader *reader = NULL;
    assert_int_equal(gzip_reader_new(&reader), 0);
    size_t given = 0;
    const uint8_t *in = (const uint8_t *)packed->data;
    size_t in_len = 0;
    for (;;) {
        if (in_len == 0 && given < packed->len) {
            in = (const uint8_t *)packed->data + given;
            in_len = packed->len - given < in_piece ? packed->len - given : in_piece;
            given += in_len;
        }
        char *room = buf_reserve(to, out_piece);
        assert_non_null(room);
        size_t made;
        size_t before = in_len;
        int r = gzip_reader_inflate(reader, &in, &in_len, room, out_piece, &made);
        if (r < 0)
            return r;
        to->len += made;
        if (made == 0 && in_len == before && given == packed->len)
            break;
    }
    *ret_complete = gzip_reader_is_complete(reader);
    return 0;
}

static void assert_unpacks(const struct buf *packed, size_t in_piece, size_t out_piece, const char *data,
                           size_t len)
{
    AUTO_BUF struct buf plain = BUF_INIT(BIG);
    bool complete = false;
    assert_int_equal(unpack(packed, in_piece, out_piece, &plain, &complete), 0);
    assert_true(complete);
    assert_int_equal(plain.len, len);
    assert_memory_equal(plain.data, data, len);
}

static char *log_text(size_t *ret_len)
{
    AUTO_BUF struct buf text = BUF_INIT(BIG);
    for (unsigned i = 0; i < 3000; i++)
        buf_printf(&text,
                   "2 123456789012 eni-0a479835a7588c9ca 10.0.%u.%u 10.0.0.%u %u 443 6 %u %u ACCEPT OK\n",
                   i * 7 % 256, i * 31 % 256, i % 5, i * 97 % 65536, i % 17, i * 1009 % 99991);
    *ret_len = text.len;
    return TAKE(text.data);
}

static void test_there_and_back_in_all_pieces(void **state)
{
    (void)state;
    size_t len;
    AUTO_FREE char *text = log_text(&len);
    static const size_t pieces[] = {1, 7, 1000, 65536, BIG};
    for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
        AUTO_BUF struct buf packed = BUF_INIT(BIG);
        pack(&packed, text, len, pieces[i]);
        assert_true(gzip_is_magic(packed.data, packed.len));
        assert_true(packed.len * 3 < len);
        for (unsigned j = 0; j < ARRAY_SIZE(pieces); j++)
            assert_unpacks(&packed, pieces[j], pieces[ARRAY_SIZE(pieces) - 1 - j] & 0xfffff ?: 65536, text,
                           len);
    }
}

static void test_empty(void **state)
{
    (void)state;
    AUTO_BUF struct buf packed = BUF_INIT(BIG);
    pack(&packed, "", 0, 1);
    assert_unpacks(&packed, BIG, 1000, "", 0);
}

static void test_equal_input_gives_equal_bytes(void **state)
{
    (void)state;
    size_t len;
    AUTO_FREE char *text = log_text(&len);
    AUTO_BUF struct buf one = BUF_INIT(BIG);
    AUTO_BUF struct buf two = BUF_INIT(BIG);
    pack(&one, text, len, 4096);
    pack(&two, text, len, 4096);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
}

/* Members one after the other, with every way of cutting the input around their seams; padding behind. */
static void test_members_are_one_stream(void **state)
{
    (void)state;
    AUTO_BUF struct buf packed = BUF_INIT(BIG);
    pack(&packed, "hello ", 6, 6);
    pack(&packed, "", 0, 1);
    pack(&packed, "world", 5, 5);
    for (size_t piece = 1; piece <= packed.len; piece++)
        assert_unpacks(&packed, piece, 64, "hello world", 11);
    buf_append(&packed, (char[300]){0}, 300);
    assert_unpacks(&packed, 13, 3, "hello world", 11);
}

static void test_cut_anywhere_is_not_complete(void **state)
{
    (void)state;
    AUTO_BUF struct buf packed = BUF_INIT(BIG);
    pack(&packed, "hello world, hello world", 24, 24);
    for (size_t len = 1; len < packed.len; len++) {
        struct buf cut = {.data = packed.data, .len = len};
        AUTO_BUF struct buf plain = BUF_INIT(BIG);
        bool complete = true;
        if (unpack(&cut, BIG, 4096, &plain, &complete) == 0)
            assert_false(complete);
    }
}

static void test_damage_is_noticed(void **state)
{
    (void)state;
    size_t len;
    AUTO_FREE char *text = log_text(&len);
    AUTO_BUF struct buf packed = BUF_INIT(BIG);
    pack(&packed, text, len, len);
    unsigned noticed = 0;
    unsigned tried = 0;
    for (size_t at = 10; at < packed.len; at += 997, tried++) {
        packed.data[at] ^= 0x10;
        AUTO_BUF struct buf plain = BUF_INIT(BIG);
        bool complete = false;
        noticed += unpack(&packed, BIG, 65536, &plain, &complete) == -EBADMSG || !complete;
        packed.data[at] ^= 0x10;
    }
    assert_true(tried > 20);
    assert_int_equal(noticed, tried); /* the checksum is looked at */
}

static void test_what_is_no_gzip(void **state)
{
    (void)state;
    AUTO_BUF struct buf packed = BUF_INIT(BIG);
    AUTO_BUF struct buf plain = BUF_INIT(BIG);
    bool complete;
    buf_text(&packed, "version account-id interface-id");
    assert_int_equal(unpack(&packed, BIG, 4096, &plain, &complete), -EBADMSG);
    buf_clear(&packed);
    pack(&packed, "good", 4, 4);
    buf_text(&packed, "garbage behind it");
    assert_int_equal(unpack(&packed, BIG, 4096, &plain, &complete), -EBADMSG);
    assert_memory_equal(plain.data, "good", 4);
    assert_false(gzip_is_magic("\x1f", 1));
}

/* RFC 1952 2.3: every combination of optional header parts, in pieces of every size. */
static void test_header_parts(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 32; flags++) {
        AUTO_BUF struct buf whole = BUF_INIT(BIG);
        AUTO_BUF struct buf packed = BUF_INIT(BIG);
        pack(&whole, "hello", 5, 5);
        buf_append(&packed, (char[]){0x1f, (char)0x8b, 8, (char)flags, 0, 0, 0, 0, 0, 3}, 10);
        if (flags & 4)
            buf_append(&packed, "\5\0extra", 7);
        if (flags & 8)
            buf_append(&packed, "name.log", 9);
        if (flags & 16)
            buf_append(&packed, "a comment", 10);
        if (flags & 2)
            buf_append(&packed, "??", 2);
        buf_append(&packed, whole.data + 10, whole.len - 10);
        for (size_t piece = 1; piece <= packed.len; piece++)
            assert_unpacks(&packed, piece, 100, "hello", 5);
        packed.data[3] = (char)(flags | 0x20);
        AUTO_BUF struct buf plain = BUF_INIT(BIG);
        bool complete;
        assert_int_equal(unpack(&packed, BIG, 100, &plain, &complete), -EBADMSG); /* a flag of the future */
    }
}

/* A fuzzer found that ISA-L, called again after damage, reads outside its memory. */
static void test_damage_stays(void **state)
{
    (void)state;
    CLEANUP(reader_cleanup) struct gzip_reader *reader = NULL;
    assert_int_equal(gzip_reader_new(&reader), 0);
    AUTO_BUF struct buf packed = BUF_INIT(BIG);
    pack(&packed, "hello", 5, 5);
    packed.data[packed.len - 5] ^= 1; /* the checksum */
    const uint8_t *in = (const uint8_t *)packed.data;
    size_t in_len = packed.len;
    char plain[100];
    size_t made;
    assert_int_equal(gzip_reader_inflate(reader, &in, &in_len, plain, sizeof plain, &made), -EBADMSG);
    assert_int_equal(gzip_reader_inflate(reader, &in, &in_len, plain, sizeof plain, &made), -EBADMSG);
    assert_int_equal(made, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back_in_all_pieces),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_equal_input_gives_equal_bytes),
        cmocka_unit_test(test_members_are_one_stream),
        cmocka_unit_test(test_cut_anywhere_is_not_complete),
        cmocka_unit_test(test_damage_is_noticed),
        cmocka_unit_test(test_what_is_no_gzip),
        cmocka_unit_test(test_header_parts),
        cmocka_unit_test(test_damage_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
