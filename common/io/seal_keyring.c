/* seal: the keyring. See seal.h. */
#define _GNU_SOURCE /* strerrorname_np */
#include "io/seal_private.h"

#include <errno.h>
#include <stdio.h>

#define FILE_MAX 65536

bool keyring_is_id(struct slice id)
{
    if (id.len == 0 || id.len >= SEAL_ID_SIZE)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
                   id.data[i]) == NULL ||
            id.data[i] == '\0')
            return false;
    return true;
}

const struct seal_key *keyring_find(const struct keyring *keyring, struct slice id)
{
    for (size_t i = 0; i < keyring->count; i++)
        if (slice_is(id, keyring->keys[i].id))
            return &keyring->keys[i];
    return NULL;
}

static enum outcome read_line(struct keyring *keyring, struct slice line, size_t number,
                              struct err *err)
{
    const char *colon = memchr(line.data, ':', line.len);
    struct slice id = {line.data, colon == NULL ? 0 : (size_t)(colon - line.data)};
    if (!keyring_is_id(id)) {
        FAIL(err, OUTCOME_PERMANENT, "keyring.syntax", "keyring line %zu is no id:key", number);
        return err_hint(err, "an id is 1 to 32 of A-Z a-z 0-9 _ -");
    }
    if (keyring_find(keyring, id) != NULL)
        return FAIL(err, OUTCOME_PERMANENT, "keyring.duplicate",
                    "keyring line %zu: the id %.*s stands twice", number, (int)id.len, id.data);
    if (keyring->count == SEAL_KEYS_MAX)
        return FAIL(err, OUTCOME_PERMANENT, "keyring.syntax", "more than %d keys in the keyring",
                    SEAL_KEYS_MAX);
    struct seal_key *key = &keyring->keys[keyring->count];
    size_t len = 0;
    if (sodium_base642bin(key->bytes, SEAL_KEY_BYTES, colon + 1, line.len - id.len - 1, NULL, &len,
                          NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        len != SEAL_KEY_BYTES) {
        FAIL(err, OUTCOME_PERMANENT, "keyring.syntax",
             "keyring line %zu: the key %.*s is not base64 of %d bytes", number, (int)id.len,
             id.data, (int)SEAL_KEY_BYTES);
        return err_hint(err, "make one with: haul vault key ID, or openssl rand -base64 32");
    }
    memcpy(key->id, id.data, id.len);
    keyring->count++;
    return OUTCOME_OK;
}

static struct slice trimmed(struct slice line)
{
    while (line.len > 0 && strchr(" \t\r", line.data[line.len - 1]) != NULL)
        line.len--;
    while (line.len > 0 && strchr(" \t", line.data[0]) != NULL)
        line = (struct slice){line.data + 1, line.len - 1};
    return line;
}

static enum outcome read_lines(struct keyring *keyring, struct slice text, struct err *err)
{
    size_t number = 0;
    while (text.len > 0) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.data);
        struct slice line = trimmed((struct slice){text.data, len});
        number++;
        if (line.len > 0 && line.data[0] != '#')
            TRY(read_line(keyring, line, number, err));
        len += end == NULL ? 0 : 1;
        text = (struct slice){text.data + len, text.len - len};
    }
    if (keyring->count == 0)
        return FAIL(err, OUTCOME_PERMANENT, "keyring.empty", "the keyring has no key");
    return OUTCOME_OK;
}

enum outcome keyring_open(struct slice text, struct keyring **ret_keyring, struct err *err)
{
    TRY(seal_start(err));
    struct keyring *keyring = sodium_malloc(sizeof *keyring);
    TRY_ALLOC(keyring, err);
    memset(keyring, 0, sizeof *keyring);
    enum outcome outcome = read_lines(keyring, text, err);
    if (outcome != OUTCOME_OK) {
        sodium_free(keyring);
        return outcome;
    }
    sodium_mprotect_readonly(keyring);
    *ret_keyring = keyring;
    return OUTCOME_OK;
}

enum outcome keyring_open_file(const char *path, struct keyring **ret_keyring, struct err *err)
{
    TRY(seal_start(err));
    char *text = sodium_malloc(FILE_MAX);
    TRY_ALLOC(text, err);
    FILE *file = fopen(path, "re");
    size_t len = 0;
    errno = file == NULL ? errno : 0;
    if (file != NULL) {
        setvbuf(file, NULL, _IONBF, 0); /* no copy of the keys in a buffer of the C library */
        len = fread(text, 1, FILE_MAX, file);
        errno = ferror(file) ? EIO : len == FILE_MAX ? EFBIG : 0;
    }
    int why = errno;
    if (file != NULL)
        fclose(file);
    enum outcome outcome;
    if (why != 0) {
        FAIL(err, OUTCOME_PERMANENT, "keyring.file", "cannot read the keyring %s: %s", path,
             strerror(why));
        outcome = err_native(err, strerrorname_np(why));
    } else {
        outcome = keyring_open((struct slice){text, len}, ret_keyring, err);
    }
    sodium_free(text);
    return outcome;
}

void keyring_close(struct keyring *keyring)
{
    sodium_free(keyring);
}

const char *keyring_active_id(const struct keyring *keyring)
{
    return keyring->keys[0].id;
}

enum outcome keyring_add_line(const char *id, struct str *out, struct err *err)
{
    TRY(seal_start(err));
    if (!keyring_is_id(slice_of(id))) {
        FAIL(err, OUTCOME_PERMANENT, "keyring.syntax", "a key cannot have that id");
        return err_hint(err, "an id is 1 to 32 of A-Z a-z 0-9 _ -");
    }
    uint8_t key[SEAL_KEY_BYTES];
    char text[sodium_base64_ENCODED_LEN(SEAL_KEY_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    randombytes_buf(key, sizeof key);
    sodium_bin2base64(text, sizeof text, key, sizeof key, sodium_base64_VARIANT_ORIGINAL);
    str_addf(out, "%s:%s\n", id, text);
    sodium_memzero(key, sizeof key);
    sodium_memzero(text, sizeof text);
    return out->failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}
