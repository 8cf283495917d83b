/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/runs.h"

#include <endian.h>
#include <string.h>

#define GROUP 8       /* numbers are packed by eights */
#define GROUPS_MAX 63 /* of packed numbers behind one header of one byte */
#define RUN_MIN 16    /* shorter runs are packed */

unsigned runs_width(uint32_t max)
{
    return max ? 32 - (unsigned)__builtin_clz(max) : 1;
}

/* Eight numbers in `width` bytes, the lowest bits first. Up to 4 bytes more are written. */
static char *pack_group(char *to, const uint32_t *numbers, unsigned width)
{
    uint64_t bits = 0;
    unsigned held = 0;
    char *end = to + width;
    for (unsigned i = 0; i < GROUP; i++) {
        bits |= (uint64_t)numbers[i] << held;
        held += width;
        if (held < 32)
            continue;
        uint32_t word = htole32((uint32_t)bits);
        memcpy(to, &word, sizeof word);
        to += sizeof word;
        bits >>= 32;
        held -= 32;
    }
    uint32_t rest = htole32((uint32_t)bits);
    memcpy(to, &rest, sizeof rest);
    return end;
}

static size_t count_equal(const uint32_t *numbers, size_t count)
{
    size_t equal = 1;
    while (equal < count && numbers[equal] == numbers[0])
        equal++;
    return equal;
}

void runs_write_one(struct buf *to, uint32_t number, size_t count, unsigned width)
{
    uint64_t left = (uint64_t)count << 1;
    for (; left >= 0x80; left >>= 7)
        buf_char(to, (char)(left | 0x80));
    buf_char(to, (char)left);
    for (unsigned bits = 0; bits < width; bits += 8)
        buf_char(to, (char)(number >> bits));
}

/* The numbers up to the next run, or to the end, where eights are filled up with zeros. Returns how many. */
static size_t write_packed(struct buf *to, const uint32_t *numbers, size_t count, unsigned width)
{
    size_t done = 0;
    char *header = buf_reserve(to, 1 + GROUPS_MAX * width + sizeof(uint32_t));
    if (!header)
        return count;
    char *at = header + 1;
    unsigned groups = 0;
    while (done < count && groups < GROUPS_MAX) {
        size_t left = count - done;
        if (groups > 0 && left >= RUN_MIN && count_equal(numbers + done, RUN_MIN) == RUN_MIN)
            break;
        uint32_t last[GROUP] = {0};
        const uint32_t *group = numbers + done;
        if (left < GROUP)
            group = memcpy(last, group, left * sizeof *last);
        at = pack_group(at, group, width);
        done += left < GROUP ? left : GROUP;
        groups++;
    }
    *header = (char)(groups << 1 | 1);
    to->len = (size_t)(at - to->data);
    return done;
}

void runs_write(struct buf *to, const uint32_t *numbers, size_t count, unsigned width)
{
    while (count > 0) {
        size_t run = count_equal(numbers, count);
        if (run >= RUN_MIN || run == count)
            runs_write_one(to, *numbers, run, width);
        else
            run = write_packed(to, numbers, count, width);
        numbers += run;
        count -= run;
    }
}
