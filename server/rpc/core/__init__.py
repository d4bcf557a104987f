"""The fast transport: the only package that touches grpcio's inside.

Calls are taken up and answered on the thread that polls gRPC's C core. `inside` lists what is used and checks
that it is as tested; where it is not, `server.rpc.plain` serves the same methods.
"""
