/* io/hash and base/hash128. Vectors: XXH3 128 with seed 0, as xxhsum -H2 prints them. */
#include "check.h"
#include "io/hash.h"

#include <stdlib.h>

static void test_known_vectors(void)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "99aa06d3014798d86001c324468d497f"},
        {"a", "a96faf705af16834e6c632b61e964e1f"},
        {"abc", "06b05ab6733a618578af5f94892f3950"},
    };
    char hex[HASH128_TEXT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_TEXT(hash128_format(hash128_bytes(cases[i].text, strlen(cases[i].text)), hex),
                   cases[i].hex);
}

static void test_rows_equal_single_hashes(void)
{
    const char bytes[] = "abcdefghij";
    const uint32_t offsets[] = {0, 3, 3, 10};
    struct hash128 hashes[3];
    hash128_rows(bytes, offsets, 3, hashes);
    CHECK(hash128_eq(hashes[0], hash128_bytes("abc", 3)));
    CHECK(hash128_eq(hashes[1], hash128_bytes("", 0)));
    CHECK(hash128_eq(hashes[2], hash128_bytes("defghij", 7)));
    struct hash128 sum = hash128_add(hash128_add(hashes[2], hashes[0]), hashes[1]);
    CHECK(hash128_eq(hash128_rows_sum(bytes, offsets, 3), sum));
    CHECK(hash128_eq(hash128_rows_sum(bytes, offsets, 0), (struct hash128){0, 0}));
}

static void test_sums_carry(void)
{
    struct hash128 all = {UINT64_MAX, UINT64_MAX}, one = {1, 0}, low = {UINT64_MAX, 0};
    CHECK(hash128_eq(hash128_add(low, one), (struct hash128){0, 1}));
    CHECK(hash128_eq(hash128_add(all, one), (struct hash128){0, 0}));
    CHECK(hash128_eq(hash128_sub((struct hash128){0, 1}, one), low));
    CHECK(hash128_eq(hash128_sub((struct hash128){0, 0}, one), all));
    CHECK(hash128_compare(low, (struct hash128){0, 1}) < 0);
    CHECK(hash128_compare(all, low) > 0);
    CHECK_INT(hash128_compare(one, one), 0);
}

static void test_text_round_trip(void)
{
    struct hash128 hash = {0x0123456789abcdef, 0xfedcba9876543210}, back = {0};
    char hex[HASH128_TEXT_SIZE];
    CHECK_TEXT(hash128_format(hash, hex), "fedcba98765432100123456789abcdef");
    CHECK(hash128_parse(hex, &back) && hash128_eq(back, hash));
    CHECK(!hash128_parse("fedcba98765432100123456789abcde", &back));
    CHECK(!hash128_parse("fedcba98765432100123456789abcdefa", &back));
    CHECK(!hash128_parse("xedcba98765432100123456789abcdef", &back));
    CHECK(hash128_eq(back, hash));
}

static CU_TestInfo tests[] = {
    {"known vectors", test_known_vectors},
    {"rows equal single hashes", test_rows_equal_single_hashes},
    {"sums carry", test_sums_carry},
    {"text round trip", test_text_round_trip},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/hash", tests)
