"""The arguments of tools/bench."""

import argparse
import sys


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/bench", add_help=False, allow_abbrev=False)
    parser.add_argument("what", choices=("sql", "table"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=("mariadb", "postgres"))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--no-big", action="store_true")
    parser.add_argument("--servers", default="")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--no-install", action="store_true")
    return parser.parse_args()


def main():
    options = parse_arguments()
    if options.what == "table":
        from bench import readme  # without the clients that a run needs
        return readme.main()
    from bench import sql
    return sql.main(options)


if __name__ == "__main__":
    sys.exit(main())
