/*
 * fuzz: what the fuzz targets share.
 *
 * A target is one file fuzz_<name>.c with LLVMFuzzerTestOneInput. It holds what it read against a
 * property (read again, it is the same), not only against crashes.
 */
#ifndef HAUL_TESTS_FUZZ_H
#define HAUL_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(expression)                                                                          \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #expression);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
