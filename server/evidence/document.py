"""The form of evidence as JSON: each field with what it says. What makes one of it is in `collecting`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )


class Reason(_Part):
    """One cause of a score."""

    feature: str
    """Name of the feature; empty where the model gave no valid score."""
    value: float | None
    """Value that it had; null: unset."""
    contribution: float
    """What it added, in log-odds; above 0 it spoke for fraud."""
    description: str
    """The same as a sentence."""


class Asked(_Part):
    """The request with which the transaction entered the history."""

    time: str
    """When the server wrote it down, by its clock; ISO 8601 in UTC, as all times here."""
    caller: str | None
    """Identity of the caller; null where the server asked nobody who they are."""
    method: str
    """ScoreTransaction or ScoreStream."""
    reasons_mode: str
    """Which scores the request wanted reasons for."""
    entry: int
    """Sequence of the journal's entry."""
    place: int
    """Place among the transactions of the entry, from 0."""
    transactions_in_entry: int
    """How many transactions the entry has: all of them are in its raw bytes."""
    transaction: dict[str, Any]
    """The transaction, field by field as it came; null: not given."""


class Answered(_Part):
    """The first answer, which every repeat gets again."""

    time: str
    """When the server wrote it down."""
    entry: int
    """Sequence of the journal's entry."""
    admission: int
    """Sequence of the entry that it answers; another one than the request's when that was never answered."""
    fraud_probability: float
    """The score, exactly."""
    decision: str
    """APPROVE, REVIEW or DECLINE."""
    reasons: tuple[Reason, ...]
    """Strongest first."""
    model_version: str
    """The model that gave it."""


class Again(_Part):
    """The transaction came again."""

    entry: int
    """Sequence of the journal's entry. A repeat that came alone, or among repeats alone, has none."""
    time: str
    """When the server wrote it down."""
    caller: str | None
    """Identity of the caller."""
    became: str
    """What became of it."""


class Feature(_Part):
    """A value that the history, or the request, had for the transaction."""

    name: str
    """Name in the catalogue, or attribute.NAME."""
    value: float | None
    """The value, exactly; null: unset."""
    used: bool
    """Whether the model takes it."""
    description: str
    """What it is."""
    unit: str
    """Its unit."""


class Signature(_Part):
    """What is known of the signatures of the model's bundle."""

    checked: bool
    """Whether there was a policy to check them by."""
    signers: tuple[str, ...]
    """Who signed it, by that policy."""
    told: str
    """The same as a sentence."""


class Model(_Part):
    """The model that gave the answer, as its bundle in the registry has it."""

    model_version: str
    """Its name."""
    manifest_sha256: str
    """SHA-256 of manifest.json, which names the hash of every other file."""
    model_sha256: str
    """SHA-256 of model.onnx."""
    algorithm: str
    """Kind of estimator."""
    published_time: str
    """When it was built; empty in bundles from before that was told."""
    data_hash: str
    """Hash of what it learnt from."""
    review_threshold: float
    """Probability from which it advises REVIEW."""
    decline_threshold: float
    """Probability from which it advises DECLINE."""
    threshold_rationale: str
    """How these were chosen."""
    verdict: str
    """Why it went live."""
    signature: Signature
    """Who vouches for it."""


class Difference(_Part):
    """Something that is not the same in the answer and rebuilt."""

    what: str
    """Which field of the score."""
    answered: str
    """As it was answered."""
    rebuilt: str
    """As it is rebuilt."""


class Rebuilt(_Part):
    """The score as it is rebuilt from the journal and the bundle."""

    equal: bool | None
    """Whether it is the answer, bit for bit; null: not rebuilt."""
    told: str
    """The same as a sentence, with the reason where it was not rebuilt."""
    fraud_probability: float | None
    """The score."""
    decision: str | None
    """The decision."""
    reasons: tuple[Reason, ...]
    """The reasons."""
    differences: tuple[Difference, ...]
    """What differs from the answer."""
    caveats: tuple[str, ...]
    """What the replay had to go without: each may explain a difference."""
    entries: int
    """Entries of the journal that were replayed for it."""


class Outcome(_Part):
    """What was reported about the transaction since."""

    label: str
    """FRAUD or LEGITIMATE."""
    reported_time: str
    """When that became known, as the report says."""
    entry: int
    """Sequence of the journal's entry."""
    time: str
    """When the server wrote it down."""
    caller: str | None
    """Identity of whoever reported it."""
    refused: bool
    """Whether the report was refused and did not enter the history."""


class Entry(_Part):
    """An entry of the journal, and its proof."""

    role: str
    """What it says here."""
    sequence: int
    """Its place in the journal, from 1."""
    time: str
    """When the server wrote it down."""
    record: str
    """Its raw bytes, Base64: a serialised `kuntur.journal.v1.Entry`."""
    holds: tuple[str, ...]
    """Messages of this evidence as they stand in it, Base64: the Transaction, or the Score."""
    leaf_hash: str
    """SHA-256 of a zero byte and the raw bytes, hexadecimal."""
    index: int
    """Place in the log, from 0."""
    path: tuple[str, ...] | None
    """Audit path, Base64, from the leaf's neighbour up; null: there is no proof."""
    tlog_proof: str | None
    """The same with the checkpoint, as C2SP's tlog-proof."""


class Evidence(_Part):
    """All that there is about one decision."""

    form: Literal[1] = 1
    """Version of this form."""
    institution_id: str
    """The institution, as it was sent."""
    transaction_id: str
    """The transaction."""
    made_time: str
    """When this was put together."""
    made_by: str
    """The program that did."""
    summary: tuple[str, ...]
    """What it comes to, in sentences."""
    request: Asked
    """What was asked, when, and by whom."""
    answer: Answered | None
    """What was answered; null where no answer is in the journal."""
    again: tuple[Again, ...]
    """Later requests with the same transaction."""
    model: Model | None
    """The model; null where there was no answer, or it was not looked for."""
    policy: None = None
    """Rules and lists in force beside the model: this release has none."""
    features: tuple[Feature, ...]
    """All features of the catalogue as they were at the request, and the request's attributes."""
    rebuilt: Rebuilt
    """The score, rebuilt and compared."""
    outcomes: tuple[Outcome, ...]
    """What was reported since."""
    proof: str
    """What the proofs come to, as a sentence."""
    checkpoint: str | None
    """The newest checkpoint over all entries here, with its signatures; null: there is none."""
    entries: tuple[Entry, ...]
    """The entries of the journal that say so."""
