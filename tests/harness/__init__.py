"""What the tests with real servers stand on: servers, hub, programs under test, waiting."""
