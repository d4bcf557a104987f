"""The fast transport: the only package that touches grpcio's inside.

Calls are taken up and answered on the thread that polls gRPC's C core. `inside` says what is leaned on and
whether it is as tested; where it is not, `server.rpc.plain` serves the same methods.
"""
