/*
 * seal: secrets at rest and in memory, and random numbers.
 *
 * Is:      sealed texts (XChaCha20-Poly1305, RFC 8439 with the 192-bit nonce of
 *          draft-irtf-cfrg-xchacha), a keyring of several keys, locked memory, ULIDs.
 * Is not:  a key store: keys come from a file or the environment.
 * Owns:    a keyring its keys, a secret its bytes; both are locked in memory and wiped when freed.
 * Threads: a keyring is const once it is open; the rest is any thread.
 *
 * A sealed text is bound to its place (workspace, connection, field) and to its key's id: moved
 * to another place it does not open. Its form is "v1.<key id>.<base64url of nonce + box>".
 * A keyring is text: a line `id:base64 of 32 bytes` a key, the first one seals, all of them open;
 * empty lines and lines that begin with # are skipped. No message ever shows a key or a secret.
 */
#ifndef HAUL_IO_SEAL_H
#define HAUL_IO_SEAL_H

#include "base/err.h"
#include "base/str.h"

struct keyring;

/* PERMANENT "keyring.syntax" with the line's number, "keyring.empty", "keyring.duplicate";
 * "keyring.file" with the errno's name when the file cannot be read. */
MUST_USE enum outcome keyring_open(struct slice text, struct keyring **ret_keyring,
                                   struct err *err);
MUST_USE enum outcome keyring_open_file(const char *path, struct keyring **ret_keyring,
                                        struct err *err);
void keyring_close(struct keyring *keyring); /* wipes; takes NULL */
static inline void keyring_close_at(struct keyring **keyring)
{
    keyring_close(*keyring);
}
#define KEYRING_AUTO __attribute__((cleanup(keyring_close_at)))

/* The id of the key that seals. Lives as long as the keyring. */
const char *keyring_active_id(const struct keyring *keyring);
/* Adds a keyring line with a new random key, newline at its end. */
MUST_USE enum outcome keyring_add_line(const char *id, struct str *out, struct err *err);

/* Bytes that are locked in memory and wiped by secret_done; `text` is NUL-terminated. */
struct secret {
    char *text;
    size_t len;
};
#define SECRET_AUTO __attribute__((cleanup(secret_done)))
MUST_USE enum outcome secret_copy(struct slice bytes, struct secret *ret_secret, struct err *err);
void secret_done(struct secret *secret); /* takes a zeroed one */

/* Where a sealed text stands. All three are part of its authentication. */
struct seal_place {
    const char *workspace_id, *connection_id, *field;
};

/* Adds the sealed text to `out`. */
MUST_USE enum outcome seal_add(const struct keyring *keyring, const struct seal_place *place,
                               struct slice plain, struct str *out, struct err *err);

/* PERMANENT "seal.key_missing" (names the key's id), "seal.syntax", "seal.broken" (was sealed for
 * another place or with another key, or was changed). */
MUST_USE enum outcome seal_open(const struct keyring *keyring, const struct seal_place *place,
                                const char *sealed, struct secret *ret_secret, struct err *err);

/* True when `sealed` is sealed with the active key already. */
bool seal_is_current(const struct keyring *keyring, const char *sealed);

/* Opens and seals again with the active key. Errors as seal_open. */
MUST_USE enum outcome seal_rotate(const struct keyring *keyring, const struct seal_place *place,
                                  const char *sealed, struct str *out, struct err *err);

void random_bytes(void *to, size_t len);
/* For what is unique, not secret: many at a time are drawn, and stay in memory. */
void random_ids(void *to, size_t len);
uint64_t random_below(uint64_t bound); /* uniform in [0, bound); 0 for a bound of 0 */
void wipe_bytes(void *bytes, size_t len);

#define ULID_TEXT_SIZE 27
/* A ULID (26 characters of Crockford's base 32 and a NUL) of that time, 80 bits at random. */
char *ulid_format(int64_t wall_ms, char to[ULID_TEXT_SIZE]);

#endif
