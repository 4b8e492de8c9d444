"""Expectancy Explorer's engine: why did a vision network answer P, rather than Q?"""
