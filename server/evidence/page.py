"""Evidence as a page for people: one file without scripts or anything from elsewhere, also for paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from kuntur.reasons.formats import number
from server.evidence.document import Asked, Evidence, Feature, Model, Reason

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #111; background: #fff; max-width: 54rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
h1, h2, td, code, li { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid #ccc; }
th[scope=row] { width: 14rem; } td:first-child { overflow-wrap: normal; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code, pre { font: 12px/1.4 ui-monospace, monospace; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.sum { border: 1px solid #111; padding: .2rem 1rem; } .bad { border: 3px solid #a00; } .unset { color: #666; }
.small { font-size: 13px; color: #444; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } tr, .sum { break-inside: avoid; }
  h2 { break-after: avoid; } thead { display: table-header-group; } }
"""


def render(evidence: Evidence, json_name: str) -> str:
    """Returns the page of evidence; json_name: the file beside it that has the same as JSON."""
    of = f" of {evidence.institution_id}" if evidence.institution_id else ""
    title = f"Evidence: transaction {evidence.transaction_id}{of}"
    body = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="small">Put together on {_text(evidence.made_time)} by {_text(evidence.made_by)}. '
        f"Times are in UTC, by the server's clock. The same as JSON, with the raw entries: "
        f"<code>{_text(json_name)}</code>.</p>",
        _summary(evidence),
        *_requested(evidence),
        *_answered(evidence),
        *_rebuilt(evidence),
        *_model(evidence.model),
        "<h2>5. Rules and lists in force</h2>",
        "<p>None: this release decides by the model and its thresholds alone.</p>",
        *_features(evidence),
        *_outcomes(evidence),
        *_proof(evidence),
        *_checking(evidence, json_name),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _summary(evidence: Evidence) -> str:
    kind = "sum bad" if evidence.rebuilt.equal is False else "sum"
    lines = "".join(f"<li>{_text(line)}</li>" for line in evidence.summary)
    return f'<div class="{kind}"><ul>{lines}</ul></div>'


def _requested(evidence: Evidence) -> Iterable[str]:
    asked = evidence.request
    yield "<h2>1. What was asked</h2>"
    yield _pairs(
        [
            ("Written down", asked.time),
            ("Caller", asked.caller or "not known: the server asked nobody who they are"),
            ("Method", asked.method),
            ("Reasons wanted", asked.reasons_mode),
            ("Journal", _where(asked)),
        ]
    )
    yield "<p>The transaction, as it came:</p>"
    yield _pairs([(name, _value(value)) for name, value in asked.transaction.items()])
    if evidence.again:
        yield "<p>It came again:</p>"
        yield _table(
            ("Entry", "Written down", "Caller", "What became of it"),
            [(f"{each.entry:,}", each.time, each.caller or "–", each.became) for each in evidence.again],
        )


def _where(asked: Asked) -> str:
    if asked.transactions_in_entry == 1:
        return f"entry {asked.entry:,}"
    return (
        f"entry {asked.entry:,}, transaction {asked.place + 1:,} of the {asked.transactions_in_entry:,} in it"
    )


def _answered(evidence: Evidence) -> Iterable[str]:
    yield "<h2>2. What was answered</h2>"
    answer = evidence.answer
    if answer is None:
        yield f"<p>{_text(evidence.summary[1])}</p>"
        return
    yield _pairs(
        [
            ("Decision", answer.decision),
            ("Probability of fraud", repr(answer.fraud_probability)),
            ("Model", answer.model_version),
            ("Written down", answer.time),
            ("Journal", f"entry {answer.entry:,}, the answer to entry {answer.admission:,}"),
        ]
    )
    yield from _reasons(answer.reasons)


def _reasons(reasons: Sequence[Reason]) -> Iterable[str]:
    if not reasons:
        yield "<p>Without reasons: none were wanted for such a score, or the model has none to give.</p>"
        return
    yield (
        "<p>Its reasons, strongest first. Above 0 in log-odds a reason spoke for fraud, below 0 for the "
        "customer.</p>"
    )
    yield _table(
        ("Reason", "Feature", "Log-odds", "Value"),
        [
            (each.description, each.feature or "–", f"{each.contribution:+.4f}", _short(each.value))
            for each in reasons
        ],
        numbers=(2, 3),
    )


def _rebuilt(evidence: Evidence) -> Iterable[str]:
    rebuilt = evidence.rebuilt
    yield "<h2>3. The answer, rebuilt</h2>"
    yield (
        "<p>The journal's entries up to the request were counted again in an empty history, as the server "
        "had counted them; the model of the answer scored what came of it.</p>"
        if rebuilt.equal is not None
        else ""
    )
    yield f"<p>{_text(rebuilt.told)}</p>"
    if rebuilt.fraud_probability is not None:
        yield _pairs(
            [
                ("Probability of fraud", repr(rebuilt.fraud_probability)),
                ("Decision", rebuilt.decision or ""),
                ("Reasons", f"{len(rebuilt.reasons)}, listed in the JSON file"),
            ]
        )
    if rebuilt.differences:
        yield _table(
            ("What differs", "Answered", "Rebuilt"),
            [(each.what, each.answered, each.rebuilt) for each in rebuilt.differences],
        )
    if rebuilt.caveats:
        yield "<p>The replay had to go without:</p>"
        yield "<ul>" + "".join(f"<li>{_text(each)}</li>" for each in rebuilt.caveats) + "</ul>"


