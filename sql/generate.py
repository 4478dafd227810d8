#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turns the SQL files of this folder into C.

usage: generate.py OUTDIR

    db_gen.h          enum query; per query the numbers of its columns
    db_gen_queries.h  texts of the queries, for common/db only
    db_gen_schema.h   migrations and functions, for common/db only

A query is introduced by

    -- name: find_head :read        (":read" when it changes nothing)
    -- columns: generation size     (in the order of the result; may be absent)

and reaches to the next semicolon at the end of a line. Files are only written
when something changed; db_gen.h is then written too, because make looks at it.
"""

import hashlib
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NOTE = "/* Made by sql/generate.py. SPDX-License-Identifier: MIT */\n"


def read_folder(folder):
    """(file name, text) of each .sql file, in order of name."""
    path = os.path.join(HERE, folder)
    for name in sorted(os.listdir(path)):
        if name.endswith(".sql"):
            with open(os.path.join(path, name), encoding="utf-8") as f:
                yield name, f.read()


def without_comments(sql):
    """Whole-line comments only: what is inside a statement is never touched."""
    return "".join(line for line in sql.splitlines(True) if not line.lstrip().startswith("--"))


class Query:
    def __init__(self, name, read_only, columns, text):
        self.name = name
        self.read_only = read_only
        self.columns = columns
        self.text = text
        self.params = max([int(n) for n in re.findall(r"\$(\d+)", text)], default=0)


def parse_queries(where, text):
    pattern = re.compile(
        r"^-- name: (\w+)( :read)?\n(?:-- columns: ([\w ]+)\n)?(.*?);$", re.MULTILINE | re.DOTALL)
    queries = [Query(m[1], bool(m[2]), (m[3] or "").split(), without_comments(m[4]).strip())
               for m in pattern.finditer(text)]
    if len(queries) != len(re.findall(r"^-- name:", text, re.MULTILINE)):
        sys.exit(f"{where}: a query is malformed")
    return queries


def c_string(text):
    """A C string literal, one line per line of text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    lines = escaped.split("\n")
    return "\n\t".join(f'"{line}\\n"' for line in lines[:-1]) + f'\n\t"{lines[-1]}"'


def header(queries):
    out = [NOTE, "#ifndef DB_GEN_H\n#define DB_GEN_H\n\nenum query {\n"]
    out += [f"\tQ_{q.name.upper()}, /* {q.params} parameters */\n" for q in queries]
    out.append("\tQUERY_COUNT\n};\n")
    for q in queries:
        if q.columns:
            names = ", ".join(f"{q.name}_{c}".upper() for c in q.columns)
            out.append(f"\nenum {q.name}_column {{ {names} }};\n")
    out.append(f"\n#define QUERY_PARAMS_MAX {max(q.params for q in queries)}\n\n#endif\n")
    return "".join(out)


def query_data(queries):
    out = [NOTE, "static const struct db_query queries[QUERY_COUNT] = {\n"]
    for q in queries:
        read_only = "true" if q.read_only else "false"
        columns = " ".join(q.columns)
        out.append(f'\t[Q_{q.name.upper()}] = {{"{q.name}", {q.params}, {read_only}, "{columns}",\n'
                   f"\t{c_string(q.text)}}},\n")
    out.append("};\n")
    return "".join(out)


def schema_data(migrations, functions):
    out = [NOTE]
    for kind, files in (("migrations", migrations), ("functions", functions)):
        out.append(f"static const struct db_script {kind}[] = {{\n")
        out += [f'\t{{"{name}",\n\t{c_string(text)}}},\n' for name, text in files]
        out.append("};\n\n")
    whole = "".join(name + "\0" + text + "\0" for name, text in functions)
    digest = hashlib.sha256(whole.encode()).hexdigest()
    out.append(f'static const char functions_hash[] = "{digest}";\n')
    return "".join(out)


def is_current(path, text):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read() == text
    except FileNotFoundError:
        return False


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    queries = [q for name, text in read_folder("queries") for q in parse_queries(name, text)]
    if len({q.name for q in queries}) != len(queries):
        sys.exit("two queries have the same name")
    migrations = list(read_folder("migrations"))
    for n, (name, _) in enumerate(migrations, 1):
        if not name.startswith(f"{n:04d}_"):
            sys.exit(f"{name}: its number should be {n:04d}")
    files = {
        "db_gen_queries.h": query_data(queries),
        "db_gen_schema.h": schema_data(migrations, list(read_folder("functions"))),
        "db_gen.h": header(queries),
    }
    paths = {os.path.join(sys.argv[1], name): text for name, text in files.items()}
    if all(is_current(path, text) for path, text in paths.items()):
        return
    for path, text in paths.items():
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)


if __name__ == "__main__":
    main()
