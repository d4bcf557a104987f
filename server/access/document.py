"""The table of methods and roles as a page: `python -m server.access.document > docs/security-roles.md`."""

from __future__ import annotations

import sys

from server.access.roles import DATA, MEANINGS, RULES

_HEAD = """\
# Methods and roles

Made from `server/access/roles.py` by `make generate`; do not edit. [access.md](access.md) says how identities
get roles.

| role | what it lets somebody do | acts for institutions |
| --- | --- | --- |
"""
_METHODS = """
| method | takes | each item of the caller's institutions |
| --- | --- | --- |
"""


def render() -> str:
    """Returns the page as Markdown."""
    lines = [_HEAD]
    lines += (
        f"| `{role}` | {meaning} | {'yes' if role in DATA else 'no'} |\n"
        for role, meaning in MEANINGS.items()
    )
    lines.append(_METHODS)
    for name, rule in RULES.items():
        takes = f"`{rule.role}`" if rule.role else "any identity that is bound"
        opened = f"; nothing with `access.{rule.opened_by}`" if rule.opened_by else ""
        own = "yes" if rule.institutions else "–"
        lines.append(f"| `{name.removeprefix('/')}` | {takes}{opened} | {own} |\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render())
