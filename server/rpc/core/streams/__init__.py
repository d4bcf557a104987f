"""Streams whose handler answers each frame, without a thread for each stream and without reading far ahead.

As with unary calls (`server.rpc.core.unary`), a stream is an object whose operations end on gRPC's polling
thread. It is one class in three steps, so that a message costs no more calls than in one: `reading` has what
comes, `answering` what leaves, `call` the order of both and the end.

While frames are worked on the next ones are read, up to a few bytes and no more: beyond that gRPC's flow
control holds the sender back. What has been read by the time its turn comes is worked on together. While
answers are still being sent no more work begins than for the last of them: so a caller that does not read
costs twice what is read ahead and the answers to it, whatever it sends. What all such callers cost together
is bounded too (`server.rpc.admission.unread`).
"""
