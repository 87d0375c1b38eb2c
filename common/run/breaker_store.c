/* breaker_store: see breaker_store.h. The script is common/model/breaker.c in Lua: a test runs both
 * beside each other. */
#include "run/breaker_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* KEYS: the hash, the index. ARGV: op, epoch, permit, calls, reason, dependency, then the
 * configuration, then the order's version. Numbers are written by %.0f, since Lua's own text loses
 * digits. */
static const char machine_script[] =
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000000 + time[2]\n"
    "local op, epoch, permit, calls = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]\n"
    "local conf = {}\n"
    "for i = 7, 14 do conf[i - 6] = tonumber(ARGV[i]) end\n"
    "local order = tonumber(ARGV[15])\n"
    "local window, minimum, failed_most, slow_most, needed, open_us, open_most, lease =\n"
    "  conf[1], conf[2], conf[3], conf[4], conf[5], conf[6], conf[7], conf[8]\n"
    "local h = redis.call('HMGET', KEYS[1], 'state', 'epoch', 'until', 'closed', 'reopened',\n"
    "  'permit', 'probe', 'good', 'calls', 'changed', 'reason', 'order')\n"
    "local function number(i) return tonumber(h[i] or '0') end\n"
    "local b = {state = h[1] or 'closed', epoch = number(2), till = number(3), closed = "
    "number(4),\n"
    "  reopened = number(5), permit = number(6), probe = number(7), good = number(8),\n"
    "  calls = h[9] or '', changed = number(10), reason = h[11] or '', order = number(12)}\n"
    "if not h[1] then b.epoch = math.max(epoch, 0) end\n"
    "local before, got = b.state, 0\n"
    "local function enter(state)\n"
    "  b.state, b.epoch, b.probe, b.good, b.calls = state, b.epoch + 1, 0, 0, ''\n"
    "  b.changed, b.reason = now, ARGV[5]\n"
    "end\n"
    "local function trip()\n"
    "  local again = b.state == 'half_open' or (b.till > 0 and now - b.closed < open_most)\n"
    "  b.reopened = again and math.min(b.reopened + 1, 20) or 0\n"
    "  b.till = now + math.min(open_us * 2 ^ b.reopened, open_most)\n"
    "  enter('open')\n"
    "end\n"
    "local function close() b.closed = now; enter('closed') end\n"
    "local function percent(call)\n"
    "  local _, count = string.gsub(b.calls, call, '')\n"
    "  return count * 100 / #b.calls\n"
    "end\n"
    "local held = permit > 0 and b.state == 'half_open' and permit == b.permit and b.probe > 0\n"
    "if op == 'report' and permit > 0 then\n"
    "  if held then\n"
    "    b.probe = 0\n"
    "    if calls == 'f' then trip()\n"
    "    elseif calls ~= 'i' then\n"
    "      b.good = b.good + 1\n"
    "      if b.good >= needed then close() end\n"
    "    end\n"
    "  end\n"
    "elseif op == 'report' and b.state == 'closed' and (epoch == b.epoch or epoch < 0) then\n"
    "  for call in string.gmatch(calls, '[osf]') do\n"
    "    b.calls = string.sub(b.calls .. call, -window)\n"
    "    if #b.calls >= minimum and\n"
    "       (percent('f') >= failed_most or percent('s') >= slow_most) then\n"
    "      trip()\n"
    "      break\n"
    "    end\n"
    "  end\n"
    "elseif op == 'probe' then\n"
    "  if b.state == 'open' and now >= b.till then enter('half_open') end\n"
    "  if b.state == 'half_open' and now >= b.probe then\n"
    "    b.permit = b.permit + 1\n"
    "    b.probe, got = now + lease, b.permit\n"
    "  end\n"
    "elseif op == 'renew' and held then b.probe, got = now + lease, permit\n"
    "elseif order > 0 and order <= b.order then\n" /* a later one was here, or this very one */
    "elseif op == 'force_open' then enter('forced_open')\n"
    "elseif op == 'close' or op == 'lift' and b.state == 'forced_open' then close()\n"
    "end\n"
    "b.order = math.max(b.order, order)\n"
    "local function text(value) return string.format('%.0f', value) end\n"
    "redis.call('HSET', KEYS[1], 'state', b.state, 'epoch', text(b.epoch), 'until', text(b.till),\n"
    "  'closed', text(b.closed), 'reopened', text(b.reopened), 'permit', text(b.permit),\n"
    "  'probe', text(b.probe), 'good', text(b.good), 'calls', b.calls,\n"
    "  'changed', text(b.changed), 'reason', b.reason, 'order', text(b.order))\n"
    "local wait = b.state == 'open' and b.till or b.state == 'half_open' and b.probe or now\n"
    "if b.state == 'closed' then\n"
    "  redis.call('HDEL', KEYS[2], ARGV[6])\n"
    "  redis.call('EXPIRE', KEYS[1], 3600)\n"
    "else\n"
    "  redis.call('HSET', KEYS[2], ARGV[6], table.concat({b.state, text(b.epoch), text(wait),\n"
    "    text(b.changed), b.reason}, ' '))\n"
    "  redis.call('PERSIST', KEYS[1])\n"
    "end\n"
    "return {b.state, before, b.epoch, math.max(wait - now, 0), got, b.order}\n";

