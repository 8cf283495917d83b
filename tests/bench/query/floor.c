/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The bare loop that `flowlog query` is measured against: reads a file of records and adds up what stands in
 * the tenth place of each line. It checks nothing. With an argument the loop is one of AVX2, for numbers of
 * at most eight digits.
 */

#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLACE 9

#define VECTORS __attribute__((target("avx2,bmi,bmi2,popcnt")))

static char buffer[(1 << 19) + 4096];

/* A bit for each of 64 bytes that is the one wanted. */
VECTORS static inline uint64_t find(const char *at, char wanted)
{
    const __m256i byte = _mm256_set1_epi8(wanted);
    const __m256i low = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)at), byte);
    const __m256i high = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(at + 32)), byte);
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

VECTORS static uint64_t sum_line_fast(const char *line)
{
    unsigned place = PLACE;
    uint64_t spaces = find(line, ' ');
    for (unsigned count; (count = (unsigned)_mm_popcnt_u64(spaces)) < place; spaces = find(line, ' ')) {
        place -= count;
        line += 64;
    }
    line += _tzcnt_u64(_pdep_u64(1ULL << (place - 1), spaces)) + 1;
    uint64_t digits;
    memcpy(&digits, line, sizeof digits);
    unsigned others = (unsigned)_tzcnt_u64(~digits & 0x1010101010101010ULL) / 8; /* spaces lack that bit */
    digits = (digits & 0x0f0f0f0f0f0f0f0fULL) << (64 - 8 * others);
    digits = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ffULL;
    digits = (digits * 100 + (digits >> 16)) & 0x0000ffff0000ffffULL;
    return (digits * 10000 + (digits >> 32)) & 0xffffffffULL;
}

static uint64_t sum_line(const char *line)
{
    uint64_t number = 0;
    for (int place = 0; place < PLACE; place++)
        line = (const char *)memchr(line, ' ', 4096) + 1;
    for (; *line >= '0' && *line <= '9'; line++)
        number = number * 10 + (unsigned)(*line - '0');
    return number;
}

int main(int argc, char **argv __attribute__((unused)))
{
    uint64_t sum = 0;
    size_t held = 0;
    ssize_t got;
    while ((got = read(STDIN_FILENO, buffer + held, (1 << 19) - held)) > 0) {
        held += (size_t)got;
        const char *line = buffer;
        const char *newline;
        while ((newline = memchr(line, '\n', held - (size_t)(line - buffer)))) {
            sum += argc > 1 ? sum_line_fast(line) : sum_line(line);
            line = newline + 1;
        }
        held -= (size_t)(line - buffer);
        memmove(buffer, line, held);
    }
    return printf("%llu\n", (unsigned long long)sum) < 0;
}
