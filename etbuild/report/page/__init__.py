"""Pages for people: report.html of a recipe, and the index over all recipes."""
