"""The certificates by which the control plane's programs know each other, made for one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme

#: As what the API server speaks to KEDA's adapter for a user, and the service by which it calls it.
FRONT_PROXY = "front-proxy"
ADAPTER_SERVICE, ADAPTER_NAMESPACE = "keda-metrics-apiserver", "keda"


@dataclass(frozen=True)
class Certificates:
    """The files, in one folder: NAME.crt and NAME.key."""

    folder: Path

    def crt(self, name: str) -> Path:
        """A certificate."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Its private key."""
        return self.folder / f"{name}.key"


def make_certificates(folder: Path) -> Certificates:
    """One authority for all, and one for the front proxy, which may speak for any user."""
    folder.mkdir(mode=0o700)
    made = Certificates(folder)
    authority, front = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(made.crt("ca"))
    front.cert_pem.write_to_path(made.crt("front-ca"))
    _issue(authority, made, "api", "kube-apiserver")
    _issue(authority, made, "admin", "admin", group="system:masters")
    _issue(authority, made, "accounts", "service-accounts")
    _issue(front, made, "front", FRONT_PROXY)
    # KEDA expects these names, in a folder with the authority's certificate.
    _issue(authority, made, "tls", "localhost", f"{ADAPTER_SERVICE}.{ADAPTER_NAMESPACE}.svc")
    return made


def _issue(authority: trustme.CA, made: Certificates, name: str, user: str, *hosts: str, group: str = "none") -> None:
    issued = authority.issue_cert("localhost", "127.0.0.1", *hosts, common_name=user, organization_name=group)
    issued.cert_chain_pems[0].write_to_path(made.crt(name))
    issued.private_key_pem.write_to_path(made.key(name))
