/* seal: see seal.h. */
#include "io/seal_private.h"

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define PLACE_MAX 4096

enum outcome seal_start(struct err *err)
{
    if (sodium_init() < 0)
        return FAIL(err, OUTCOME_RETRY, "seal.library", "libsodium finds no source of randomness");
    return OUTCOME_OK;
}

/* ---- random and wiping ---- */

void random_bytes(void *to, size_t len)
{
    randombytes_buf(to, len);
}

void random_ids(void *to, size_t len)
{
    static _Thread_local uint8_t pool[1024];
    static _Thread_local size_t left;
    if (len > sizeof pool) {
        randombytes_buf(to, len);
        return;
    }
    if (left < len) {
        randombytes_buf(pool, sizeof pool);
        left = sizeof pool;
    }
    left -= len;
    memcpy(to, pool + left, len);
}

uint64_t random_below(uint64_t bound)
{
    if (bound < 2)
        return 0;
    uint64_t unfair = (UINT64_MAX % bound + 1) % bound; /* that many at the top would favour some */
    for (;;) {
        uint64_t value;
        randombytes_buf(&value, sizeof value);
        if (value <= UINT64_MAX - unfair)
            return value % bound;
    }
}

void wipe_bytes(void *bytes, size_t len)
{
    sodium_memzero(bytes, len);
}

char *ulid_format(int64_t wall_ms, char to[ULID_TEXT_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t time = (uint64_t)wall_ms & ((UINT64_C(1) << 48) - 1);
    uint8_t random[16];
    randombytes_buf(random, sizeof random);
    for (int i = 9; i >= 0; i--, time >>= 5)
        to[i] = digits[time & 31];
    for (int i = 0; i < 16; i++)
        to[10 + i] = digits[random[i] & 31];
    to[26] = '\0';
    return to;
}

/* ---- secrets ---- */

static enum outcome secret_new(size_t len, struct secret *ret_secret, struct err *err)
{
    TRY(seal_start(err));
    char *text = sodium_malloc(len + 1); /* locked where the limit allows, guarded, wiped */
    TRY_ALLOC(text, err);
    text[len] = '\0';
    *ret_secret = (struct secret){text, len};
    return OUTCOME_OK;
}

enum outcome secret_copy(struct slice bytes, struct secret *ret_secret, struct err *err)
{
    struct secret secret;
    TRY(secret_new(bytes.len, &secret, err));
    if (bytes.len > 0)
        memcpy(secret.text, bytes.data, bytes.len);
    *ret_secret = secret;
    return OUTCOME_OK;
}

void secret_done(struct secret *secret)
{
    sodium_free(secret->text);
    *secret = (struct secret){0};
}

/* ---- sealing ---- */

static void add_part(struct str *out, const char *text)
{
    size_t len = strlen(text);
    uint8_t size[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                       (uint8_t)len};
    str_add(out, size, sizeof size);
    str_add(out, text, len);
}

/* Lengths before the parts: "a" + "bc" must not equal "ab" + "c". */
static enum outcome associated(const struct seal_place *place, const char *key_id, struct str *out,
                               struct err *err)
{
    add_part(out, "haul v1");
    add_part(out, place->workspace_id);
    add_part(out, place->connection_id);
    add_part(out, place->field);
    add_part(out, key_id);
    return out->failed
               ? FAIL(err, OUTCOME_PERMANENT, "seal.place", "the place's names are too long")
               : OUTCOME_OK;
}

enum outcome seal_add(const struct keyring *keyring, const struct seal_place *place,
                      struct slice plain, struct str *out, struct err *err)
{
    const struct seal_key *key = &keyring->keys[0];
    STR_AUTO struct str context = str_with_max(PLACE_MAX), box = str_with_max(STR_MAX_DEFAULT);
    TRY(associated(place, key->id, &context, err));
    char *room = str_reserve(&box, NONCE_BYTES + plain.len + TAG_BYTES);
    TRY_ALLOC(room, err);
    uint8_t *nonce = (uint8_t *)room;
    randombytes_buf(nonce, NONCE_BYTES);
    const uint8_t *message = (const uint8_t *)(plain.data == NULL ? "" : plain.data);
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES, NULL, message, plain.len,
                                               (const uint8_t *)context.data, context.len, NULL,
                                               nonce, key->bytes);
    size_t box_len = NONCE_BYTES + plain.len + TAG_BYTES;
    size_t text_size = sodium_base64_encoded_len(box_len, VARIANT);
    str_addf(out, "v1.%s.", key->id);
    char *text = str_reserve(out, text_size);
    TRY_ALLOC(text, err);
    sodium_bin2base64(text, text_size, nonce, box_len, VARIANT);
    out->len += text_size - 1;
    return OUTCOME_OK;
}

