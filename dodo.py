"""doit's entry: every recipe in recipes/ as tasks. A project of your own needs just these lines."""

from etbuild.tasks import Project

project = Project(__file__)
DOIT_CONFIG = project.doit_config
