"""What a page shows of a run: small frozen values made from a RunRecord, one per region of the page.

A region is rendered again only when its value changed, so a value holds exactly what its fragment shows.
"""
