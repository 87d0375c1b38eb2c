/*
 * json: reads JSON text (RFC 8259) into a jval tree.
 *
 * Is:      a strict reader in one pass over the text, straight into the arena.
 * Is not:  lenient: no comments, no trailing commas, no second value behind the first, and no
 *          duplicate names, because two readers would see two different objects.
 * Owns:    nothing: the tree lives in the caller's arena and does not point into the text.
 * Threads: any; each arena one at a time.
 *
 * Integers keep 64 bits. An integer beyond them, a fraction or an exponent becomes a JVAL_REAL,
 * whose text as it stood is in jval.number. U+0000 is refused, since no C string can hold it.
 */
#ifndef HAUL_IO_JSON_H
#define HAUL_IO_JSON_H

#include "base/arena.h"
#include "base/err.h"
#include "base/jval.h"

#define JREAD_DEPTH_MAX 64

/* Reads the whole text as one value. PERMANENT "json.syntax" with the byte offset and what was
 * expected there, "json.depth", "json.duplicate"; RETRY "no_memory" when the arena is full. */
MUST_USE enum outcome jread(struct slice text, struct arena *arena, const struct jval **ret_value,
                            struct err *err);

/* The same, and PERMANENT "json.type" when the value is no object. */
MUST_USE enum outcome jread_object(struct slice text, struct arena *arena,
                                   const struct jval **ret_object, struct err *err);

#endif
