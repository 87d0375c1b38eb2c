"""What is done to the servers, the workers and the ways between them. A fault begins, lasts, and is undone.

Each is a function of (stage, params) with the names of what it needs for itself: two faults never harm the same
thing at once, but any number of different things may be out of order together.
"""

import random
import signal
import subprocess
import time
from dataclasses import dataclass

import psycopg2

from chaos.stage import HOUR_US, SERVERS


@dataclass
class Fault:
    name: str
    run: object       # (stage, slot or None, rng)
    weight: float
    needs: tuple      # "slot", "kafka", "redis", "postgres", "fleet", "disk", "extra"


ALL = []
# What a run of a minute or more has for sure, whatever its seed draws; by name.
ESSENTIAL = ("kill_worker", "freeze_beyond_the_lease", "clock_off", "kill_broker", "flush_redis", "fail_over_redis", "kill_hub",
             "end_hub_sessions", "fill_disk", "lose_packets", "cut_off")
ESSENTIAL_FROM_S = 60
ESSENTIAL_PART = 0.8  # of the run's time: what has to wait for its turn comes in time
FOLLOWS_WITHIN_S = 30


def fault(weight, *needs):
    def add(function):
        ALL.append(Fault(function.__name__, function, weight, needs))
        return function
    return add


def pause(rng, low, high):
    time.sleep(rng.uniform(low, high))


# --- workers --------------------------------------------------------------------------------------

@fault(6, "slot")
def kill_worker(stage, slot, rng):
    slot.kill()
    pause(rng, 0, 2)
    slot.start()


@fault(4, "slot")
def freeze_beyond_the_lease(stage, slot, rng):
    """SIGSTOP for longer than lease and session, then SIGCONT."""
    slot.signal(signal.SIGSTOP)
    pause(rng, 4, 8)
    slot.signal(signal.SIGCONT)


@fault(2, "slot")
def freeze_briefly(stage, slot, rng):
    slot.signal(signal.SIGSTOP)
    pause(rng, 0.2, 2)
    slot.signal(signal.SIGCONT)


@fault(4, "slot")
def restart_worker(stage, slot, rng):
    slot.stop()
    slot.start()


@fault(1, "slot")
def stop_worker_twice(stage, slot, rng):
    """A second SIGTERM while it drains."""
    slot.wanted = False
    slot.signal(signal.SIGTERM)
    pause(rng, 0, 0.5)
    slot.signal(signal.SIGTERM)
    slot.worker.wait_ended(10)
    slot.start()


@fault(1, "fleet")
def rolling_restart(stage, _, rng):
    for slot in stage.slots:
        slot.stop()
        slot.start()
        pause(rng, 0.2, 0.5)


@fault(1, "fleet")
def scale_down_and_up(stage, _, rng):
    for slot in stage.slots[1:]:
        slot.wanted = False
        slot.signal(signal.SIGTERM)
    for slot in stage.slots[1:]:
        slot.worker.wait_ended()
    pause(rng, 1, 4)
    for slot in stage.slots[1:]:
        slot.start()


@fault(1, "fleet")
def kill_all(stage, _, rng):
    for slot in stage.slots:
        slot.kill()
    pause(rng, 0, 2)
    for slot in stage.slots:
        slot.start()


@fault(1.5, "slot")
def join_and_leave(stage, slot, rng):
    """A member that is there for a second, and gone for one."""
    for _ in range(4):
        slot.stop()
        slot.start()
        pause(rng, 0.5, 1.2)


