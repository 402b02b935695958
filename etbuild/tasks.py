"""What a dodo.py imports: `from etbuild.tasks import Project`."""

from etbuild.doit_plugin.project import Project

__all__ = ["Project"]
