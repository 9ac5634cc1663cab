"""What crosses a process boundary: faults, TLS identities, the XML-RPC service, server and client.

Below the roles and both shells: it knows neither RDL nor the store. `rpc` knows no threads, so
that it runs under eventlet as well.
"""
