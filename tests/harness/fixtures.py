"""The fixtures. Servers are the session's; databases, topics and processes are each test's own."""

import itertools
import os

import pytest

from harness.databases import MariadbDatabase, PostgresDatabase
from harness.haul import Haul
from harness.hub import Hub
from harness.servers import Servers
from harness.topics import Topics

_numbers = itertools.count(1)
# Redis has 16 databases: each of the processes that run tests side by side has three.
_first = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 5 * 3 + 1
_redis_databases = itertools.cycle(range(_first, _first + 3))


@pytest.fixture(scope="session")
def servers_of_session():
    """TESTS_SERVERS=DIR: servers that tools/test (or you, for speed) have started there; they stay."""
    folder = os.environ.get("TESTS_SERVERS")
    if folder:
        yield Servers(folder)
        return
    servers = Servers.temporary()
    yield servers
    servers.delete()


@pytest.fixture
def servers(servers_of_session, request):
    """Real MariaDB, PostgreSQL, Redis and Kafka, all of them up; harness/servers.py says what they hold.

    A test that kills, stops, pauses or restarts one is marked `faults`: it runs without others beside it.
    """
    with servers_of_session.held(alone=request.node.get_closest_marker("faults") is not None):
        yield servers_of_session


@pytest.fixture
def unique():
    """A short name that no other test of this machine has, fit for databases, topics and keys."""
    return f"t{os.getpid()}_{next(_numbers)}"


@pytest.fixture
def postgres_database(servers, unique):
    database = PostgresDatabase(servers, f"app_{unique}")
    yield database
    servers.heal()
    database.drop()


@pytest.fixture
def mariadb_database(servers, unique):
    database = MariadbDatabase(servers, f"app_{unique}")
    yield database
    servers.heal()
    database.drop()


@pytest.fixture
def topics(servers):
    """Kafka seen from outside (harness/topics.py); the topics made through it go with the test."""
    topics = Topics(servers)
    yield topics
    servers.heal()
    topics.delete(*topics.made)


@pytest.fixture
def hub(servers, unique):
    """A fresh PostgreSQL database for a hub; `haul` migrates it."""
    hub = Hub(servers, f"hub_{unique}")
    yield hub
    servers.heal()
    hub.drop()


@pytest.fixture
def bare_haul(servers, hub, unique, tmp_path):
    """Haul before `haul migrate`."""
    database = next(_redis_databases)
    servers.connect_redis(admin=True, db=database).flushdb()
    haul = Haul(servers, hub, tmp_path, unique, database)
    yield haul
    servers.heal()
    haul.close()


@pytest.fixture
def haul(bare_haul):
    """A migrated hub, topics of its own, the command line; workers as the test starts them."""
    bare_haul.migrate()
    bare_haul.create_topics()
    return bare_haul


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its workers' logs."""
    outcome = yield
    report = outcome.get_result()
    haul = getattr(item, "funcargs", {}).get("bare_haul")
    if report.failed and haul is not None:
        for label, text in haul.logs().items():
            report.sections.append((f"Captured stdout of {label}", text[-8000:]))
