//! TLS by rustls, with libpq's rules of verification.
//!
//! | sslmode | what is verified |
//! |---|---|
//! | `prefer`, `require` | nothing, unless there is a root file: then as `verify-ca` |
//! | `verify-ca` | that an authority of the root file signed the certificate |
//! | `verify-full` | that, and that the certificate names the host |
//!
//! Every mode verifies that the server holds the key of its certificate, although that proves nothing about
//! an unverified certificate: channel binding depends on it.
//!
//! Certificates are verified by webpki, which is noticeably stricter than OpenSSL in two ways: the name must
//! be in the subjectAltName (the common name does not count), and X.509 version 1 certificates are refused.
//! In one way it would be too strict: the usual self-signed server certificate calls itself an authority, and
//! webpki accepts no authority as a server. If exactly this certificate is in the root file, it is trusted
//! explicitly, and accepted.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion, version,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls_settings::{Authorities, Mode, TlsSettings};
use crate::error::{Error, Result};

/// The driver's TLS hook.
pub(super) type Maker = MakeRustlsConnect;

/// Makes the TLS side of connections. All files are read when it is created.
#[derive(Clone)]
pub(super) struct Connector(Maker);

impl Connector {
    pub(super) fn new(settings: &TlsSettings) -> Result<Option<Connector>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(Verifier::new(settings, &provider)?);
        let mut versions: Vec<&SupportedProtocolVersion> = Vec::new();
        versions.extend(settings.tls12.then_some(&version::TLS12));
        versions.extend(settings.tls13.then_some(&version::TLS13));
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|error| Error::connection(format!("no version of TLS is left to speak: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &settings.certificate {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                config.with_client_auth_cert(chain, private_key(key)?).map_err(|error| {
                    Error::connection(format!(
                        "the client certificate {} cannot be used with the key {}: {error}",
                        certificate.display(),
                        key.display()
                    ))
                })?
            }
        };
        config.enable_sni = settings.server_name_sent;
        Ok(Some(Connector(MakeRustlsConnect::new(config))))
    }

    pub(super) fn get(&self) -> Maker {
        self.0.clone()
    }
}

