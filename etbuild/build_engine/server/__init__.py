"""The warm compile server: a process that has imported the compilers and forks a child for each step; its client and
protocol.
"""