def _model(model: Model | None) -> Iterable[str]:
    yield "<h2>4. The model</h2>"
    if model is None:
        yield "<p>It was not looked at.</p>"
        return
    yield _pairs(
        [
            ("Version", model.model_version),
            ("Kind", model.algorithm),
            ("Published", model.published_time or "not told by its bundle"),
            ("SHA-256 of its manifest", model.manifest_sha256),
            ("SHA-256 of the model", model.model_sha256),
            ("Hash of what it learnt from", model.data_hash),
            ("REVIEW from", repr(model.review_threshold)),
            ("DECLINE from", repr(model.decline_threshold)),
            ("Why from there", model.threshold_rationale),
            ("Why it went live", model.verdict or "not told by its bundle"),
            ("Signatures", model.signature.told),
        ]
    )
    yield (
        '<p class="small">The manifest names the hash of every other file of the bundle, the model card '
        "among "
        "them (documents/model_card.html).</p>"
    )


def _features(evidence: Evidence) -> Iterable[str]:
    yield "<h2>6. What was known at that moment</h2>"
    if not evidence.features:
        yield "<p>The features were not rebuilt.</p>"
        return
    used = [each for each in evidence.features if each.used]
    others = [each for each in evidence.features if not each.used]
    yield (
        "<p>The features of the transaction, from the request and from the history up to it. Values are "
        "exact in the JSON file and short here; “unset” means that there was nothing to compute one "
        "from.</p>"
    )
    yield f"<p>Those that the model takes ({len(used):,}):</p>" if used else "<p>The model takes:</p>"
    yield _feature_table(used)
    yield f"<p>The others ({len(others):,}), which had no part in the score:</p>"
    yield _feature_table(others)


def _feature_table(features: Sequence[Feature]) -> str:
    return _table(
        ("Feature", "Value", "Unit", "What it is"),
        [(each.name, _short(each.value), each.unit, each.description) for each in features],
        numbers=(1,),
    )


def _outcomes(evidence: Evidence) -> Iterable[str]:
    yield "<h2>7. What was reported since</h2>"
    if not evidence.outcomes:
        yield "<p>Nothing is in the journal.</p>"
        return
    yield _table(
        ("Outcome", "Became known", "Written down", "By", "Entry"),
        [
            (
                f"{each.label} (refused)" if each.refused else each.label,
                each.reported_time,
                each.time,
                each.caller or "–",
                f"{each.entry:,}",
            )
            for each in evidence.outcomes
        ],
    )


def _proof(evidence: Evidence) -> Iterable[str]:
    yield "<h2>8. The entries of the journal</h2>"
    yield f"<p>{_text(evidence.proof)}</p>"
    yield _table(
        ("Entry", "What it is", "Written down", "Leaf hash"),
        [(f"{each.sequence:,}", each.role, each.time, each.leaf_hash) for each in evidence.entries],
    )
    if evidence.checkpoint is not None:
        yield f"<p>The checkpoint:</p><pre>{_text(evidence.checkpoint)}</pre>"
    count = evidence.request.transactions_in_entry
    if count > 1:
        yield (
            f"<p><strong>The entry of the request has {count:,} transactions, and its raw bytes in the JSON "
            "file show all of them.</strong> Hand that file only to whom all of them may be shown.</p>"
        )


def _checking(evidence: Evidence, json_name: str) -> Iterable[str]:
    yield "<h2>9. How to check this without trusting whoever made it</h2>"
    if evidence.checkpoint is None:
        yield "<p>There is no proof to check: section 8 says why.</p>"
        return
    yield (
        "<p>With Python, the package cryptography, the 60 lines of verify_evidence.py (read them first), "
        "and the key of the journal, got on a way that you trust:</p><pre>python verify_evidence.py "
        f"{_text(json_name)} KEY [WITNESS-KEY …]</pre><p>It says whether the entries are those that were "
        "signed, and whether the messages given as <code>holds</code> stand in them. What those say, in "
        "<code>protoc --decode kuntur.api.v1.Transaction</code> and <code>kuntur.api.v1.Score</code>, has "
        "to be sections 1 and 2. Sections 3 and 6 need the journal and the bundle: <code>kuntur-server "
        "evidence</code> makes them anew.</p>"
    )


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>' for name, value in rows
    )
    return f"<table><tbody>{cells}</tbody></table>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    mark = dict.fromkeys(numbers, ' class="n"')
    head = "".join(f'<th scope="col"{mark.get(at, "")}>{_text(each)}</th>' for at, each in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{mark.get(at, '')}>{_text(each)}</td>" for at, each in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _value(value: object) -> str:
    if value is None:
        return "not given"
    if isinstance(value, dict):
        return ", ".join(f"{name} = {each!r}" for name, each in value.items()) or "none"
    return str(value)


def _short(value: float | None) -> str:
    return "unset" if value is None else number(value)


def _text(text: str) -> str:
    return escape(text, quote=True)
