"""The arguments of tools/bench."""

import argparse
import sys


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/bench", add_help=False, allow_abbrev=False)
    kinds = parser.add_subparsers(dest="what", required=True)
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--runs", type=int, default=3)
    common.add_argument("--no-peers", action="store_true")
    common.add_argument("--servers", default="")
    common.add_argument("--keep", action="store_true")
    common.add_argument("--no-install", action="store_true")
    sql = kinds.add_parser("sql", add_help=False, allow_abbrev=False, parents=[common])
    sql.add_argument("--rows", type=int, default=1_000_000)
    sql.add_argument("--only", choices=("mariadb", "postgres"))
    sql.add_argument("--no-big", action="store_true")
    runtime = kinds.add_parser("runtime", add_help=False, allow_abbrev=False, parents=[common])
    runtime.add_argument("--jobs", type=int, default=500_000)
    runtime.add_argument("--only", default="", type=lambda text: text.split(","))
    runtime.add_argument("--no-latency", action="store_true")
    fan_out = kinds.add_parser("fan-out", add_help=False, allow_abbrev=False, parents=[common])
    fan_out.add_argument("--rows", type=int, default=10_000_000)
    fan_out.add_argument("--only", choices=("mariadb", "postgres"))
    kinds.add_parser("table", add_help=False, allow_abbrev=False)
    return parser.parse_args()


def main():
    options = parse_arguments()
    if options.what == "table":
        from bench import readme  # without the clients that a run needs
        return readme.main()
    if options.what == "runtime":
        from bench import runtime
        return runtime.main(options)
    if options.what == "fan-out":
        from bench import fan_out
        return fan_out.main(options)
    from bench import sql
    return sql.main(options)


if __name__ == "__main__":
    sys.exit(main())
