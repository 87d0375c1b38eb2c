/*
 * files: a whole file, or standard input, in memory.
 */
#ifndef HAUL_TOOL_FILES_H
#define HAUL_TOOL_FILES_H

#include "base/err.h"
#include "base/str.h"

/* What messages call it: "-" is "standard input". */
const char *file_title(const char *path);

#define FILE_MAX_BYTES ((size_t)64 << 20)

/* Reads it to its end; "-" is standard input. PERMANENT "usage". */
MUST_USE enum outcome file_read(const char *path, struct str *out, struct err *err);
/* Writes it beside and puts it in place. PERMANENT "file.write". */
MUST_USE enum outcome file_write(const char *path, struct slice bytes, struct err *err);

#endif
