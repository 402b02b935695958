"""Reports for people: manifest.json, report.json, sweep.json, and the tables printed after a build."""
