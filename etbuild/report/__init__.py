"""Reports for people: manifest.json, report.json, sweep.json, the pages, and the tables printed after a build."""