static const char *const op_names[] = {
    [BREAKER_OP_REPORT] = "report", [BREAKER_OP_PROBE] = "probe",
    [BREAKER_OP_RENEW] = "renew",   [BREAKER_OP_FORCE_OPEN] = "force_open",
    [BREAKER_OP_CLOSE] = "close",   [BREAKER_OP_LIFT] = "lift",
};

#define NUMBER(arena, value) arena_printf((arena), "%" PRId64, (int64_t)(value))

struct texts { /* of a whole batch */
    const char *index;
    const char *conf[8];
};

static enum outcome make_texts(struct arena *arena, const char *prefix,
                               const struct breaker_conf *conf, struct texts *ret_texts,
                               struct err *err)
{
    const int64_t numbers[] = {conf->window,       conf->minimum_calls, conf->failure_percent,
                               conf->slow_percent, conf->probes_needed, conf->open_us,
                               conf->open_max_us,  conf->probe_lease_us};
    ret_texts->index = arena_printf(arena, "%sbreakers", prefix);
    TRY_ALLOC(ret_texts->index, err);
    for (size_t i = 0; i < 8; i++) {
        ret_texts->conf[i] = NUMBER(arena, numbers[i]);
        TRY_ALLOC(ret_texts->conf[i], err);
    }
    return OUTCOME_OK;
}

static enum outcome append(struct rconn *conn, const char *prefix, const struct texts *texts,
                           const struct breaker_request *request, struct arena *arena,
                           struct err *err)
{
    const char *key = arena_printf(arena, "%sbreaker:%s", prefix, request->dependency);
    const char *epoch = NUMBER(arena, request->epoch), *permit = NUMBER(arena, request->permit);
    const char *order = NUMBER(arena, request->order);
    TRY_ALLOC(key, err);
    TRY_ALLOC(epoch, err);
    TRY_ALLOC(permit, err);
    TRY_ALLOC(order, err);
    const char *const *c = texts->conf;
    struct rscript_call call = {.source = machine_script,
                                .keys = RWORDS(key, texts->index),
                                .args = RWORDS(op_names[request->op], epoch, permit,
                                               request->calls == NULL ? "" : request->calls,
                                               request->reason == NULL ? "" : request->reason,
                                               request->dependency, c[0], c[1], c[2], c[3], c[4],
                                               c[5], c[6], c[7], order)};
    return rconn_append_script(conn, &call, err);
}

static bool read_view(const struct rreply *reply, struct breaker_view *ret_view)
{
    struct breaker_view view = {.epoch = rreply_int(rreply_item(reply, 2), -1),
                                .wait_us = rreply_int(rreply_item(reply, 3), 0),
                                .permit = rreply_int(rreply_item(reply, 4), 0),
                                .order = rreply_int(rreply_item(reply, 5), 0)};
    if (!breaker_state_parse(rreply_text(rreply_item(reply, 0), ""), &view.state) ||
        !breaker_state_parse(rreply_text(rreply_item(reply, 1), ""), &view.before))
        return false;
    *ret_view = view;
    return true;
}

static enum outcome append_all(struct rconn *conn, const char *prefix,
                               const struct breaker_conf *conf,
                               const struct breaker_request *requests, size_t count,
                               struct arena *arena, struct err *err)
{
    struct texts texts;
    TRY(make_texts(arena, prefix, conf, &texts, err));
    for (size_t i = 0; i < count; i++)
        TRY(append(conn, prefix, &texts, &requests[i], arena, err));
    return OUTCOME_OK;
}

