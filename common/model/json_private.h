/*
 * json_private: what the two files of canonical JSON share. Not for others.
 *
 * Is:      the place in the text and the output.
 * Is not:  a reader for programs: io/json makes values of text.
 */
#ifndef HAUL_MODEL_JSON_PRIVATE_H
#define HAUL_MODEL_JSON_PRIVATE_H

#include "model/value.h"

struct canon {
    const char *at, *end;
    struct arena *scratch;
    struct str *out;
    unsigned depth;
};

/* Each reads one scalar at the place and writes its canonical form; false when it is none. The
 * output's failure is seen at the end. */
bool canon_string(struct canon *canon); /* behind the opening quote */
bool canon_number(struct canon *canon);

#endif
