"""The adapter to doit: tasks, commands, reporter, database. Nothing else imports doit."""
