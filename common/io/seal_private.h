/*
 * seal_private: what seal.c and seal_keyring.c share; included by these files alone.
 */
#ifndef HAUL_IO_SEAL_PRIVATE_H
#define HAUL_IO_SEAL_PRIVATE_H

#include "io/seal.h"

#include <sodium.h>

#define SEAL_KEY_BYTES crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define SEAL_KEYS_MAX 32
#define SEAL_ID_SIZE 33

struct seal_key {
    char id[SEAL_ID_SIZE];
    uint8_t bytes[SEAL_KEY_BYTES];
};

struct keyring {
    size_t count;
    struct seal_key keys[SEAL_KEYS_MAX];
};

/* Must come before any other call of the library; any number of times, any thread. */
MUST_USE enum outcome seal_start(struct err *err);

/* NULL when there is none of that id. */
const struct seal_key *keyring_find(const struct keyring *keyring, struct slice id);
bool keyring_is_id(struct slice id);

#endif