static enum outcome apply_once(struct rconn *conn, const char *prefix,
                               const struct breaker_conf *conf,
                               const struct breaker_request *requests, size_t count,
                               struct arena *arena, struct breaker_view *views, struct err *err)
{
    enum outcome outcome = append_all(conn, prefix, conf, requests, count, arena, err);
    /* Each reply is read, also behind one that failed: the pipeline must be empty at the end. */
    for (size_t i = 0; rconn_pending(conn) > 0; i++) {
        const struct rreply *reply = NULL;
        struct err unused = {0};
        bool is_first = outcome == OUTCOME_OK;
        enum outcome read = rconn_read(conn, arena, &reply, is_first ? err : &unused);
        if (is_first && read != OUTCOME_OK)
            outcome = read;
        else if (is_first && !read_view(reply, &views[i]))
            outcome = FAIL(err, OUTCOME_RETRY, "redis.busy", "a breaker got a strange answer");
    }
    return outcome;
}

enum outcome breaker_store_apply(struct rconn *conn, const char *prefix,
                                 const struct breaker_conf *conf,
                                 const struct breaker_request *requests, size_t count,
                                 struct arena *arena, struct breaker_view *ret_views,
                                 struct err *err)
{
    struct err failure = {0};
    struct breaker_view *views = ARENA_ARRAY(arena, struct breaker_view, count + 1);
    TRY_ALLOC(views, err);
    enum outcome outcome = apply_once(conn, prefix, conf, requests, count, arena, views, &failure);
    /* A restarted Redis has forgotten the script: none of it was done. */
    if (outcome != OUTCOME_OK && strcmp(failure.native, "NOSCRIPT") == 0)
        outcome = apply_once(conn, prefix, conf, requests, count, arena, views, &failure);
    if (outcome != OUTCOME_OK) {
        if (err != NULL)
            *err = failure;
        return outcome;
    }
    memcpy(ret_views, views, count * sizeof *views);
    return OUTCOME_OK;
}

/* "state epoch until changed reason" */
static bool read_row(const char *text, int64_t now_us, struct breaker_row *row)
{
    char state[16];
    int64_t until_us = 0, changed_us = 0;
    int end = 0;
    if (sscanf(text, "%15s %" SCNd64 " %" SCNd64 " %" SCNd64 " %n", state, &row->view.epoch,
               &until_us, &changed_us, &end) != 4 ||
        !breaker_state_parse(state, &row->view.state))
        return false;
    row->view.before = row->view.state;
    row->view.wait_us = until_us > now_us ? until_us - now_us : 0;
    row->changed_ago_us = now_us - changed_us;
    row->reason = text + end;
    return true;
}

static enum outcome read_rows(const struct rreply *time, const struct rreply *index,
                              struct arena *arena, struct breaker_rows *ret_rows, struct err *err)
{
    int64_t now_us = rreply_int(rreply_item(time, 0), 0) * 1000000;
    now_us += rreply_int(rreply_item(time, 1), 0);
    struct breaker_row *rows = ARENA_ARRAY(arena, struct breaker_row, index->count / 2 + 1);
    TRY_ALLOC(rows, err);
    size_t count = 0;
    for (size_t i = 0; i + 1 < index->count; i += 2) {
        struct breaker_row row = {.dependency = rreply_text(rreply_item(index, i), "")};
        if (read_row(rreply_text(rreply_item(index, i + 1), ""), now_us, &row))
            rows[count++] = row;
    }
    *ret_rows = (struct breaker_rows){rows, count};
    return OUTCOME_OK;
}

enum outcome breaker_store_list(struct rconn *conn, const char *prefix, struct arena *arena,
                                struct breaker_rows *ret_rows, struct err *err)
{
    const struct rreply *time = NULL, *index = NULL;
    const char *key = arena_printf(arena, "%sbreakers", prefix);
    TRY_ALLOC(key, err);
    TRY(rconn_call(conn, arena, RWORDS("TIME"), &time, err));
    TRY(rconn_call(conn, arena, RWORDS("HGETALL", key), &index, err));
    return read_rows(time, index, arena, ret_rows, err);
}
