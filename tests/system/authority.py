# SPDX-License-Identifier: Apache-2.0
"""Certificates for servers of the tests."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """A certificate authority, and a server certificate for some addresses and names signed by it."""

    def __init__(self, folder, addresses=("127.0.0.1",), names=()):
        self.key, self.bundle, self.server = ec.generate_private_key(ec.SECP256R1()), folder / "ca.pem", folder / "server.pem"
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "flowlog test authority")])
        authority = self._sign(name, name, self.key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
        self.bundle.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "s3")])
        stands_for = [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses] + [x509.DNSName(one) for one in names]
        certificate = self._sign(subject, name, key.public_key(), x509.SubjectAlternativeName(stands_for))
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        private = key.private_bytes(encoding, form, serialization.NoEncryption())
        self.server.write_bytes(private + certificate.public_bytes(encoding))

    def _sign(self, subject, issuer, key, extension):
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(hours=1)).add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())
