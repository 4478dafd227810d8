"""What system tests are made of: a private PostgreSQL, storage backends, and the
programs under test. Every object here owns its processes and its folder, offers
verbs instead of mechanisms, and waits for conditions, never for time."""
