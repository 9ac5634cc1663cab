"""The main job on one machine: two providers and a broker on an emulated substrate.

Modules:
    options: what it is asked to do.
    run: the whole of it, from the options to the report.
    blueprint: the testbed's description to substrates and configurations, pure.
    world: certificates, testbed and processes, brought up and down.
    processes: what it starts, logged and ended by pid.
    story: request, hold, confirm, start, prove, change, release.
    change: what is changed of it while it runs.
    frames, measure: packets.
    leftovers: what is still there afterwards.
"""
