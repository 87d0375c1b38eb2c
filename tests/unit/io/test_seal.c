/* io/seal: what opens, what must not, and that no message shows a secret. */
#include "check.h"
#include "io/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEY_A "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define KEY_B "b:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n"

static const struct seal_place place = {"w1", "c1", "password"};

static struct keyring *open_text(const char *text)
{
    struct err err = {0};
    struct keyring *keyring = NULL;
    CHECK_OK(keyring_open(slice_of(text), &keyring, &err), &err);
    return keyring;
}

static void test_round_trip(void)
{
    static const struct slice plains[] = {{"", 0}, {"pässword", 9}, {"a\0b", 3}};
    KEYRING_AUTO struct keyring *keyring = open_text(KEY_A KEY_B);
    CHECK_TEXT(keyring_active_id(keyring), "a");
    for (size_t i = 0; i < 3; i++) {
        struct err err = {0};
        STR_AUTO struct str sealed = str_with_max(1000), again = str_with_max(1000);
        SECRET_AUTO struct secret secret = {0};
        CHECK_OK(seal_add(keyring, &place, plains[i], &sealed, &err), &err);
        CHECK_OK(seal_add(keyring, &place, plains[i], &again, &err), &err);
        CHECK(strcmp(sealed.data, again.data) != 0); /* a nonce of its own each time */
        CHECK(strncmp(sealed.data, "v1.a.", 5) == 0);
        CHECK(seal_is_current(keyring, sealed.data));
        CHECK_OK(seal_open(keyring, &place, sealed.data, &secret, &err), &err);
        CHECK_BYTES(secret.text, secret.len, plains[i].data, plains[i].len);
        CHECK_INT(secret.text[secret.len], '\0');
    }
}

static void test_place_is_bound(void)
{
    static const struct seal_place others[] = {
        {"w2", "c1", "password"}, {"w1", "c2", "password"}, {"w1", "c1", "user"},
        {"w1c", "1", "password"}, {"", "w1c1", "password"},
    };
    KEYRING_AUTO struct keyring *keyring = open_text(KEY_A);
    STR_AUTO struct str sealed = str_with_max(1000);
    struct err err = {0};
    CHECK_OK(seal_add(keyring, &place, slice_of("s3cret"), &sealed, &err), &err);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct secret secret = {0};
        CHECK_OUTCOME(seal_open(keyring, &others[i], sealed.data, &secret, &err), OUTCOME_PERMANENT,
                      &err);
        CHECK_TEXT(err.code, "seal.broken");
        CHECK(secret.text == NULL);
    }
}

static void test_each_changed_character_is_seen(void)
{
    KEYRING_AUTO struct keyring *keyring = open_text(KEY_A);
    STR_AUTO struct str sealed = str_with_max(1000);
    struct err err = {0};
    CHECK_OK(seal_add(keyring, &place, slice_of("s3cret-text"), &sealed, &err), &err);
    for (size_t i = 0; i < sealed.len; i++) {
        struct secret secret = {0};
        char kept = sealed.data[i];
        sealed.data[i] = kept == 'x' ? 'y' : 'x';
        CHECK_OUTCOME(seal_open(keyring, &place, sealed.data, &secret, &err), OUTCOME_PERMANENT,
                      &err);
        CHECK(strstr(err.message, "s3cret") == NULL);
        sealed.data[i] = kept;
    }
    for (size_t len = 0; len < sealed.len; len++) {
        struct secret secret = {0};
        char kept = sealed.data[len];
        sealed.data[len] = '\0';
        CHECK_OUTCOME(seal_open(keyring, &place, sealed.data, &secret, &err), OUTCOME_PERMANENT,
                      &err);
        sealed.data[len] = kept;
    }
}

