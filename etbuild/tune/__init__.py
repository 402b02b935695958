"""Tuning: what each layer's quantisation costs, and the search for settings of a recipe that give more for less."""
