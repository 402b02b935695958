"""doit's entry: every recipe in recipes/ as tasks. A project of your own needs just this file."""

from etbuild.tasks import DOIT_CONFIG, Project

project = Project(__file__)

__all__ = ["DOIT_CONFIG", "project"]
