/* files: see files.h. */
#include "files.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)64 << 10)

const char *file_title(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static enum outcome read_all(int fd, const char *path, struct str *out, struct err *err)
{
    for (;;) {
        char *end = str_reserve(out, PIECE_BYTES);
        if (end == NULL)
            return USAGE(err, "%s is larger than %zu MB", path, out->max >> 20);
        ssize_t got = read(fd, end, PIECE_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return USAGE(err, "%s cannot be read: %s", path, strerror(errno));
        if (got == 0)
            return OUTCOME_OK;
        out->len += (size_t)got;
        out->data[out->len] = '\0';
    }
}

enum outcome file_read(const char *path, struct str *out, struct err *err)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, file_title(path), out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return USAGE(err, "%s cannot be opened: %s", path, strerror(errno));
    enum outcome outcome = read_all(fd, path, out, err);
    (void)close(fd);
    return outcome;
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.data, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes.data += written;
        bytes.len -= (size_t)written;
    }
    return true;
}

enum outcome file_write(const char *path, struct slice bytes, struct err *err)
{
    char beside[4096];
    int len = snprintf(beside, sizeof beside, "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof beside)
        return FAIL(err, OUTCOME_PERMANENT, "file.write", "the path is too long: %s", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool is_written = fd >= 0 && write_all(fd, bytes);
    if (fd >= 0 && close(fd) != 0)
        is_written = false;
    if (!is_written || rename(beside, path) != 0)
        return FAIL(err, OUTCOME_PERMANENT, "file.write", "%s cannot be written: %s", path,
                    strerror(errno));
    return OUTCOME_OK;
}
