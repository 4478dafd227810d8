"""Comparing a catalogue with itself and with what really lies on the backends."""


def backend_differences(sql, backend):
    """Every copy lies there with its size, and nothing else but what is to be deleted or
    still being written. sql(query, *arguments) gives rows."""
    copies = dict(sql("SELECT backend_key, size_bytes FROM object_locations"
                      " WHERE backend_name = %s", backend.name))
    others = {row[0] for row in sql(
        "SELECT object_key FROM (SELECT backend_name, object_key FROM cleanup_queue"
        " UNION ALL SELECT backend_name, object_key FROM cleanup_dlq"
        " UNION ALL SELECT backend_name, backend_key FROM pending_objects) x"
        " WHERE backend_name = %s", backend.name)}
    contents = backend.contents()
    for key, size in sorted(copies.items()):
        if key not in contents:
            yield f"{backend.name}: {key} is missing"
        elif contents[key] != size:
            yield f"{backend.name}: {key} has {contents[key]} bytes instead of {size}"
    for key in sorted(contents.keys() - copies.keys() - others):
        yield f"{backend.name}: {key} is known to nobody"


def differences(sql, backends):
    """One line each; none when all is as it should be."""
    for (problem,) in sql("SELECT problem FROM s3o_check()"):
        yield problem
    for backend in backends:
        yield from backend_differences(sql, backend)