@fault(2, "slot")
def clock_off(stage, slot, rng):
    """The clock jumps by up to an hour, and later back."""
    slot.clock.shift(rng.choice((HOUR_US, -HOUR_US, HOUR_US // 60, -HOUR_US // 60)))
    pause(rng, 3, 8)
    slot.clock.shift(0)


# --- servers --------------------------------------------------------------------------------------

@fault(1.5, "kafka")
def kill_broker(stage, _, rng):
    stage.servers.kill("kafka")
    pause(rng, 0, 4)
    stage.servers.start("kafka")


@fault(1, "kafka")
def stop_broker(stage, _, rng):
    stage.servers.stop("kafka")
    pause(rng, 0, 3)
    stage.servers.start("kafka")


@fault(1, "kafka")
def freeze_broker(stage, _, rng):
    stage.servers.pause("kafka")
    pause(rng, 1, 6)
    stage.servers.resume("kafka")


@fault(1, "redis")
def restart_redis(stage, _, rng):
    """It is empty afterwards."""
    if stage.redis.master == 0:
        stage.servers.kill("redis")
        pause(rng, 0, 3)
        stage.servers.start("redis")
    else:
        stage.redis.process.kill()
        stage.redis.process.wait()
        pause(rng, 0, 3)
        stage.redis.start_second()


@fault(2.5, "redis")
def flush_redis(stage, _, rng):
    stage.redis.connect(stage.redis.master).flushall()


@fault(1, "redis")
def fail_over_redis(stage, _, rng):
    """To a replica that is some seconds behind."""
    stage.redis.follow(FOLLOWS_WITHIN_S)
    if rng.random() < 0.5:
        stage.redis.connect(1 - stage.redis.master).replicaof("NO", "ONE")
        pause(rng, 0.5, 3)
    stage.redis.fail_over()
    stage.lead_redis()


@fault(1, "redis")
def freeze_redis(stage, _, rng):
    """Longer than a lease, or shorter."""
    process = stage.redis.process if stage.redis.master == 1 else None
    if process is None:
        stage.servers.pause("redis")
    else:
        process.send_signal(signal.SIGSTOP)
    pause(rng, 0.5, 5)
    if process is None:
        stage.servers.resume("redis")
    else:
        process.send_signal(signal.SIGCONT)


@fault(1, "postgres", "disk")
def kill_hub(stage, _, rng):
    """As if the machine had lost it: it recovers from its log."""
    stage.servers.kill("postgres")
    pause(rng, 0, 3)
    stage.servers.start("postgres")


@fault(1, "postgres", "disk")
def stop_hub(stage, _, rng):
    stage.servers.stop("postgres")
    pause(rng, 0, 3)
    stage.servers.start("postgres")


@fault(2, "postgres")
def end_hub_sessions(stage, _, rng):
    for _ in range(3):
        try:
            stage.hub.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'test_worker'"
                            " AND random() < 0.5")
        except Exception:  # noqa: BLE001 - the hub is someone else's to mend
            return
        pause(rng, 0.1, 0.5)


@fault(1, "postgres")
def freeze_hub(stage, _, rng):
    stage.servers.pause("postgres")
    pause(rng, 0.5, 5)
    stage.servers.resume("postgres")


def has_room(hub):
    try:
        hub.query("CREATE TABLE room AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)")
    except psycopg2.errors.DiskFull:
        return False
    hub.query("DROP TABLE room")
    return True


@fault(1, "disk")
def fill_disk(stage, _, rng):
    assert stage.disk.is_there, "a small disk cannot be mounted here"
    stage.disk.fill()
    assert not has_room(stage.hub), "the disk is not full"
    pause(rng, 1, 4)
    stage.disk.heal()


# --- the ways between a worker and a server ---------------------------------------------------------

def link_of(slot, rng):
    return slot.links[rng.choice(SERVERS)]


@fault(3, "slot")
def reset_connections(stage, slot, rng):
    for _ in range(rng.randrange(1, 6)):
        link_of(slot, rng).reset()
        pause(rng, 0.05, 0.5)


@fault(2, "slot")
def refuse_connections(stage, slot, rng):
    link = link_of(slot, rng)
    link.refuse()
    pause(rng, 0.5, 6)
    link.heal()


@fault(3, "slot")
def lose_packets(stage, slot, rng):
    """Nothing arrives, one way or both; then what waited does, or the connections are cut."""
    link = link_of(slot, rng)
    link.hold(*rng.choice(((), ("up",), ("down",))))
    pause(rng, 0.5, 7)
    if rng.random() < 0.5:
        link.reset()
    link.heal()


@fault(1.5, "slot")
def cut_off(stage, slot, rng):
    """A worker that reaches nobody."""
    for link in slot.links.values():
        link.hold()
    pause(rng, 1, 7)
    for link in slot.links.values():
        link.reset()
        link.heal()


@fault(1.5, "slot")
def slow_network(stage, slot, rng):
    link = link_of(slot, rng)
    link.delay(rng.choice((0.02, 0.1, 0.3)))
    pause(rng, 1, 5)
    link.heal()


# --- the operator -----------------------------------------------------------------------------------

def replay(stage, rng, *options):
    from harness.programs import clean_environment, program_path

    command = [program_path("haul"), "dlq", "replay", "--worker", "testkind", *options]
    return subprocess.Popen(command, env=clean_environment(stage.haul.env()), stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@fault(3, "replay")
def replay_dead_letters(stage, _, rng):
    """What was given up is put back; now and then the operator's shell dies over it."""
    process = replay(stage, rng, "--rate", "20", "--limit", str(rng.randrange(1, 20)),
                     "--redrive-max", "2", *rng.choice(((), ("--from-start",))))
    try:
        process.wait(rng.choice((0.3, 1, 20, 20)))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def plan(rng, length_s, every_s, slots, names=None):
    """[(at, fault, slot number, seed of its own)]: the whole run, from the seed alone."""
    chosen = [fault for fault in ALL if names is None or fault.name in names]
    found, at = [], 0.0
    while (at := at + rng.uniform(0.3, 1.7) * every_s) < length_s:
        [one] = rng.choices(chosen, [fault.weight for fault in chosen])
        found.append((at, one, rng.randrange(slots), random.Random(rng.random())))
    if length_s >= ESSENTIAL_FROM_S:
        found += [(rng.uniform(0, ESSENTIAL_PART * length_s), one, rng.randrange(slots), random.Random(rng.random()))
                  for one in chosen if one.name in ESSENTIAL]
    return sorted(found, key=lambda one: one[0])
