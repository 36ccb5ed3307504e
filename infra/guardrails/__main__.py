"""The policy pack's program, which the pulumi CLI starts; it serves on a free port of loopback, and says which."""

from pulumi_policy import PolicyPack

from infra.guardrails.pack import NAME, policies

if __name__ == "__main__":
    PolicyPack(name=NAME, policies=policies())
