"""A database of its own for a test, in PostgreSQL or MariaDB, gone after it."""


class PostgresDatabase:
    """Owned by the app user; .url is its libpq URI, .connect() a psycopg2 connection."""

    def __init__(self, servers, name, create=True):
        self.servers = servers
        self.name = name
        own = servers.postgres
        self.host, self.port, self.user, self.password = own.host, own.port, own.user, own.password
        self.url = f"postgresql://{own.user}:{own.password}@{own.host}:{own.port}/{name}"
        self.admin_url = (f"postgresql://{own.admin_user}:{own.admin_password}"
                          f"@{own.host}:{own.port}/{name}")
        if create:
            self._admin(f'CREATE DATABASE "{name}" OWNER "{own.user}" TEMPLATE template0')

    def _admin(self, statement):
        connection = self.servers.connect_postgres(admin=True)
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def connect(self, **more):
        return self.servers.connect_postgres(self.name, **more)

    def query(self, statement, *args):
        """The rows as a list of tuples; an empty one for statements without a result."""
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(statement, args or None)
            return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def drop(self):
        self._admin(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


class MariadbDatabase:
    """The app user may do anything in it; .connect() is a pymysql connection."""

    def __init__(self, servers, name, create=True):
        assert name.startswith("app_"), "the app user's rights are on app_%"
        self.servers = servers
        self.name = name
        own = servers.mariadb
        self.host, self.port, self.user, self.password = own.host, own.port, own.user, own.password
        self.url = f"mysql://{own.user}:{own.password}@{own.host}:{own.port}/{name}"
        if create:
            self._admin(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")

    def _admin(self, *statements):
        connection = self.servers.connect_mariadb(admin=True)
        try:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())
        finally:
            connection.close()

    def connect(self, **more):
        return self.servers.connect_mariadb(self.name, **more)

    def query(self, statement, *args):
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(statement, args or None)
            return list(cursor.fetchall())
        finally:
            connection.close()

    def drop(self):
        """Also when somebody still uses it."""
        users = self._admin(f"SELECT id FROM information_schema.processlist WHERE db = '{self.name}'")
        self._admin(*[f"KILL {user}" for (user,) in users], f"DROP DATABASE IF EXISTS `{self.name}`")