static void test_rotates(void)
{
    KEYRING_AUTO struct keyring *old = open_text(KEY_A);
    KEYRING_AUTO struct keyring *both = open_text(KEY_B KEY_A);
    KEYRING_AUTO struct keyring *new = open_text(KEY_B);
    STR_AUTO struct str sealed = str_with_max(1000), rotated = str_with_max(1000);
    SECRET_AUTO struct secret secret = {0};
    struct secret none = {0};
    struct err err = {0};
    CHECK_OK(seal_add(old, &place, slice_of("s3cret"), &sealed, &err), &err);
    CHECK(!seal_is_current(both, sealed.data));
    CHECK_OUTCOME(seal_open(new, &place, sealed.data, &none, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "seal.key_missing");
    CHECK(strstr(err.message, "key a,") != NULL);
    CHECK_OK(seal_rotate(both, &place, sealed.data, &rotated, &err), &err);
    CHECK(seal_is_current(both, rotated.data));
    CHECK_OK(seal_open(new, &place, rotated.data, &secret, &err), &err);
    CHECK_TEXT(secret.text, "s3cret");
    CHECK_OUTCOME(seal_rotate(new, &place, sealed.data, &rotated, &err), OUTCOME_PERMANENT, &err);
}

static void test_a_same_id_with_another_key(void)
{
    KEYRING_AUTO struct keyring *one = open_text(KEY_A);
    KEYRING_AUTO struct keyring *other =
        open_text("a:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=");
    STR_AUTO struct str sealed = str_with_max(1000);
    struct secret none = {0};
    struct err err = {0};
    CHECK_OK(seal_add(one, &place, slice_of("x"), &sealed, &err), &err);
    CHECK_OUTCOME(seal_open(other, &place, sealed.data, &none, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "seal.broken");
}

static void test_keyring_texts(void)
{
    static const struct {
        const char *text, *code; /* "" = it opens */
    } cases[] = {
        {"# comment\n\n " KEY_A "\r\n" KEY_B, ""},
        {"", "keyring.empty"},
        {"# only\n", "keyring.empty"},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "keyring.syntax"},
        {"a b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "keyring.syntax"},
        {":AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "keyring.syntax"},
        {"a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh", "keyring.syntax"},
        {"a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ==", "keyring.syntax"},
        {"a:", "keyring.syntax"},
        {KEY_A KEY_B KEY_A, "keyring.duplicate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        KEYRING_AUTO struct keyring *keyring = NULL;
        bool opens = cases[i].code[0] == '\0';
        CHECK_OUTCOME(keyring_open(slice_of(cases[i].text), &keyring, &err),
                      opens ? OUTCOME_OK : OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, cases[i].code);
        CHECK(strstr(err.message, "AAEC") == NULL);
    }
}

static void test_keyring_files(void)
{
    struct err err = {0};
    char path[] = "/tmp/haul-keyring-XXXXXX";
    int fd = mkstemp(path);
    STR_AUTO struct str lines = str_with_max(1000);
    CHECK_OK(keyring_add_line("k-1", &lines, &err), &err);
    CHECK_OK(keyring_add_line("k-2", &lines, &err), &err);
    CHECK_OUTCOME(keyring_add_line("k 3", &lines, &err), OUTCOME_PERMANENT, &err);
    CHECK(write(fd, lines.data, lines.len) == (ssize_t)lines.len);
    close(fd);
    KEYRING_AUTO struct keyring *keyring = NULL, *none = NULL;
    CHECK_OK(keyring_open_file(path, &keyring, &err), &err);
    CHECK_TEXT(keyring_active_id(keyring), "k-1");
    unlink(path);
    CHECK_OUTCOME(keyring_open_file(path, &none, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "keyring.file");
    CHECK_TEXT(err.native, "ENOENT");
    CHECK_OUTCOME(keyring_open_file("/tmp", &none, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "keyring.file");
}

static void test_ulids(void)
{
    char a[ULID_TEXT_SIZE], b[ULID_TEXT_SIZE];
    CHECK_INT(strlen(ulid_format(0, a)), 26);
    CHECK(strncmp(a, "0000000000", 10) == 0);
    CHECK(strncmp(ulid_format(1469918176385, a), "01ARYZ6S41", 10) == 0); /* the spec's example */
    CHECK(strcmp(ulid_format(1469918176385, b), a) != 0);
    CHECK(strcmp(ulid_format(1469918176386, b), a) > 0); /* sorts by time */
    CHECK_INT(strspn(a, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
}

static void test_random_below(void)
{
    int seen[6] = {0};
    CHECK_INT(random_below(0), 0);
    CHECK_INT(random_below(1), 0);
    for (int i = 0; i < 6000; i++) {
        uint64_t value = random_below(6);
        if (!CHECK(value < 6))
            return;
        seen[value]++;
    }
    for (int i = 0; i < 6; i++)
        CHECK(seen[i] > 700 && seen[i] < 1300);
    CHECK(random_below(UINT64_MAX) < UINT64_MAX);
}

static void test_wipes(void)
{
    char bytes[8] = "s3cret";
    wipe_bytes(bytes, sizeof bytes);
    CHECK_BYTES(bytes, sizeof bytes, "\0\0\0\0\0\0\0\0", 8);
    struct secret secret = {0};
    secret_done(&secret); /* a zeroed one */
    struct err err = {0};
    CHECK_OK(secret_copy(slice_of("abc"), &secret, &err), &err);
    CHECK_TEXT(secret.text, "abc");
    secret_done(&secret);
    CHECK(secret.text == NULL);
}

static CU_TestInfo tests[] = {
    {"round trip", test_round_trip},
    {"the place is bound", test_place_is_bound},
    {"each changed character is seen", test_each_changed_character_is_seen},
    {"rotates", test_rotates},
    {"the same id with another key", test_a_same_id_with_another_key},
    {"keyring texts", test_keyring_texts},
    {"keyring files", test_keyring_files},
    {"ULIDs", test_ulids},
    {"random below", test_random_below},
    {"wipes", test_wipes},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("io/seal", tests)