/* "v1.id.box": the id and the box's text. */
static bool split_sealed(const char *sealed, struct slice *ret_id, struct slice *ret_box)
{
    if (strncmp(sealed, "v1.", 3) != 0)
        return false;
    const char *dot = strchr(sealed + 3, '.');
    if (dot == NULL)
        return false;
    *ret_id = (struct slice){sealed + 3, (size_t)(dot - sealed) - 3};
    *ret_box = slice_of(dot + 1);
    return keyring_is_id(*ret_id);
}

bool seal_is_current(const struct keyring *keyring, const char *sealed)
{
    struct slice id, box;
    return split_sealed(sealed, &id, &box) && slice_is(id, keyring->keys[0].id);
}

static enum outcome open_box(const struct seal_key *key, struct slice box,
                             const struct str *context, struct secret *ret_secret, struct err *err)
{
    const uint8_t *nonce = (const uint8_t *)box.data;
    struct secret secret;
    TRY(secret_new(box.len - NONCE_BYTES - TAG_BYTES, &secret, err));
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            (uint8_t *)secret.text, NULL, NULL, nonce + NONCE_BYTES, box.len - NONCE_BYTES,
            (const uint8_t *)context->data, context->len, nonce, key->bytes) != 0) {
        secret_done(&secret);
        FAIL(err, OUTCOME_PERMANENT, "seal.broken", "a secret sealed with key %s does not open",
             key->id);
        return err_hint(err, "it was sealed for another workspace, connection or field, with "
                             "another key of that id, or was changed: enter it again");
    }
    *ret_secret = secret;
    return OUTCOME_OK;
}

enum outcome seal_open(const struct keyring *keyring, const struct seal_place *place,
                       const char *sealed, struct secret *ret_secret, struct err *err)
{
    struct slice id, text;
    if (!split_sealed(sealed, &id, &text))
        return FAIL(err, OUTCOME_PERMANENT, "seal.syntax", "not a sealed text (v1.key.box)");
    const struct seal_key *key = keyring_find(keyring, id);
    if (key == NULL) {
        FAIL(err, OUTCOME_PERMANENT, "seal.key_missing",
             "a secret is sealed with key %.*s, which the keyring does not have", (int)id.len,
             id.data);
        return err_hint(err, "add the key to the keyring again, or enter the secret again");
    }
    STR_AUTO struct str context = str_with_max(PLACE_MAX), box = str_with_max(STR_MAX_DEFAULT);
    TRY(associated(place, key->id, &context, err));
    char *room = str_reserve(&box, text.len + 1);
    TRY_ALLOC(room, err);
    size_t len = 0;
    if (sodium_base642bin((uint8_t *)room, text.len, text.data, text.len, NULL, &len, NULL,
                          VARIANT) != 0 ||
        len < NONCE_BYTES + TAG_BYTES)
        return FAIL(err, OUTCOME_PERMANENT, "seal.syntax", "not a sealed text: its box is cut");
    return open_box(key, (struct slice){room, len}, &context, ret_secret, err);
}

enum outcome seal_rotate(const struct keyring *keyring, const struct seal_place *place,
                         const char *sealed, struct str *out, struct err *err)
{
    SECRET_AUTO struct secret secret = {0};
    TRY(seal_open(keyring, place, sealed, &secret, err));
    return seal_add(keyring, place, (struct slice){secret.text, secret.len}, out, err);
}
