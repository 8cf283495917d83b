/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/gzip.h"
#include "capture/link.h"

enum { FRAMES = 64, MANY = 3000, LARGE = 600000 };

/* A file in memory that has a name. */
struct memory_file {
    int fd;
    char path[64];
};

static void memory_file_make(struct memory_file *file, const struct buf *contents)
{
    assert_false(contents->failed);
    file->fd = memfd_create("capture", MFD_CLOEXEC);
    assert_true(file->fd >= 0);
    assert_int_equal(file_write_all(file->fd, contents->data, contents->len), 0);
    (void)snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->fd);
}

static void memory_file_done(const struct memory_file *file)
{
    (void)close(file->fd);
}

static void pcap_cleanup(struct pcap **pcap)
{
    pcap_close(*pcap);
}

/* Sizes that walk over every place of the read buffer, and one packet larger than it. */
static uint32_t size_of(uint32_t number)
{
    return number == MANY / 2 ? LARGE : number * 37 % 1500;
}

static uint8_t byte_of(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at);
}

static void append_body(struct buf *buf, uint32_t number)
{
    for (uint32_t i = 0; i < size_of(number); i++)
        buf_char(buf, (char)byte_of(number, i));
}

static void make_pcap(struct buf *buf)
{
    static const uint32_t header[] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 0, 1};
    buf_append(buf, header, sizeof header);
    for (uint32_t i = 0; i < MANY; i++) {
        const uint32_t record[] = {1000 + i, 999999, size_of(i), size_of(i) + 7};
        buf_append(buf, record, sizeof record);
        append_body(buf, i);
    }
}

static void append_block(struct buf *buf, uint32_t type, const uint32_t *words, size_t count, uint32_t number)
{
    uint32_t body = number == UINT32_MAX ? 0 : size_of(number);
    uint32_t size = (uint32_t)(12 + count * 4 + ((body + 3) & ~3U));
    buf_append(buf, &type, 4);
    buf_append(buf, &size, 4);
    buf_append(buf, words, count * 4);
    if (body > 0)
        append_body(buf, number);
    buf_append(buf, (const uint8_t[3]){0}, (4 - body % 4) % 4);
    buf_append(buf, &size, 4);
}

static void make_pcapng(struct buf *buf)
{
    static const uint32_t section[] = {0x1a2b3c4d, 1, 0xffffffff, 0xffffffff};
    static const uint32_t interface[] = {1, 0};
    append_block(buf, 0x0a0d0d0a, section, 4, UINT32_MAX);
    append_block(buf, 1, interface, 2, UINT32_MAX);
    for (uint32_t i = 0; i < MANY; i++) {
        uint64_t microseconds = (1000 + i) * 1000000ULL + 999999;
        const uint32_t packet[] = {0, (uint32_t)(microseconds >> 32), (uint32_t)microseconds, size_of(i),
                                   size_of(i) + 7};
        append_block(buf, 6, packet, 5, i);
    }
}

static void expect_frame(const struct pcap_frame *frame, uint32_t number)
{
    assert_int_equal(frame->captured, size_of(number));
    assert_int_equal(frame->length, size_of(number) + 7);
    assert_int_equal(frame->second, 1000 + number);
    assert_int_equal(frame->link, LINK_ETHERNET);
    for (uint32_t i = 0; i < frame->captured; i++)
        assert_int_equal(frame->data[i], byte_of(number, i));
}

/* All frames of a batch stay what they are until the next one is read. */
static void expect_all(const struct buf *contents, int batch)
{
    CLEANUP(memory_file_done) struct memory_file file;
    CLEANUP(pcap_cleanup) struct pcap *pcap = NULL;
    struct pcap_frame frames[FRAMES];
    struct fault fault = {0};
    memory_file_make(&file, contents);
    assert_int_equal(pcap_open(&pcap, file.path, &fault), 0);
    uint32_t seen = 0;
    int count;
    while ((count = pcap_read(pcap, frames, batch, &fault)) > 0)
        for (int i = 0; i < count; i++)
            expect_frame(&frames[i], seen++);
    assert_int_equal(count, 0);
    assert_int_equal(seen, MANY);
    uint64_t read;
    uint64_t size;
    pcap_progress(pcap, &read, &size);
    assert_int_equal(read, contents->len);
    assert_int_equal(size, contents->len);
}

static void test_frames_of_pcap(void **state)
{
    (void)state;
    AUTO_BUF struct buf contents = BUF_INIT(1 << 24);
    make_pcap(&contents);
    expect_all(&contents, FRAMES);
    expect_all(&contents, 1);
}

static void test_frames_of_pcapng(void **state)
{
    (void)state;
    AUTO_BUF struct buf contents = BUF_INIT(1 << 24);
    make_pcapng(&contents);
    expect_all(&contents, FRAMES);
    expect_all(&contents, 1);
}

static void test_frames_of_gzip(void **state)
{
    (void)state;
    AUTO_BUF struct buf contents = BUF_INIT(1 << 24);
    AUTO_BUF struct buf packed = BUF_INIT(1 << 24);
    struct gzip_writer *writer = NULL;
    make_pcap(&contents);
    assert_int_equal(gzip_writer_new(&writer), 0);
    assert_int_equal(gzip_writer_add(writer, contents.data, contents.len, true, &packed), 0);
    gzip_writer_free(writer);
    expect_all(&packed, FRAMES);
}

/* What stands before the damage has been handed out when the error comes, and the error comes again. */
static void test_damage_comes_after_what_is_whole(void **state)
{
    (void)state;
    AUTO_BUF struct buf contents = BUF_INIT(1 << 24);
    CLEANUP(memory_file_done) struct memory_file file;
    CLEANUP(pcap_cleanup) struct pcap *pcap = NULL;
    struct pcap_frame frames[FRAMES];
    struct fault fault = {0};
    make_pcap(&contents);
    contents.len = 24 + 16 * 11 + 37 * 45 + 5; /* ten packets, and the beginning of the eleventh's data */
    memory_file_make(&file, &contents);
    assert_int_equal(pcap_open(&pcap, file.path, &fault), 0);
    assert_int_equal(pcap_read(pcap, frames, FRAMES, &fault), 10);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(pcap_read(pcap, frames, FRAMES, &fault), -EBADMSG);
        assert_non_null(strstr(fault.text, "offset 1849: a packet is cut off"));
    }
}

static void test_what_is_no_capture(void **state)
{
    (void)state;
    struct pcap *pcap;
    struct fault fault = {0};
    assert_int_equal(pcap_open(&pcap, "/nonexistent/a.pcap", &fault), -ENOENT);
    assert_non_null(strstr(fault.text, "/nonexistent/a.pcap: cannot open"));
    assert_int_equal(pcap_open(&pcap, "/dev/null", &fault), -EBADMSG);
    assert_non_null(strstr(fault.text, "/dev/null: is empty"));
    assert_int_equal(pcap_open(&pcap, "/dev/zero", &fault), -EBADMSG);
    assert_int_equal(pcap_open(&pcap, "/", &fault), -EISDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_of_pcap),     cmocka_unit_test(test_frames_of_pcapng),
        cmocka_unit_test(test_frames_of_gzip),     cmocka_unit_test(test_damage_comes_after_what_is_whole),
        cmocka_unit_test(test_what_is_no_capture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
