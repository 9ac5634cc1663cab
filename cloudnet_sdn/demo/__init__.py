"""The main job on one machine: two providers and a broker on an emulated substrate.

Modules:
    options: what it is asked to do.
    blueprint: the testbed's description to substrates and configurations, pure.
    world: certificates, testbed and processes, brought up and down.
    story: request, hold, confirm, start, prove, release.
    frames, measure: packets.
    leftovers: what is still there afterwards.
"""
