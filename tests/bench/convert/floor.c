/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What reading and writing default-format records costs at the least: each field of each line is read into a
 * number or an address and written out again, with no check but the line's shape. IPv4 alone, one loop, one
 * buffer each way. floor FILE >OUT
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 1 << 20, LONGEST = 512 }; /* bytes; no line is longer */

static char out[ROOM + LONGEST];
static size_t filled;

static const char *read_number(const char *at, uint64_t *ret)
{
    uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    *ret = value;
    return at + 1;
}

static const char *read_address(const char *at, uint32_t *ret)
{
    uint32_t address = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t byte;
        at = read_number(at, &byte);
        address = address << 8 | (uint32_t)byte;
    }
    *ret = address;
    return at;
}

static void write_number(uint64_t value, char after)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    memcpy(out + filled, digits + at, sizeof digits - at);
    filled += sizeof digits - at;
    out[filled++] = after;
}

static void write_address(uint32_t address)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        write_number(address >> shift & 255, shift ? '.' : ' ');
}

static const char *copy_word(const char *at)
{
    while (*at > ' ')
        out[filled++] = *at++;
    out[filled++] = *at;
    return at + 1;
}

static const char *convert_line(const char *at)
{
    uint64_t numbers[7];
    uint32_t addresses[2];
    at = read_number(at, &numbers[0]);
    write_number(numbers[0], ' ');
    at = copy_word(copy_word(at)); /* account, interface */
    for (int i = 0; i < 2; i++) {
        at = read_address(at, &addresses[i]);
        write_address(addresses[i]);
    }
    for (int i = 0; i < 7; i++) { /* ports, protocol, packets, bytes, start, end */
        at = read_number(at, &numbers[i]);
        write_number(numbers[i], ' ');
    }
    return copy_word(copy_word(at)); /* action, log status */
}

static void flush(void)
{
    for (size_t done = 0; done < filled;) {
        ssize_t put = write(STDOUT_FILENO, out + done, filled - done);
        if (put <= 0)
            exit(1);
        done += (size_t)put;
    }
    filled = 0;
}

int main(int argc, char **argv)
{
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return 1;
    const char *at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (at == MAP_FAILED)
        return 1;
    const char *end = at + status.st_size;
    while (at < end) {
        at = convert_line(at);
        if (filled >= ROOM)
            flush();
    }
    flush();
    return 0;
}
