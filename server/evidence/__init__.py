"""Evidence for one decision, as a pair of files: for whoever has to judge it and was not there.

What was asked and answered comes from the journal; features, score and reasons are rebuilt by replay and held
against the answer; the proofs of the journal's log vouch for its entries. The command line is left to
`server.cli.evidence`.
"""

from server.evidence.collecting import Wanted, collect
from server.evidence.document import Evidence
from server.evidence.errors import EvidenceError
from server.evidence.files import write_files

__all__ = ["Evidence", "EvidenceError", "Wanted", "collect", "write_files"]
