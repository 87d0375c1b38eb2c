/* redis_url: see redis_url.h. */
#define _GNU_SOURCE /* memrchr */
#include "io/redis_url.h"

#include "base/num.h"
#include "base/str.h"

static enum outcome fail(struct err *err, const char *what)
{
    FAIL(err, OUTCOME_PERMANENT, "redis.url", "bad Redis URL: %s", what);
    return err_hint(err, "redis://user:password@host:6379/0, special characters as %%XX");
}

/* %XX decoded; NULL when a percent sign is not followed by two digits, or gives a NUL. */
static const char *decode(struct arena *arena, struct slice text)
{
    char *out = arena_strndup(arena, text.data, text.len);
    char *to = out;
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        uint8_t byte = (uint8_t)text.data[i];
        if (byte == '%') {
            if (text.len - i < 3 || !hex_parse(text.data + i + 1, 1, &byte) || byte == 0)
                return NULL;
            i += 2;
        }
        *to++ = (char)byte;
    }
    if (out != NULL)
        *to = '\0';
    return out;
}

static struct slice cut(struct slice *rest, const char *at)
{
    struct slice head = {rest->data, (size_t)(at - rest->data)};
    *rest = (struct slice){at + 1, rest->len - head.len - 1};
    return head;
}

static enum outcome parse_login(struct slice login, struct arena *arena, struct rconn_url *url,
                                struct err *err)
{
    const char *colon = memchr(login.data, ':', login.len);
    if (colon == NULL)
        return fail(err, "a user without a password");
    struct slice user = cut(&login, colon);
    url->password = decode(arena, login);
    url->user = user.len == 0 ? NULL : decode(arena, user);
    if (url->password == NULL || (user.len > 0 && url->user == NULL))
        return fail(err, "the user or password is not percent-encoded well");
    return OUTCOME_OK;
}

static enum outcome parse_number(struct slice text, int max, const char *what, int *ret_value,
                                 struct err *err)
{
    int64_t value = 0;
    if (!num_parse_i64(text.data, text.len, &value) || value < 0 || value > max)
        return fail(err, what);
    *ret_value = (int)value;
    return OUTCOME_OK;
}

static enum outcome parse_host(struct slice text, struct arena *arena, struct rconn_url *url,
                               struct err *err)
{
    struct slice host = text, port = {NULL, 0};
    if (text.len > 0 && text.data[0] == '[') { /* [::1]:6379 */
        const char *close = memchr(text.data, ']', text.len);
        if (close == NULL)
            return fail(err, "an IPv6 address without ]");
        host = (struct slice){text.data + 1, (size_t)(close - text.data) - 1};
        port = (struct slice){close + 1, text.len - host.len - 2};
        if (port.len > 0 && port.data[0] != ':')
            return fail(err, "something else than a port behind ]");
    } else {
        const char *colon = memchr(text.data, ':', text.len);
        if (colon != NULL) {
            host.len = (size_t)(colon - text.data);
            port = (struct slice){colon, text.len - host.len};
        }
    }
    if (host.len == 0)
        return fail(err, "no host");
    url->host = decode(arena, host);
    if (url->host == NULL)
        return fail(err, "the host is not percent-encoded well");
    if (port.len == 0)
        return OUTCOME_OK;
    port = (struct slice){port.data + 1, port.len - 1};
    return parse_number(port, 65535, "the port is no number up to 65535", &url->port, err);
}

enum outcome rconn_url_parse(const char *text, struct arena *arena, struct rconn_url *ret_url,
                             struct err *err)
{
    static const char plain[] = "redis://", tls[] = "rediss://";
    struct rconn_url url = {.port = 6379};
    url.has_tls = text != NULL && strncmp(text, tls, sizeof tls - 1) == 0;
    if (text == NULL || (!url.has_tls && strncmp(text, plain, sizeof plain - 1) != 0))
        return fail(err, "it begins with neither redis:// nor rediss://");
    struct slice rest = slice_of(text + (url.has_tls ? sizeof tls : sizeof plain) - 1);
    const char *query = memchr(rest.data, '?', rest.len);
    if (query != NULL)
        return fail(err, "it has a query, which nothing here reads");
    const char *at = memrchr(rest.data, '@', rest.len);
    if (at != NULL)
        TRY(parse_login(cut(&rest, at), arena, &url, err));
    const char *slash = memchr(rest.data, '/', rest.len);
    struct slice host = rest;
    if (slash != NULL)
        host = cut(&rest, slash);
    TRY(parse_host(host, arena, &url, err));
    if (slash != NULL && rest.len > 0)
        TRY(parse_number(rest, 100000, "the database is no number", &url.database, err));
    *ret_url = url;
    return OUTCOME_OK;
}
