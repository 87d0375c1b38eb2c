/* pgsql: results. See pgsql.h. */
#include "io/pgsql_private.h"

#include "base/num.h"

/* A result is libpq's own; the struct is never made. */
static PGresult *native_of(struct pgsql_result *result)
{
    return (PGresult *)result;
}

static const PGresult *const_native_of(const struct pgsql_result *result)
{
    return (const PGresult *)result;
}

void pgsql_result_free(struct pgsql_result *result)
{
    PQclear(native_of(result));
}

const char *pgsql_command(struct pgsql_result *result)
{
    return PQcmdStatus(native_of(result));
}

size_t pgsql_rows(const struct pgsql_result *result)
{
    return (size_t)PQntuples(const_native_of(result));
}

size_t pgsql_columns(const struct pgsql_result *result)
{
    return (size_t)PQnfields(const_native_of(result));
}

const char *pgsql_column_name(const struct pgsql_result *result, size_t column)
{
    return PQfname(const_native_of(result), (int)column);
}

bool pgsql_is_null(const struct pgsql_result *result, size_t row, size_t column)
{
    return PQgetisnull(const_native_of(result), (int)row, (int)column) != 0;
}

const char *pgsql_text(const struct pgsql_result *result, size_t row, size_t column)
{
    if (pgsql_is_null(result, row, column))
        return NULL;
    return PQgetvalue(const_native_of(result), (int)row, (int)column);
}

struct slice pgsql_slice(const struct pgsql_result *result, size_t row, size_t column)
{
    const char *text = pgsql_text(result, row, column);
    int len = PQgetlength(const_native_of(result), (int)row, (int)column);
    return (struct slice){text, text == NULL ? 0 : (size_t)len};
}

int64_t pgsql_i64(const struct pgsql_result *result, size_t row, size_t column, int64_t fallback)
{
    struct slice text = pgsql_slice(result, row, column);
    int64_t value = fallback;
    if (text.data == NULL || !num_parse_i64(text.data, text.len, &value))
        return fallback;
    return value;
}

bool pgsql_bool(const struct pgsql_result *result, size_t row, size_t column)
{
    const char *text = pgsql_text(result, row, column);
    return text != NULL && text[0] == 't';
}

const char *pgsql_int_text(int64_t value, char to[24])
{
    to[num_format_i64(value, to)] = '\0';
    return to;
}
