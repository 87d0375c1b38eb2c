/*
 * offset_map_encode: an offset map as text in a commit's metadata, and back.
 *
 * Is:      base64 of: a magic byte (form and version), two bytes of check over the committed offset
 * and what follows, then the offsets above the committed one: either a bitset (1 = complete) or
 * lengths of runs as varints (incomplete, complete, incomplete, ...), whichever is smaller. It ends
 * with the highest complete offset. No NUL, at most OFFSET_MAP_TEXT_MAX characters.
 * Is not:  a promise: Kafka stores it with the offset, but whoever moves a group's offsets drops
 * it. What it says is used to leave work out, so what is not exactly ours (another consumer's,
 * another version's, cut, of another offset) is no map, and the ledger catches what is done twice.
 */
#ifndef HAUL_MODEL_OFFSET_MAP_ENCODE_H
#define HAUL_MODEL_OFFSET_MAP_ENCODE_H

#include "base/str.h"
#include "model/offset_map.h"

/* Brokers take 4096 by default (offset.metadata.max.bytes). */
#define OFFSET_MAP_TEXT_MAX 4096
#define OFFSET_MAP_TEXT_SIZE (OFFSET_MAP_TEXT_MAX + 1)
#define OFFSET_MAP_TOO_LARGE SIZE_MAX

/* Writes the text of what is complete beyond map->committed, NUL-terminated; returns its length.
 * 0 when nothing is; OFFSET_MAP_TOO_LARGE (and "") when it does not fit: commit without it. */
size_t offset_map_encode(const struct offset_map *map, char ret_text[OFFSET_MAP_TEXT_SIZE]);
/* That length alone, at most some microseconds: a pass over the runs of the window. */
size_t offset_map_encoded_len(const struct offset_map *map);

/* Is back-pressure due? The text has 75 % of its limit, or the window is more than 90 % full.
 * Cheap enough for every record: it looks at the runs only once in some hundred changes. */
bool offset_map_is_pressed(struct offset_map *map);

/* The window that restoring this text takes (at least 64); 0 when it is no map of `committed`. */
size_t offset_map_text_window(int64_t committed, struct slice text);
/*
 * Resets the map to read from `committed` on; what the text says is complete will be OFFSET_KNOWN.
 * False when it did the reset alone: the text is empty, no map of `committed`, or larger than the
 * window.
 */
bool offset_map_restore(struct offset_map *map, int64_t committed, struct slice text);

#endif
