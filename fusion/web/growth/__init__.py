"""What of a growing Markdown text can be committed: closed blocks, and the settled part of the block still open.

Lists are committed item by item, tables row by row, code character by character, long paragraphs word by word. A commit
is a guess (a late link definition, or a blank line in a list, changes what stood before): when an open block closes it
is compared with its full rendering and replaced if it differs.

A tick does a bounded amount of work, whatever came: each step looks at no more than can be parsed at once, and what is
left waits for the next tick. Long lists and tables go on as another one where `portions` will cut them, too.

`growing` takes the steps, on the `ground` that all share. A module for each kind of open block opens one and goes on
with it: its `step_…` commits something and gives None, or gives the HTML of the tail.
"""

from fusion.web.growth.growing import Growth

__all__ = ["Growth"]
