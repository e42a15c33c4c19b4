"""The bare page of a report: its style, and the few HTML forms that it is built of.

``Html`` is text that is ready for the page. Whatever a user could have written becomes ``Html``
by ``text`` alone, which escapes it; the type checker sees to that.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from string import Template
from typing import NewType

Html = NewType("Html", str)

_STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --ink: #1c2430; --soft: #5b6675; --rule: #dfe4ea; --panel: #f5f7f9;
  --s0: #1d5fbf; --s1: #c2410c; --s2: #15803d; --s3: #8b2fc9; --s4: #0e7490; --s5: #be185d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161c; --ink: #e4e9ef; --soft: #98a4b3; --rule: #2b333d; --panel: #1a2027;
    --s0: #7ab8ff; --s1: #ff9a62; --s2: #5fd38a; --s3: #c99bff; --s4: #4fd1e0; --s5: #ff8ac2;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; overflow-wrap: anywhere;
  background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif;
}
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; }
h2 { margin: 3rem 0 .75rem; padding-bottom: .25rem; border-bottom: 1px solid var(--rule);
  font-size: 1.2rem; }
p { margin: .5rem 0; max-width: 46rem; }
.soft, figcaption, .legend { color: var(--soft); font-size: .875rem; }
.result { margin: 1rem 0; font-size: 1.15rem; }
code, pre { font: .85rem/1.5 ui-monospace, monospace; }
pre { margin: .25rem 0 1rem; padding: .75rem; overflow-x: auto; overflow-wrap: normal;
  background: var(--panel); border-radius: 6px; }
figure { margin: 0; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .35rem 1.25rem;
  margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; }
@media (max-width: 30rem) { dl { display: block; } dd { margin-bottom: .5rem; } }
.wide { margin: 1rem 0; overflow-x: auto; overflow-wrap: normal; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule); text-align: right; }
th { color: var(--soft); font-weight: normal; font-size: .875rem; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
tr:last-child td { border-bottom: 0; }
.columns { display: flex; flex-wrap: wrap; column-gap: 1.5rem; }
.columns .wide { margin: .5rem 0; }
.numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(4.5rem, 1fr));
  gap: .5rem; margin: 1rem 0; max-width: 38rem; }
.numbers div { padding: .4rem .6rem; background: var(--panel); border-radius: 6px; }
.numbers b { display: block; font-size: 1.05rem; font-variant-numeric: tabular-nums; }
.numbers span { color: var(--soft); font-size: .8rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr));
  gap: 1.5rem; }
.small { grid-template-columns: repeat(auto-fill, minmax(min(11rem, 44%), 1fr)); gap: 1rem; }
.small text { font-size: 14px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); }
.axis { stroke: var(--soft); }
.mark { stroke: var(--soft); stroke-dasharray: 3 3; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); stroke-dasharray: 7 3; }
.s2 { stroke: var(--s2); stroke-dasharray: 2 2.5; } .s3 { stroke: var(--s3); stroke-width: 1.2; }
.s4 { stroke: var(--s4); stroke-dasharray: 9 3 2 3; } .s5 { stroke: var(--s5); }
.dot { fill: var(--ground); stroke-dasharray: none; }
.area { fill: var(--s0); opacity: .13; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; }
.legend svg { display: inline; width: 24px; height: 8px; margin-right: .3rem; }
.pair { display: flex; gap: 4px; margin-top: 1.5rem; }
.pair img { display: block; min-width: 0; max-width: calc(50% - 2px); height: auto;
  border-radius: 4px; }
@media (max-width: 36rem) { .pair { flex-direction: column; } .pair img { max-width: 100%; } }
.key { padding: .05rem .4rem; border-radius: 3px; color: #000; white-space: nowrap; }
"""

# The policy lets a browser load nothing at all: no script, no font, nothing from a network.
_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
$body
</body>
</html>
""")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def text(value: object) -> Html:
    """Any value as text of the page; what UTF-8 cannot carry becomes a question mark."""
    return Html(html.escape(str(value).encode("utf-8", "replace").decode("utf-8")))


def join(parts: Iterable[Html]) -> Html:
    """Parts of a page, one after the other."""
    return Html("\n".join(parts))


def page(title: str, body: Html) -> str:
    """A whole HTML file."""
    return _PAGE.substitute(title=text(title), body=body, style=_STYLE, policy=_POLICY)


def section(heading: str, *content: Html) -> Html:
    """Content under a heading."""
    return Html(f"<section>\n<h2>{text(heading)}</h2>\n{join(content)}\n</section>")


def paragraph(sentence: str, kind: str = "") -> Html:
    """A paragraph; ``kind`` is its class: "soft" or "result"."""
    return Html(f'<p class="{kind}">{text(sentence)}</p>')


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Names with what they are."""
    items = "\n".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs)
    return Html(f"<dl>\n{items}\n</dl>")


def numbers(pairs: Iterable[tuple[str, str]]) -> Html:
    """Names with their numbers, as tiles."""
    tiles = "\n".join(f"<div><b>{text(n)}</b><span>{text(name)}</span></div>" for name, n in pairs)
    return Html(f'<div class="numbers">\n{tiles}\n</div>')


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table whose first column is text and whose others are numbers."""
    top = "".join(f"<th>{text(cell)}</th>" for cell in head)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return Html(
        f'<div class="wide"><table>\n<thead><tr>{top}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def code(lines: str) -> Html:
    """Text to be typed, or a file."""
    return Html(f"<pre>{text(lines)}</pre>")


def details(summary: str, content: Html) -> Html:
    """Content that opens on demand."""
    return Html(f"<details><summary>{text(summary)}</summary>\n{content}\n</details>")
