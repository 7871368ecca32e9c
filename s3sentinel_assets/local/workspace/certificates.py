"""The TLS certificate of the local workspace: a private authority and one certificate, made once a data directory.

Belongs here: making and checking those files. Does not belong here: serving them (``server``).
"""

import ssl

from s3sentinel_assets.local.workspace.identity import WorkspaceFiles, write_private

__all__ = ["ensure_certificates"]

NAMES = ("localhost", "127.0.0.1", "::1")


def ensure_certificates(files: WorkspaceFiles) -> None:
    """Makes authority and server certificate unless a matching pair is there.

    Both are kept over restarts, so clients that trust ``ca.pem`` go on trusting it. The authority's key is never
    written: nothing else can ever be signed by it.
    """
    if _usable(files):
        return
    import trustme

    authority = trustme.CA(organization_name="s3sentinel local workspace")
    leaf = authority.issue_cert(*NAMES)
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    # The server's half first: a kill in between leaves a pair that does not match, which is seen and made anew.
    write_private(files.server_certificate, leaf.private_key_pem.bytes() + chain)
    write_private(files.ca, authority.cert_pem.bytes())


def _usable(files: WorkspaceFiles) -> bool:
    """True when the server's certificate loads, is in force and was signed by the authority on disk."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    from s3sentinel_assets.hours import utc_now

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.server_certificate)
        authority = x509.load_pem_x509_certificate(files.ca.read_bytes())
        leaf = x509.load_pem_x509_certificates(files.server_certificate.read_bytes())[0]
        leaf.verify_directly_issued_by(authority)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    return leaf.not_valid_before_utc <= utc_now() < leaf.not_valid_after_utc
