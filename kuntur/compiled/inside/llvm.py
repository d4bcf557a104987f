"""llvmlite's module of LLVM instructions; None where it is gone, and what needs it does not compile."""

from __future__ import annotations

try:
    from llvmlite import ir
except ImportError:
    ir = None

__all__ = ["ir"]