/// The verifier for libpq's modes.
#[derive(Debug)]
struct Verifier {
    /// `None` if nothing is verified.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates of the root file, unchanged.
    vouched_for: Vec<CertificateDer<'static>>,
    names_are_verified: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(settings: &TlsSettings, provider: &Arc<CryptoProvider>) -> Result<Verifier> {
        let algorithms = provider.signature_verification_algorithms;
        let vouched_for = match &settings.authorities {
            Authorities::None => Vec::new(),
            Authorities::File(path) => certificates(path)?,
            Authorities::System => system_authorities()?,
        };
        let mut verifier = Verifier {
            authorities: None,
            vouched_for,
            names_are_verified: settings.mode == Mode::VerifyFull,
            algorithms,
        };
        if matches!(settings.authorities, Authorities::None) {
            return Ok(verifier);
        }
        let mut roots = RootCertStore::empty();
        let (good, _) = roots.add_parsable_certificates(verifier.vouched_for.iter().cloned());
        if good == 0 {
            return Err(Error::connection(format!(
                "there is no usable certificate in {}",
                settings.authorities
            )));
        }
        let mut builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        if let Some(path) = &settings.revoked {
            let lists = CertificateRevocationListDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, pem::Error>>)
                .map_err(|error| unreadable("list of revoked certificates", path, error))?;
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        verifier.authorities = Some(builder.build().map_err(|error| {
            Error::connection(format!("{} cannot verify anything: {error}", settings.authorities))
        })?);
        Ok(verifier)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        let verdict =
            authorities.verify_server_cert(certificate, intermediates, server_name, ocsp_response, now);
        match verdict {
            // webpki checks the name last, so everything else is valid.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.names_are_verified => Ok(ServerCertVerified::assertion()),
            // webpki checks the validity period before it reports this, so only the name is left.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
                if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
                    && self.vouched_for.iter().any(|vouched_for| vouched_for == certificate) =>
            {
                if self.names_are_verified {
                    verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What a handshake error means, if the error is one.
pub(super) fn explain(error: &io::Error, authorities: &Authorities) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "the server's certificate is not signed by an authority of {authorities}; name the right file by sslrootcert"
        ),
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            format!(
                "the server's certificate is one that it signed for itself, and does not stand in {authorities}; name the right file by sslrootcert"
            )
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.0.downcast_ref() == Some(&webpki::Error::UnsupportedCertVersion) =>
        {
            "the server's certificate is of X.509 version 1, which says too little to be used; make one of version 3, with a subjectAltName".to_owned()
        }
        // The certificate's issuer has the name of a trusted authority but is not it; or the server does not
        // hold the certificate's key.
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            format!("the server's certificate does not bear the signature of an authority of {authorities}")
        }
        rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
            format!("the server's certificate was valid until {}; it needs a new one", date(*not_after))
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
            format!("the server's certificate is valid from {} on; are all clocks right?", date(*not_before))
        }
        rustls::Error::InvalidCertificate(CertificateError::Revoked) => {
            "the server's certificate was revoked (sslcrl)".to_owned()
        }
        rustls::Error::InvalidCertificate(reason) => format!("the server's certificate is refused: {reason}"),
        rustls::Error::AlertReceived(alert) => {
            format!("the server refused our side of TLS ({alert:?}); does it ask for a client certificate (sslcert, sslkey)?")
        }
        error => format!("TLS failed: {error}"),
    })
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = chrono::DateTime::from_timestamp(seconds, 0);
    time.map_or_else(|| "another age".to_owned(), |time| time.format("%F %T UTC").to_string())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, pem::Error>>)
        .map_err(|error| unreadable("certificate file", path, error))?;
    if certificates.is_empty() {
        return Err(Error::connection(format!(
            "there is no certificate in {} (PEM is expected)",
            path.display()
        )));
    }
    Ok(certificates)
}

fn system_authorities() -> Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    match (found.certs.is_empty(), found.errors.first()) {
        (false, _) => Ok(found.certs),
        (true, None) => Err(Error::connection(
            "sslrootcert=system, but the system has no certificates (on Debian: install ca-certificates)",
        )),
        (true, Some(error)) => Err(Error::connection(format!(
            "sslrootcert=system, but the certificates of the system cannot be read: {error}"
        ))),
    }
}

/// Reads a private key, which no other user may be able to read.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let metadata = fs::metadata(path).map_err(|cause| Error::file("read the key", path, cause))?;
    // As in libpq: a key owned by root may be shared with a group, so that one service can read it.
    let (forbidden, allowed) = if metadata.uid() == 0 { (0o037, "640") } else { (0o077, "600") };
    if metadata.mode() & forbidden != 0 {
        return Err(Error::connection(format!(
            "the key {0} can be used by others; run chmod {allowed} {0}",
            path.display()
        )));
    }
    let text = fs::read(path).map_err(|cause| Error::file("read the key", path, cause))?;
    if text.windows(9).any(|window| window == b"ENCRYPTED") {
        return Err(Error::connection(format!(
            "the key {0} is encrypted, which is not supported; decrypt it (openssl pkey -in {0} -out …) and keep it at mode 0600",
            path.display()
        )));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| unreadable("key", path, error))
}

/// The error for a malformed file. The parser's error can quote a line of the file, which may be part of a
/// key, so only its kind is reported.
fn unreadable(what: &'static str, path: &Path, error: pem::Error) -> Error {
    match error {
        pem::Error::Io(cause) => Error::file("read", path, cause),
        pem::Error::NoItemsFound => {
            Error::connection(format!("the {what} {} holds none (PEM is expected)", path.display()))
        }
        _ => Error::connection(format!("the {what} {} is damaged (PEM is expected)", path.display())),
    }
}
