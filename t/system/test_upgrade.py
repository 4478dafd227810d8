# SPDX-License-Identifier: MIT
"""Starts on databases that do not fit: nothing is served, and the log says why."""
import subprocess

from harness.orchestrator import BUILD, Orchestrator


def refused(postgres, workdir, directories, name, sql):
    o = Orchestrator(f"{workdir}/{name}", postgres, directories(1),
                     database=postgres.new_database("template1"))
    o.sql(sql)
    for program in ("proxyd", "workerd"):
        done = subprocess.run([f"{BUILD}/{program}", "-config", o.config_file], cwd=o.dir,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60)
        assert done.returncode == 1, done.stdout
        assert "S3 Orchestrator starting" not in done.stdout
        yield done.stdout


def test_a_failed_migration_ends_the_start(postgres, workdir, directories):
    for log in refused(postgres, workdir, directories, "failed", "CREATE TABLE cleanup_queue ()"):
        assert "0001_catalogue.sql" in log and '"level":"ERROR"' in log


def test_a_newer_schema_is_refused(postgres, workdir, directories):
    newer = ("CREATE TABLE schema_migrations (version INT PRIMARY KEY, name TEXT NOT NULL,"
             " applied_at TIMESTAMPTZ NOT NULL DEFAULT now());"
             "INSERT INTO schema_migrations (version, name) VALUES (9999, 'future')")
    for log in refused(postgres, workdir, directories, "newer", newer):
        assert "9999" in log
